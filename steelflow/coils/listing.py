"""The coils of a night as people see them: figures, proposal, decision, and whether its basis has changed since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from steelflow.coils.decisions import Decision, Decisions
from steelflow.coils.facts import Facts, facts
from steelflow.coils.proposal import Coil, Proposal, needs_lengths, proposals
from steelflow.coils.unfit import undecided, unfit
from steelflow.config import Disposition, Settings
from steelflow.store.base import Store

UNDECIDED: Disposition = "to be graded"

TABLE = pl.Schema(
    {
        "date": pl.Date(),
        "line": pl.String(),
        "coil": pl.String(),
        "disposition": pl.String(),
        "decided": pl.Boolean(),
        "who": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "reason": pl.String(),
        "proposed": pl.String(),
        "reasons": pl.String(),  # joined by "; "
        "changed": pl.String(),  # joined by "; "; null if nothing changed since the decision
        "grade": pl.String(),
        "images": pl.Int64(),
        "failed": pl.Int64(),
        "novel": pl.Int64(),
        "strip": pl.Float64(),
        "defects": pl.Int64(),
        "per_100m": pl.Float64(),
        "classes": pl.String(),  # class and number, joined by "; "
        "drift": pl.String(),
        "incomplete": pl.Boolean(),
        "models": pl.String(),
    }
)
"""Columns of the coil list in CSV and Parquet."""


@dataclass(frozen=True, slots=True)
class CoilState:
    """A coil of a night.

    Attributes:
        figures: columns ``facts.COILS`` and ``classes``, the number of defects by class; empty if the reports no longer
            have the coil.
        proposal: None without figures.
        history: the decisions about it, the first one first.
    """

    date: dt.date
    line: str | None
    coil: str
    figures: Mapping[str, Any]
    proposal: Proposal | None
    history: tuple[Decision, ...]

    @property
    def decision(self) -> Decision | None:
        return self.history[-1] if self.history else None

    @property
    def disposition(self) -> Disposition:
        """What was decided; to be graded until somebody decides."""
        return self.decision.disposition if self.decision is not None else UNDECIDED

    @property
    def proposed(self) -> Disposition | None:
        return None if self.proposal is None else self.proposal.disposition

    @property
    def basis(self) -> dict[str, Any]:
        """The figures that a decision made now is based on, as JSON values."""
        return dict(self.figures)

    @property
    def rate(self) -> float | None:
        """Defects per 100 m of strip; None if either is not known."""
        defects, strip = self.figures.get("defects"), self.figures.get("strip")
        return 100 * defects / strip if defects is not None and strip else None

    @property
    def changed(self) -> tuple[str, ...]:
        """What the decision was based on and is different now, in sentences."""
        return () if self.decision is None else tuple(_changes(self.decision, self))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; without the history."""
        decision = self.decision
        return {
            "date": self.date.isoformat(),
            "line": self.line,
            "coil": self.coil,
            "disposition": self.disposition,
            "decided": decision is not None,
            "who": None if decision is None else decision.who,
            "at": None if decision is None else decision.at.isoformat(),
            "reason": None if decision is None else decision.reason,
            "proposed": self.proposed,
            "reasons": [] if self.proposal is None else list(self.proposal.reasons),
            "changed": list(self.changed),
            **self.figures,
            "per_100m": self.rate,
        }


def coil_list(
    settings: Settings,
    report: Store,
    decisions: Decisions,
    date: dt.date,
    lines: Collection[str | None] | None = None,
) -> list[CoilState]:
    """The coils of a night, in order of line and name. Coils that were decided and left the reports are included.

    Raises:
        ReportError: the night has no reports, or one of them is damaged.
        CoilError: a decision was edited or removed.
        StoreError: the reports or decisions cannot be read.
    """
    found = facts(report, date, lines, settings.severity, needs_lengths(settings.coils))
    decided = decisions.of_night(date, lines)
    proposed = proposals(found, settings.coils, _doubts(settings, report, found))
    figures = dict(_figures(found))
    coils = sorted({*figures, *decided}, key=lambda one: (str(one[0]), one[1]))
    return [
        CoilState(
            date, line, coil, figures.get((line, coil), {}), proposed.get((line, coil)), decided.get((line, coil), ())
        )
        for line, coil in coils
    ]


def table(coils: Sequence[CoilState]) -> pl.DataFrame:
    """The list as a frame, columns ``TABLE``."""
    rows = []
    for one in coils:
        row = one.to_dict()
        decision = one.decision
        rows.append(
            {
                **{name: row.get(name) for name in TABLE},
                "date": one.date,
                "at": None if decision is None else decision.at,
                "reasons": "; ".join(row["reasons"]),
                "changed": "; ".join(row["changed"]) or None,
                "classes": "; ".join(f"{label} {number}" for label, number in row.get("classes", {}).items()),
                "models": "; ".join(row.get("models", ())),
            }
        )
    return pl.DataFrame(rows, schema=TABLE, orient="row")


def _doubts(settings: Settings, report: Store, found: Facts) -> dict[Coil, list[str]]:
    """By coil, why rules may not hold on it although they should."""
    models = set(found.coils["models"].explode().drop_nulls())
    wrong = unfit(settings, report, found.date, models, set(found.coils["line"]))
    numbers = dict(iter(found.numbers.group_by("line", "coil")))
    doubts = {}
    for line, coil in found.coils.select("line", "coil").iter_rows():
        own = numbers.get((line, coil), found.numbers.clear())
        doubts[line, coil] = [*(one.text for one in wrong if one.concerns(line)), *undecided(own, settings, line)]
    return doubts


def _figures(found: Facts) -> Iterator[tuple[Coil, dict[str, Any]]]:
    counted = found.numbers.group_by("line", "coil", "label").agg(pl.col("defects").sum())
    classes: dict[Coil, dict[str, int]] = {}
    for line, coil, label, number in counted.sort("defects", "label", descending=[True, False]).iter_rows():
        classes.setdefault((line, coil), {})[label] = number
    for row in found.coils.iter_rows(named=True):
        coil = (row.pop("line"), row.pop("coil"))
        strip = None if row["strip"] is None else round(row["strip"], 3)
        yield coil, {**row, "strip": strip, "classes": classes.get(coil, {})}


_NAMES = {
    "images": "images",
    "failed": "unreadable images",
    "novel": "images unlike the training images",
    "strip": "metres of strip",
    "grade": "grade",
    "drift": "drift of the line",
    "models": "model",
}


def _changes(decision: Decision, now: CoilState) -> Iterator[str]:
    if not now.figures:
        yield "the reports no longer have images of this coil"
        return
    for name, words in _NAMES.items():
        before, after = decision.basis.get(name), now.figures.get(name)
        if before != after:
            yield f"{words}: {_text(before)}, now {_text(after)}"
    old, new = decision.basis.get("classes", {}), now.figures["classes"]
    for label in sorted({*old, *new}):
        if old.get(label, 0) != new.get(label, 0):
            yield f"defects of {label}: {old.get(label, 0):,}, now {new.get(label, 0):,}"
    if bool(decision.basis.get("incomplete")) != now.figures["incomplete"]:
        yield "the night was " + ("complete, now it is not" if now.figures["incomplete"] else "not complete, now it is")
    if decision.proposed != now.proposed:
        yield f"proposal: {decision.proposed or 'none'}, now {now.proposed}"


def _text(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
