"""A complete comparison: gather candidates, measure them, draw them, and pick one by the rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelflow.config import Settings, save_setting
from steelflow.errors import ConfigError
from steelflow.models.shipped import SHIPPED
from steelflow.selection.candidates import Candidate, find, train_seeds
from steelflow.selection.compare import compare
from steelflow.selection.picture import draw_results
from steelflow.selection.rule import Choice, Measured, choose
from steelflow.training.precision import Wanted
from steelflow.training.state import Progress


@dataclass(frozen=True, slots=True)
class Comparison:
    """The measurements and the pick.

    ``models`` are the results of ``selection.compare``, in the order of the candidates. Without a measured speed there
    is no pick and no ``picture``.
    """

    models: list[dict[str, Any]]
    choice: Choice
    results: Path
    picture: Path | None

    @property
    def arch(self) -> str | None:
        """The architecture of the pick."""
        return next((m["arch"] for m in self.models if m["model"] == self.choice.name), None)

    @property
    def unknown_origin(self) -> list[str]:
        """Models that do not say which images they were trained on."""
        return [m["model"] for m in self.models if any(run["seed"] is None for run in m["runs"])]

    @property
    def knew_the_images(self) -> list[str]:
        """Models that were trained on images that they were evaluated on. They cannot be picked."""
        return [m["model"] for m in self.models if _knew(m)]

    def to_dict(self) -> dict[str, Any]:
        """The output of ``--json``."""
        found: dict[str, Any] = {"models": self.models, "results": str(self.results)}
        if self.picture is not None:
            found["picture"] = str(self.picture)
        return found | {"pick": self.choice.name, "arch": self.arch, "reason": self.choice.reason}


def gather(
    data: Path,
    folder: Path,
    *,
    models: Sequence[str] | None,
    train: Sequence[str],
    seeds: Sequence[int],
    epochs: int | None = None,
    device: str | None = None,
    precision: Wanted = "fp32",
    command: str = "",
    on_epoch: Callable[[str, Progress], None] = lambda *_: None,
) -> list[Candidate]:
    """The candidates: first the entries of ``train``, which are trained below ``folder``, then ``models``.

    Args:
        models: see ``candidates.find``. None: the shipped models that are not in ``train``.
        train: see ``candidates.train_seeds``, also for the other arguments.

    Raises:
        ConfigError: there is no candidate.
        ModelError, DataError, TrainingError: see ``find`` and ``train_seeds``.
    """
    trained = [
        train_seeds(
            what,
            data,
            seeds,
            folder,
            epochs=epochs,
            device=device,
            precision=precision,
            command=command,
            on_epoch=on_epoch,
        )
        for what in train
    ]
    names = {candidate.name for candidate in trained}
    refs = models if models is not None else [name for name in SHIPPED if name not in names]
    found = [*trained, *(find(ref) for ref in refs)]
    if not found:
        raise ConfigError("nothing to compare; give --models or --train")
    return found


def compare_and_choose(
    candidates: Sequence[Candidate],
    data: Path,
    settings: Settings,
    results: Path,
    *,
    held_out: int | None = 0,
    rounds: int = 5,
    command: str = "",
    say: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Measure the candidates (see ``selection.compare``), draw them, and choose by ``selection.rule``.

    Raises:
        ConfigError, DataError, ModelError: see ``compare``.
    """
    measured = compare(candidates, data, settings, results, held_out=held_out, rounds=rounds, command=command, say=say)
    timed = [m for m in measured if "speed" in m]
    if not timed:
        none = Choice(None, "no speed was measured, so there is no pick; give --rounds")
        return Comparison(measured, none, results, None)
    rated = [Measured(m["model"], m["accuracy"], m["speed"]["end_to_end_ratio"]) for m in timed if not _knew(m)]
    picture = results / "pareto.png"
    draw_results(timed, picture)
    return Comparison(measured, choose(rated, settings.selection), results, picture)


def _knew(model: dict[str, Any]) -> bool:
    return any(run.get("seen_in_training") for run in model["runs"])


def save_pick(comparison: Comparison, config: Path | None) -> Path:
    """Make the pick the default of `steelflow train`. Returns the configuration file.

    Raises:
        ConfigError: there is no pick, or the file cannot be changed.
    """
    if comparison.arch is None:
        raise ConfigError(f"nothing to save: {comparison.choice.reason}")
    return save_setting(config, "selection", "arch", comparison.arch)
