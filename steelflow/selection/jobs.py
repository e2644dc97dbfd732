"""The jobs of the zoo: every network with our recipe, and every figure of a paper with the paper's protocol."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from steelflow.models import CATALOGUE
from steelflow.selection.protocols import PROTOCOLS
from steelflow.training.train import suited_epochs

SECONDS = {
    "steelnet": 2,
    "steelnet_s": 2,
    "steelnet_fast": 2,
    "steelnet_l": 3,
    "ssdc_mininet": 3,
    "cost_effective_cnn": 5,
    "mobilenet_v1_010": 8,
    "mobilenet_v1_025": 11,
    "mobilenet_v1": 45,
    "mobilenet_v2_transfer": 60,
    "densenet121": 117,
    "casi_net_blfe": 130,
    "casi_net_blfe_si": 130,
    "casi_net_blfe_ca": 150,
    "casi_net": 150,
    "effnet": 147,
    "resnet50v2_transfer": 152,
    "resnet50": 177,
    "mobilesteelnet": 2250,
}
"""Cost of an epoch of 1,152 images at the catalogue's input size: one core with AVX512-BF16, the faster precision.

These values decide the order of the queue and the affordable epochs of our recipe. A network without a value
counts as 60; CONTRIBUTING.md (Add a model) says how to measure one.
"""

_IMAGES, _TRAINED_ON = 1440, 1152  # images of the NEU database as distributed for this task: all, and without a fifth
_SMALL = {"casi_net": 128, "casi_net_blfe": 128, "casi_net_blfe_si": 128, "casi_net_blfe_ca": 128}
_SMALL |= {"effnet": 128, "mobilesteelnet": 128}
_CORE_HOURS = 2.0
_FEWEST_EPOCHS = 30
_OURS = ("steelnet", "steelnet_s", "steelnet_fast", "steelnet_l")
_PER_CLASS = {"mobilesteelnet": 15}  # the paper's number of images; the same share of our images would be 12
_CHECKED = {"cost_effective_cnn": 40, "mobilenet_v1_025": 40}  # architecture: epochs of the precision check


@dataclass(frozen=True, slots=True)
class Job:
    """One training; for ``precision``, a few small trainings.

    ``protocol`` is ``ours`` (the usual recipe, evaluated as in `steelflow models compare`), the name of a paper's
    protocol, or ``precision`` (bfloat16 against float32). If ``epochs`` is None, the recipe decides; if ``size``
    (pixels) is None, the catalogue decides.
    """

    protocol: str
    arch: str
    seeds: tuple[int, ...]
    epochs: int | None = None
    size: int | None = None
    recipe: Literal["paper", "ours"] = "paper"
    per_class: int | None = None
    pretrained: str = ""  # weights file
    hours: float = 0.0  # expected core hours
    round: int = 0

    @property
    def group(self) -> str:
        """Jobs of one group write to the same result file."""
        size = f"-{self.size}" if self.size else ""
        recipe = f"-{self.recipe}" if self.protocol in PROTOCOLS else ""
        recipe += "-pretrained" if self.pretrained else ""
        return f"{self.protocol}-{self.arch}{size}{recipe}"

    @property
    def name(self) -> str:
        return f"{self.group}-seed-{'-'.join(map(str, self.seeds))}"

    def command(self, data: Path, device: str | None, precision: str) -> str:
        """The command that runs this job by hand."""
        words = ["--data", f"…/{data.name}", "--seeds", ",".join(map(str, self.seeds))]
        words += ["--epochs", str(self.epochs)] if self.epochs else []
        words += ["--device", device] if device else []
        if self.protocol == "precision":
            return shlex.join(["steelflow", "zoo", "precision", self.arch, *words])
        words += ["--precision", precision]
        if self.protocol == "ours":
            what = f"{self.arch}@{self.size}" if self.size else self.arch
            return shlex.join(["steelflow", "models", "compare", "--models=", "--train", what, "--rounds", "0", *words])
        words += ["--arch", self.arch, "--recipe", self.recipe]
        words += ["--per-class", str(self.per_class)] if self.per_class else []
        words += ["--pretrained", f"…/{Path(self.pretrained).name}"] if self.pretrained else []
        return shlex.join(["steelflow", "reproduce", self.protocol, *words])


def plan(seeds: Sequence[int], small: bool, weights: Mapping[str, Path] | None = None) -> list[Job]:
    """All jobs: first one seed for everything, shortest jobs first; then the other seeds in the same order.

    Our own networks come after the papers' networks, because they were measured before.

    Args:
        small: reduce the jobs for a CPU. With our recipe, the largest networks get smaller pictures (128×128), and each
            network gets as many epochs as two core hours allow, at least 30.
        weights: pretrained weights files by architecture, for the papers that fine-tune. Jobs from scratch are added
            too.
    """
    found = [job for number, seed in enumerate(seeds) for job in _round(number, seed, small, weights or {})]
    if small:  # the precision check is for CPUs only
        found += [_check(arch, epochs, tuple(seeds)) for arch, epochs in _CHECKED.items()]
    return sorted(found, key=lambda job: (job.round, job.arch in _OURS, job.hours, job.name))


def _round(number: int, seed: int, small: bool, weights: Mapping[str, Path]) -> Iterator[Job]:
    for arch in CATALOGUE:
        size = _SMALL.get(arch) if small else None
        epochs = _affordable(arch, size) if small else suited_epochs(_TRAINED_ON)
        hours = _hours(arch, size, epochs, _TRAINED_ON)
        yield Job("ours", arch, (seed,), epochs, size, hours=hours, round=number)
    for name, protocol in PROTOCOLS.items():
        per_class = _PER_CLASS.get(name)
        images = 6 * per_class if per_class else round(_IMAGES * protocol.counts.training / protocol.counts.total)
        for arch in protocol.figures:
            hours = _hours(arch, protocol.input_size, protocol.recipe.epochs, images)
            job = Job(name, arch, (seed,), per_class=per_class, hours=hours, round=number)
            yield job
            if protocol.phases and arch in weights:
                yield replace(job, pretrained=str(weights[arch]))
        yield _with_ours(name, seed, per_class, images, number)


def _with_ours(name: str, seed: int, per_class: int | None, images: int, number: int) -> Job:
    """Our network and recipe on the paper's split."""
    arch = _OURS[0]
    hours = _hours(arch, None, suited_epochs(images), images)
    return Job(name, arch, (seed,), recipe="ours", per_class=per_class, hours=hours, round=number)


def _check(arch: str, epochs: int, seeds: tuple[int, ...]) -> Job:
    hours = 2 * len(seeds) * _hours(arch, None, epochs, _TRAINED_ON)
    return Job("precision", arch, seeds, epochs, hours=hours)


def _affordable(arch: str, size: int | None) -> int:
    usual = suited_epochs(_TRAINED_ON)
    return min(usual, max(_FEWEST_EPOCHS, int(_CORE_HOURS / _hours(arch, size, 1, _TRAINED_ON))))


def _hours(arch: str, size: int | None, epochs: int, images: int) -> float:
    """Expected core hours. The cost of a convolution is proportional to the number of pixels."""
    pixels = (size / CATALOGUE[arch].input_size) ** 2 if size else 1.0
    return SECONDS.get(arch, 60) * pixels * images / _TRAINED_ON * epochs / 3600
