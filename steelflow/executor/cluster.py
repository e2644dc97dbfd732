"""Actors on a Ray cluster: started where there is room, watched, and replaced when they are lost.

Ray's own retries and restarts are off: ``dispatch`` decides what is done again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from steelflow.config import ExecutorSettings
from steelflow.errors import ConfigError
from steelflow.executor.actor import Inspector, Refused, Warned
from steelflow.executor.assignment import Assignment
from steelflow.executor.dispatch import Group
from steelflow.executor.nodes import addresses, connect, on, room
from steelflow.executor.reach import check_reach
from steelflow.inspection.pipeline import Done

_LOOK = 2.0  # seconds between looks for room
_OPENING = 180.0  # seconds in which an actor must be ready


@dataclass(frozen=True, slots=True)
class Ready:
    actor: str
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """An actor that ended, or that cannot work. ``refused`` is what it said."""

    actor: str
    reason: str
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    actor: str
    group: Group
    results: list[Done]


Event = Ready | Lost | Finished


class Cluster:
    """The actors of one run.

    Raises:
        ClusterError: no cluster answers at the address.
        ConfigError: the store is one that only this machine reaches, and a node is elsewhere.
    """

    def __init__(self, settings: ExecutorSettings, assignment: Assignment) -> None:
        self._settings, self._assignment = settings, assignment
        self._actors: dict[str, Any] = {}
        self._opening: dict[Any, tuple[str, float]] = {}
        self._working: dict[Any, tuple[str, Group]] = {}
        self._looked = 0.0
        self._number = 0
        connect(settings.address)
        try:
            check_reach(assignment, addresses())
        except ConfigError:
            ray.shutdown()
            raise

    @property
    def opening(self) -> int:
        """Actors that start."""
        return len(self._opening)

    def grow(self) -> None:
        """Start actors where the nodes have room for them; new nodes are found this way, too."""
        now = time.monotonic()
        if self._opening or now - self._looked < _LOOK:
            return
        self._looked = now
        places = [(one.node, number < one.gpus) for one in room(self._settings.cpus) for number in range(one.actors)]
        places.sort(key=lambda place: not place[1])  # actors with a GPU first
        most = len(places) if self._settings.actors is None else max(0, self._settings.actors - len(self._actors))
        for node, gpu in places[:most]:
            self._start(node, gpu)

    def _start(self, node: str, gpu: bool) -> None:
        self._number += 1
        name = f"actor {self._number}"
        cpus = self._settings.cpus
        actor = on(node, Inspector, num_cpus=cpus, num_gpus=int(gpu)).remote(self._assignment, cpus, gpu)
        self._actors[name] = actor
        self._opening[actor.open.remote()] = name, time.monotonic()

    def give(self, actor: str, group: Group) -> None:
        self._working[self._actors[actor].inspect.remote(group.units)] = actor, group

    def drop(self, actor: str) -> None:
        """End an actor, whatever it does."""
        ray.kill(self._actors.pop(actor), no_restart=True)
        self._working = {ref: held for ref, held in self._working.items() if held[0] != actor}
        self._opening = {ref: held for ref, held in self._opening.items() if held[0] != actor}

    def events(self, timeout: float) -> Iterator[Event]:
        """What happened, after at most ``timeout`` seconds."""
        refs = [*self._opening, *self._working]
        if not refs:
            time.sleep(timeout)
            return
        ended, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        if not ended:
            ended, _ = ray.wait(refs, num_returns=1, timeout=timeout)
        for ref in ended:
            event = self._opened(ref) if ref in self._opening else self._ended(ref) if ref in self._working else None
            if event is not None:
                yield event
        yield from self._never_ready()

    def _opened(self, ref: Any) -> Event:
        actor, _ = self._opening.pop(ref)
        try:
            said: Refused | Warned | None = ray.get(ref)
        except RayError as exc:
            return self._gone(actor, exc)
        if isinstance(said, Refused):
            return Lost(actor, said.text, said)
        return Ready(actor, None if said is None else said.text)

    def _ended(self, ref: Any) -> Event:
        actor, group = self._working.pop(ref)
        try:
            results = ray.get(ref)
        except RayError as exc:
            return self._gone(actor, exc)
        if isinstance(results, Refused):
            return Lost(actor, results.text, results)
        return Finished(actor, group, results)

    def _gone(self, actor: str, exc: RayError) -> Lost:
        if isinstance(exc, RayActorError):
            return Lost(actor, "its actor or node ended")
        last = str(exc).strip().splitlines()[-1:]  # of a traceback: the error itself
        return Lost(actor, "".join(last) or type(exc).__name__)

    def _never_ready(self) -> Iterator[Lost]:
        now = time.monotonic()
        for actor, since in list(self._opening.values()):
            if now - since > _OPENING:
                yield Lost(actor, f"was not ready within {_OPENING:.0f} s")

    def close(self) -> None:
        for actor in list(self._actors):
            self.drop(actor)
        ray.shutdown()
