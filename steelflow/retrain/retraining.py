"""A retraining under way: what was requested, what it works with, and what it has found so far."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from steelflow.config import Settings
from steelflow.inspection.pipeline import new_run_id
from steelflow.labels import Golden, LabelStore, Snapshot
from steelflow.registry import Registry, Version
from steelflow.retrain.record import Details, RetrainResult, State, Trigger

Tell = Callable[[str], None]
"""Is told, in words, what is being done."""
Progress = Callable[[float], None]
"""Is told the share of the epochs that is done, 0 to 1."""


class Learnt(Protocol):
    """What is learnt from: the labels, those of them that came after the last retraining, and the golden set."""

    @property
    def snapshot(self) -> Snapshot: ...
    @property
    def fresh(self) -> pl.DataFrame: ...
    @property
    def golden(self) -> Golden: ...


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for a retraining, and why. ``key`` names the request; ``force`` passes over the number of new labels
    and the cooldown. Classes in ``without`` are left out on purpose."""

    trigger: Trigger
    reason: str
    who: str
    key: str | None = None
    force: bool = False
    without: tuple[str, ...] = ()

    @property
    def for_the_log(self) -> str:
        left_out = f" (without {', '.join(self.without)})" if self.without else ""
        return f"{self.trigger}: {self.reason}{left_out}"


@dataclass(slots=True)
class Retraining:
    """``champion`` is the version to beat, None until there is one; ``challenger`` is the version that was registered.
    The stages fill in ``challenger`` and ``details``."""

    settings: Settings
    request: Request
    registry: Registry
    labels: LabelStore
    tell: Tell
    progress: Progress
    champion: Version | None
    challenger: Version | None = None
    details: Details = field(default_factory=Details)
    id: str = field(default_factory=new_run_id)
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    clock: float = field(default_factory=time.perf_counter)

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add a stage to ``details.stage_seconds``."""
        started = time.perf_counter()
        yield
        spent = round(time.perf_counter() - started, 1)
        self.details.stage_seconds = {**self.details.stage_seconds, stage: spent}

    def result(self, state: State, text: str) -> RetrainResult:
        return RetrainResult(
            id=self.id,
            state=state,
            text=text,
            trigger=self.request.trigger,
            reason=self.request.reason,
            who=self.request.who,
            started_at=self.started,
            seconds=round(time.perf_counter() - self.clock, 1),
            champion=None if self.champion is None else self.champion.version,
            challenger=None if self.challenger is None else self.challenger.version,
            details=self.details,
            key=self.request.key,
        )
