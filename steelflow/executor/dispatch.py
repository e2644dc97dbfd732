"""Which actor gets which units, and what happens to the units of an actor that is lost or late. It knows no cluster.

Each actor holds two groups, so that it never waits for the driver: it works on the first. The first result of a unit
counts; a later one is of an equal report. A group that was lost twice is cut into its units, so that a unit that kills
its actors fails alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from steelflow.archive.groups import weight
from steelflow.inspection.pipeline import Done, Seconds
from steelflow.records import Partition, Unit
from steelflow.report.writer import Counts

IN_FLIGHT = 2  # groups an actor holds
_TRIES = 3  # of one unit
_CUT_AFTER = 2  # tries of a group
_FIRST = 900.0  # seconds that a group may take while no rate is known
_LEAST = 60.0  # seconds that any group may take
_MEMORY = 0.8  # of the earlier rate, when a group is done

UnitKey = tuple[Partition, str]


def key_of(unit: Unit) -> UnitKey:
    """What names a unit among those of all lines."""
    return unit.partition, unit.id


@dataclass(frozen=True, slots=True)
class Group:
    """Units that go to an actor together."""

    number: int
    units: tuple[Unit, ...]
    tries: int = 0

    @property
    def weight(self) -> int:
        return sum(map(weight, self.units))


@dataclass(slots=True)
class _Held:
    """The groups that an actor holds, the one it works on first, since ``started``."""

    groups: deque[Group] = field(default_factory=deque)
    started: float = 0.0


class Dispatch:
    """Groups of units on their way to actors and back.

    Args:
        slow: a group is late when it takes this many times what the measured rate says.
        report_key: the key of a unit's report.
        clock: seconds.
    """

    def __init__(self, slow: float, report_key: Callable[[Unit], str], clock: Callable[[], float]) -> None:
        self._slow, self._report_key, self._clock = slow, report_key, clock
        self._queue: deque[Group] = deque()
        self._actors: dict[Hashable, _Held] = {}
        self._missing: dict[UnitKey, Unit] = {}
        self._failed: list[Done] = []
        self._rate: float | None = None
        self._number = 0

    def add(self, units: Iterable[Unit]) -> None:
        """A new group."""
        group = self._group(tuple(units))
        self._missing |= {key_of(unit): unit for unit in group.units}
        self._queue.append(group)

    def join(self, actor: Hashable) -> None:
        """An actor that can work."""
        self._actors[actor] = _Held()

    @property
    def actors(self) -> int:
        return len(self._actors)

    @property
    def wanted(self) -> int:
        """How many more groups the actors could hold."""
        room = sum(IN_FLIGHT - len(held.groups) for held in self._actors.values())
        return max(0, room - len(self._queue))

    @property
    def open(self) -> int:
        """Units without a result."""
        return len(self._missing)

    def assign(self) -> Iterator[tuple[Hashable, Group]]:
        """Groups for actors that have room, the emptiest actor first."""
        while self._queue:
            actor, held = min(self._actors.items(), key=lambda item: len(item[1].groups), default=(None, None))
            if held is None or len(held.groups) >= IN_FLIGHT:
                return
            if not held.groups:
                held.started = self._clock()
            group = self._queue.popleft()
            held.groups.append(group)
            yield actor, group

    def done(self, actor: Hashable, group: Group, results: Iterable[Done]) -> list[Done]:
        """The results that are the first of their unit."""
        if (held := self._actors.get(actor)) is not None and group in held.groups:
            now = self._clock()
            self._learn(group.weight / max(now - held.started, 1e-6))
            held.groups.remove(group)
            held.started = now
        return [one for one in results if self._missing.pop(key_of(one.unit), None) is not None]

    def lost(self, actor: Hashable, reason: str) -> None:
        """The groups of an actor go back to the queue, in front of it. It worked on the first of them."""
        held = self._actors.pop(actor, None)
        if held is None:
            return
        groups = list(held.groups)
        self._queue.extendleft(reversed(groups[1:]))
        if groups:
            self._queue.extendleft(reversed(self._again(groups[0], reason)))

    def late(self) -> list[Hashable]:
        """The actors that work on a group for much longer than such a group takes."""
        now = self._clock()
        return [
            actor
            for actor, held in self._actors.items()
            if held.groups and now - held.started > self._allowed(held.groups[0])
        ]

    def failed(self) -> list[Done]:
        """Units that were given up, each once."""
        given, self._failed = self._failed, []
        return given

    def _again(self, group: Group, reason: str) -> list[Group]:
        units = tuple(unit for unit in group.units if key_of(unit) in self._missing)
        tries = group.tries + 1
        if tries < _CUT_AFTER or (len(units) == 1 and tries < _TRIES):
            return [self._group(units, tries)] if units else []
        if len(units) > 1:
            return [self._group((unit,), tries) for unit in units]
        self._failed += [self._given_up(unit, f"given up after {tries} tries: {reason}") for unit in units]
        return []

    def _given_up(self, unit: Unit, error: str) -> Done:
        del self._missing[key_of(unit)]
        return Done(unit, self._report_key(unit), Counts(), Seconds(), error)

    def _group(self, units: tuple[Unit, ...], tries: int = 0) -> Group:
        self._number += 1
        return Group(self._number, units, tries)

    def _learn(self, rate: float) -> None:
        self._rate = rate if self._rate is None else _MEMORY * self._rate + (1 - _MEMORY) * rate

    def _allowed(self, group: Group) -> float:
        if self._rate is None:
            return _FIRST
        return max(_LEAST, self._slow * group.weight / self._rate) * float(2**group.tries)
