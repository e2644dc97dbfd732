"""What the driver and the process that holds Ray say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steelflow.config import ExecutorSettings
from steelflow.errors import SteelflowError
from steelflow.executor.assignment import Assignment
from steelflow.executor.errand import Errand
from steelflow.inspection.pipeline import Done
from steelflow.records import Unit


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message of a run, from the driver."""

    assignment: Assignment
    executor: ExecutorSettings


@dataclass(frozen=True, slots=True)
class Carry:
    """The first message for an errand. ``gpu``: only a node with a free GPU does it; else such a node comes first."""

    errand: Errand
    executor: ExecutorSettings
    gpu: bool


@dataclass(frozen=True, slots=True)
class Units:
    """More units; none means that there are no more."""

    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Want:
    """Ready for one more group."""


@dataclass(frozen=True, slots=True)
class Result:
    done: Done


@dataclass(frozen=True, slots=True)
class Told:
    """What a node says: a text, or the share of its errand that is done."""

    what: str | float


@dataclass(frozen=True, slots=True)
class Brought:
    """What an errand brought back."""

    result: Any


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life, sent every second."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last message of a run. ``kind`` is the class of the error that ended it; None if all units are done."""

    kind: str | None = None
    text: str = ""


Message = Begin | Carry | Units | Want | Result | Told | Brought | Alive | Ended


def named(kind: str, text: str) -> Exception:
    """The error of a class of ``errors``; a ``RuntimeError`` for a fault in this code."""
    return {one.__name__: one for one in _errors(SteelflowError)}.get(kind, RuntimeError)(text)


def _errors(base: type[SteelflowError]) -> list[type[SteelflowError]]:
    return [base, *(one for child in base.__subclasses__() for one in _errors(child))]
