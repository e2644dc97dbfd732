"""Candidates of a comparison: one model file, or the files of one architecture trained with several seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelflow.engine import open_engine
from steelflow.errors import ConfigError, ModelError
from steelflow.models import architecture
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec
from steelflow.selection.provenance import provenance, write_result
from steelflow.training.precision import Wanted
from steelflow.training.state import Progress
from steelflow.training.train import TrainingPlan, train


@dataclass(frozen=True, slots=True)
class ModelFile:
    """An ONNX file and the records that `steelflow train` wrote in the same folder; empty if there are none."""

    path: Path
    digest: str
    record: dict[str, Any]
    origin: dict[str, Any]

    @classmethod
    def at(cls, path: Path) -> ModelFile:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(path, digest, _read(path.with_name("metrics.json")), _read(path.with_name("provenance.json")))

    def held_out(self, data_hash: str, otherwise: int | None) -> int | None:
        """The seed of the held-out fifth if the model's record is about these images, else ``otherwise``."""
        return self.record["seed"] if self.record.get("data_hash") == data_hash else otherwise


@dataclass(frozen=True, slots=True)
class Candidate:
    """``files`` are one training with different seeds. The first file is used where weights do not matter."""

    name: str
    files: tuple[ModelFile, ...]

    @property
    def spec(self) -> ModelSpec:
        return open_engine(self.files[0].path, "onnxruntime").spec


def find(ref: str) -> Candidate:
    """Find the candidate ``ref``: a shipped model's name, an ONNX file, or a folder with one folder per seed.

    Raises:
        ModelError: there is no model.
    """
    folder = Path(ref)
    if not folder.is_dir():
        path = resolve(ref)
        return Candidate(path.stem, (ModelFile.at(path),))
    files = sorted(folder.glob("seed-*/*.onnx"), key=lambda path: (len(path.parent.name), path.parent.name))
    if not files:
        raise ModelError(f"{ref}: contains no model; expected one folder per seed, such as seed-0/, with an ONNX file")
    return Candidate(folder.resolve().name, tuple(ModelFile.at(path) for path in files))


def train_seeds(
    what: str,
    data: Path,
    seeds: Sequence[int],
    folder: Path,
    *,
    epochs: int | None = None,
    device: str | None = None,
    precision: Wanted = "fp32",
    command: str = "",
    on_epoch: Callable[[str, Progress], None] = lambda *_: None,
) -> Candidate:
    """Train ``what`` (an architecture, or ``arch@size``) once for each seed, as `steelflow train` does.

    Each model gets a folder, ``folder/<arch>[-<size>]/seed-<seed>``. Existing models are not trained again; an
    interrupted training resumes.

    Raises:
        ConfigError, ModelError, DataError, TrainingError: see ``training.train.train``.
    """
    arch, _, size = what.partition("@")
    if size and not size.isdigit():
        raise ConfigError(f"{what!r}: write an architecture and a size in pixels, such as ssdc_mininet@200")
    architecture(arch)
    place = folder / (f"{arch}-{size}" if size else arch)
    for seed in seeds:
        out = place / f"seed-{seed}"
        if not (out / f"{arch}.onnx").is_file():
            train(
                data,
                TrainingPlan(
                    arch,
                    epochs=epochs,
                    seed=seed,
                    input_size=int(size) if size else None,
                    device=device,
                    precision=precision,
                ),
                out,
                on_epoch=lambda progress, seed=seed: on_epoch(f"{place.name}, seed {seed}", progress),  # type: ignore[misc]
            )
            write_result(out / "provenance.json", provenance(command))
    return find(str(place))


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found
