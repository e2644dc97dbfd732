"""What the morning report says, before it is drawn: the same for HTML, PDF, mail and webhook."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from steelflow.coils.listing import CoilState
from steelflow.morning.trust import Trust


@dataclass(frozen=True, slots=True)
class Figure:
    """One large number. ``note`` is a line below it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A class of defects: how many, their rate, and the share of all defects up to this one."""

    label: str
    number: int
    rate: str
    cumulative: float


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line on the night. ``verdict`` is that on drift, None if it was not checked; ``text`` says why."""

    line: str
    images: int
    failed: int
    coils: int
    rate: str
    verdict: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A defect, as a JPEG. ``data`` is None if the image is not available; ``caption`` says where it is."""

    data: bytes | None
    caption: str


@dataclass(frozen=True, slots=True)
class Held:
    """A coil that is held, or that is proposed to be held and nobody has decided."""

    coil: CoilState
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The morning report of a night, or of a shift of it.

    Attributes:
        plant: its name, from the settings.
        state: of the night, as its record has it; "not recorded" without one.
        missing: what the night misses, in sentences; ``notes``: what a person should read.
        counts: coils by "held", "to hold", "to grade", "released" and "to release": decided, and proposed only.
        held: coils to show with pictures; ``held_more`` are that many more.
        grade: coils that are to be graded, "line coil"; ``grade_more`` are that many more.
        rate_name: the unit of rates.
        decided: coils with a decision, the latest decision first; ``decided_more`` are that many more.
        models: name and version of each that judged, with the first figures of its digest.
    """

    plant: str
    date: dt.date
    zone: str
    shift: str | None
    state: str
    trust: Trust
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    counts: dict[str, int]
    held: tuple[Held, ...]
    held_more: int
    grade: tuple[str, ...]
    grade_more: int
    rate_name: str
    pareto: tuple[Bar, ...]
    lines: tuple[LineRow, ...]
    decided: tuple[CoilState, ...]
    decided_more: int
    models: tuple[str, ...]
    version: str = field(default="")

    @property
    def night(self) -> str:
        """Wed 18 Nov 2026, and the shift."""
        return self.date.strftime("%a %d %b %Y") + (f", shift {self.shift}" if self.shift else "")

    @property
    def title(self) -> str:
        return f"Morning report: night of {self.night}"

    @property
    def text(self) -> str:
        """The report in one line, for chats and the subject of a mail."""
        counts = self.counts
        to_hold = counts["held"] + counts["to hold"]
        return f"Night of {self.night}: {self.state}; {to_hold} coils to hold. {self.trust.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; without the pictures."""
        return {
            "date": self.date.isoformat(),
            "shift": self.shift,
            "state": self.state,
            "trust": self.trust.to_dict(),
            "missing": list(self.missing),
            "notes": list(self.notes),
            "figures": {one.name: one.value for one in self.figures},
            "coils": self.counts,
            "hold": [one.coil.to_dict() for one in self.held],
            "hold_more": self.held_more,
            "classes": [
                {"label": one.label, "defects": one.number, "rate": one.rate, "cumulative": round(one.cumulative, 4)}
                for one in self.pareto
            ],
            "lines": [
                {"line": one.line, "images": one.images, "failed": one.failed, "drift": one.verdict, "why": one.text}
                for one in self.lines
            ],
            "decisions": [one.decision.to_dict() for one in self.decided if one.decision is not None],
            "models": list(self.models),
        }
