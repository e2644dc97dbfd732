"""A training that was interrupted goes on where it was: one file that holds its state, put whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from steelflow.errors import TrainingError
from steelflow.training.state import TrainingState

FORMAT = 2
SECONDS = 20.0
"""Between two checkpoints, at least: what an interruption costs is this, or one epoch if that takes longer."""


@dataclass(slots=True)
class Checkpoint:
    """The file, and the fingerprint of the training that it may belong to: whatever decides the weights.

    The file is safetensors with JSON in its metadata: reading it runs no code.
    """

    path: Path
    fingerprint: Mapping[str, Any]
    written: float = field(default_factory=time.monotonic)
    parts: list[Checkpoint] = field(default_factory=list)

    def part(self, number: int) -> Checkpoint:
        """A file of its own for one phase of the training; it is removed with the whole."""
        name = self.path.stem.removesuffix(".checkpoint")
        self.parts.append(
            Checkpoint(self.path.with_name(f"{name}.phase-{number}.checkpoint.safetensors"), self.fingerprint)
        )
        return self.parts[-1]

    def save(self, state: TrainingState) -> None:
        """Write it at the end of an epoch, if the training is over or the last checkpoint is ``SECONDS`` old.

        Raises:
            TrainingError: the file cannot be written.
        """
        if not state.finished and time.monotonic() - self.written < SECONDS:
            return
        facts = {"format": FORMAT, "fingerprint": self.fingerprint, **state.facts()}
        content = save(state.tensors(), metadata={"steelflow.checkpoint": json.dumps(facts)})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # a power cut must not leave the new name with the bytes missing
            self._partial.replace(self.path)
        except OSError as exc:
            raise TrainingError(
                f"{self.path}: the checkpoint cannot be written: {exc.strerror}; make room, or name another folder "
                "with --out"
            ) from exc
        self.written = time.monotonic()

    def restore(self, state: TrainingState) -> bool:
        """Bring ``state`` to where the file was written. False if there is none.

        Raises:
            TrainingError: it is damaged, or belongs to another training.
        """
        if not self.path.exists():
            return False
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["steelflow.checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            differs = self._differences(facts)
            if not differs:
                state.restore(tensors, facts)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as exc:
            raise TrainingError(
                f"{self.path}: cannot be read as a checkpoint ({type(exc).__name__}); delete it to train anew"
            ) from exc
        if differs:
            raise TrainingError(
                f"{self.path}: is the checkpoint of another training (other {', '.join(differs)}); run that one again "
                "to finish it, delete the file to train anew, or name another folder with --out"
            )
        return True

    def remove(self) -> None:
        """Of a training that has ended well nothing is left to resume."""
        for part in self.parts:
            part.remove()
        self.path.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        """One name, so that what a kill leaves behind is written over by the next run."""
        return self.path.with_name(f".{self.path.name}.partial")

    def _differences(self, facts: Mapping[str, Any]) -> list[str]:
        if facts["format"] != FORMAT:
            return ["format"]
        here, there = _flat(json.loads(json.dumps(self.fingerprint))), _flat(facts["fingerprint"])
        return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"recipe": {"epochs": 3}} to {"recipe.epochs": 3}."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
