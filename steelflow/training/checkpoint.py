"""Checkpoints: an interrupted training resumes from one file, which is written atomically."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from steelflow.errors import TrainingError

FORMAT = 2
SECONDS = 20.0
"""Least time between two checkpoints. An interruption loses at most this time, or one epoch if that takes longer; in a
training on views, one step."""


class Resumable(Protocol):
    """The state of a training: what it would need to go on."""

    @property
    def finished(self) -> bool: ...

    def tensors(self) -> dict[str, Tensor]: ...

    def facts(self) -> dict[str, Any]: ...

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None: ...


@dataclass(slots=True)
class Checkpoint:
    """The checkpoint file and the fingerprint of its training: everything that decides the weights.

    The file is safetensors with JSON in its metadata, so reading it runs no code.
    """

    path: Path
    fingerprint: Mapping[str, Any]
    written: float = field(default_factory=time.monotonic)
    parts: list[Checkpoint] = field(default_factory=list)

    def part(self, number: int) -> Checkpoint:
        """A separate checkpoint for one phase of the training. ``remove`` deletes it too."""
        name = self.path.stem.removesuffix(".checkpoint")
        self.parts.append(
            Checkpoint(self.path.with_name(f"{name}.phase-{number}.checkpoint.safetensors"), self.fingerprint)
        )
        return self.parts[-1]

    def save(self, state: Resumable) -> None:
        """Write the file, if the training is finished or the last checkpoint is ``SECONDS`` old.

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
                os.fsync(file.fileno())  # after a power cut the renamed file must not be empty
            self._partial.replace(self.path)
        except OSError as exc:
            raise TrainingError(
                f"{self.path}: the checkpoint cannot be written: {exc.strerror}; make room, or name another folder "
                "with --out"
            ) from exc
        self.written = time.monotonic()

    def restore(self, state: Resumable) -> bool:
        """Restore ``state`` from the file. Returns False if there is no file.

        Raises:
            TrainingError: the file is damaged, or belongs to another training.
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
                f"{self.path}: cannot be read as a checkpoint ({type(exc).__name__}); delete it to train from the start"
            ) from exc
        if differs:
            raise TrainingError(
                f"{self.path}: is the checkpoint of another training (other {', '.join(differs)}); run that training "
                "again to finish it, delete the file to train from the start, or name another folder with --out"
            )
        return True

    def remove(self) -> None:
        """Delete the checkpoint after a training has finished."""
        for part in self.parts:
            part.remove()
        self.path.unlink(missing_ok=True)
        self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        """A fixed name, so that the next run overwrites the leftover file of a killed run."""
        return self.path.with_name(f".{self.path.name}.partial")

    def _differences(self, facts: Mapping[str, Any]) -> list[str]:
        if facts["format"] != FORMAT:
            return ["format"]
        here, there = _flat(json.loads(json.dumps(self.fingerprint))), _flat(facts["fingerprint"])
        return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten {"recipe": {"epochs": 3}} to {"recipe.epochs": 3}."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
