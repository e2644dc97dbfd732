"""The actor: it inspects groups of units on its node. Everything it says is data, so that no error needs to travel."""

from __future__ import annotations

import os
from dataclasses import dataclass

from steelflow.engine import Engine
from steelflow.errors import SteelflowError
from steelflow.executor.assignment import Assignment
from steelflow.inspection.pipeline import Done, Inspection, inspect_units
from steelflow.inspection.runtime import prepare
from steelflow.records import Unit


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an actor cannot work; ``kind`` names the class of the error."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """What a person should know of an actor that can work."""

    text: str


class Inspector:
    """One process of a node. ``workers`` is its number of threads; ``gpu`` says whether Ray gave it one."""

    def __init__(self, assignment: Assignment, workers: int, gpu: bool = False) -> None:
        self._assignment, self._workers, self._gpu = assignment, workers, gpu
        self._job: Inspection | None = None

    def open(self) -> Refused | Warned | None:
        """Open stores, template and engine."""
        prepare()
        try:
            self._job = self._assignment.open(self._workers)
        except SteelflowError as exc:
            return Refused(type(exc).__name__, f"{os.uname().nodename}: {exc}")
        return self._warned(self._job.model.engine)

    def _warned(self, engine: Engine) -> Warned | None:
        """A GPU that is not used: inspection goes on without it."""
        if not self._gpu or engine.on_device:
            return None
        return Warned(
            f"{os.uname().nodename}: Ray gave a GPU, but {engine.name} does not use it, so the CPU judges; install "
            "onnxruntime-gpu there, or start the node with `ray start --num-gpus 0`"
        )

    def inspect(self, units: tuple[Unit, ...]) -> list[Done] | Refused:
        """Inspect a group; an error that would also stop the next unit is a refusal."""
        if self._job is None:
            raise RuntimeError("open the actor first")
        try:
            return [done.light() for done in inspect_units(units, self._job)]
        except SteelflowError as exc:
            return Refused(type(exc).__name__, f"{os.uname().nodename}: {exc}")
