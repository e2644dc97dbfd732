"""The actor: it inspects groups of units on its node. Everything it says is data, so that no error needs to travel."""

from __future__ import annotations

import os
from dataclasses import dataclass

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


class Inspector:
    """One process of a node. ``workers`` is its number of threads."""

    def __init__(self, assignment: Assignment, workers: int) -> None:
        self._assignment, self._workers = assignment, workers
        self._job: Inspection | None = None

    def open(self) -> Refused | None:
        """Open stores, template and engine."""
        prepare()
        try:
            self._job = self._assignment.open(self._workers)
        except SteelflowError as exc:
            return Refused(type(exc).__name__, f"{os.uname().nodename}: {exc}")
        return None

    def inspect(self, units: tuple[Unit, ...]) -> list[Done] | Refused:
        """Inspect a group; an error that would also stop the next unit is a refusal."""
        if self._job is None:
            raise RuntimeError("open the actor first")
        try:
            return [done.light() for done in inspect_units(units, self._job)]
        except SteelflowError as exc:
            return Refused(type(exc).__name__, f"{os.uname().nodename}: {exc}")
