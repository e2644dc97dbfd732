"""What came back of a night, added up. A night has thousands of units, and keeps no record of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from steelflow.errors import ReportError
from steelflow.inspection.pipeline import Done, Seconds
from steelflow.night.opened import named
from steelflow.night.plan import PartitionPlan
from steelflow.report.unit_notes import NO_NOTES, Notes
from steelflow.report.writer import Counts


@dataclass(slots=True)
class LineTally:
    """Of one line: what its new reports hold, and its units with and without an error."""

    counts: Counts = field(default_factory=Counts)
    good: int = 0
    failed: int = 0


@dataclass(slots=True)
class Tally:
    """``failures`` name the units with an error, and why. ``squeezed`` is that of ``Done``, ``notes`` those that say
    something."""

    lines: dict[str | None, LineTally] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    seconds: Seconds = field(default_factory=Seconds)
    squeezed: Counter[str] = field(default_factory=Counter)
    notes: list[Notes] = field(default_factory=list)
    _back: set[tuple[str | None, str]] = field(default_factory=set)
    _twice: str | None = None

    @classmethod
    def of(cls, done: Iterable[Done]) -> Tally:
        found = cls()
        for one in done:
            found.add(one)
        return found

    def add(self, one: Done) -> None:
        """A unit came back."""
        line = one.unit.partition.line
        if (line, one.unit.id) in self._back:
            self._twice = named(one.unit)
            return
        self._back.add((line, one.unit.id))
        own = self.lines.setdefault(line, LineTally())
        self.seconds += one.seconds
        self.squeezed.update(one.squeezed)
        if one.error is not None:
            own.failed += 1
            self.failures.append(f"{named(one.unit)}: {one.error}")
            return
        own.good += 1
        own.counts += one.counts
        if one.notes != NO_NOTES:
            self.notes.append(one.notes)

    @property
    def units(self) -> int:
        return len(self._back)

    @property
    def good(self) -> int:
        return sum(one.good for one in self.lines.values())

    @property
    def counts(self) -> Counts:
        return sum((one.counts for one in self.lines.values()), Counts())

    def pending(self, plans: Iterable[PartitionPlan]) -> int:
        """Planned units that did not come back. Raises ``ReportError`` if one came back twice or was not planned."""
        planned = {(plan.partition.line, unit.id) for plan in plans for unit in plan.todo}
        strange = [unit if line is None else f"{line}/{unit}" for line, unit in self._back - planned]
        for unit in [*filter(None, [self._twice]), *strange]:
            raise ReportError(f"work unit {unit}: came back more than once, or was not planned; report this as a fault")
        return len(planned) - len(self._back)
