"""The sentences of the report that HTML and PDF share."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from steelflow.coils.listing import CoilState
from steelflow.morning.content import Held, Report

GREEN, ORANGE, RED, GREY = "#007a59", "#a86f00", "#b84e00", "#5b6670"
STATES = {"complete": GREEN, "limited": ORANGE}
ANSWERS = {"yes": GREEN, "with care": ORANGE, "no": RED}
VERDICTS = {"none": ("no drift", GREEN), "warn": ("warning", ORANGE), "alarm": ("drift", RED)}
DISPOSITIONS = {"released": GREEN, "held": RED, "to be graded": ORANGE}
BAR = "#0072b2"
NO_VERDICT = ("no verdict", GREY)


def name(coil: CoilState) -> str:
    return f"{coil.line} · {coil.coil}" if coil.line is not None else coil.coil


def status(held: Held) -> str:
    """Proposed, or decided by whom."""
    decision = held.coil.decision
    return "proposed, nobody has decided" if decision is None else f"held by {decision.who}"


def why(held: Held) -> list[str]:
    """The reasons of the proposal, or of the person; and what has changed since."""
    coil = held.coil
    reasons = list(coil.proposal.reasons) if coil.proposal is not None else []
    if coil.decision is not None:
        reasons = [coil.decision.reason, *(f"proposal: {one}" for one in reasons)]
    return [*reasons, *(f"changed since: {one}" for one in coil.changed)]


def facts(held: Held) -> str:
    """The figures of a coil in one line."""
    figures = held.coil.figures
    if not figures:
        return "its images left the reports"
    parts = [f"{figures['images']:,} images"]
    parts += [f"{figures['strip']:,.0f} m"] if figures["strip"] else []
    parts += [f"grade {figures['grade']}"] if figures["grade"] else []
    parts += [f"{held.coil.rate:,.1f} defects per 100 m"] if held.coil.rate is not None else []
    return ", ".join(parts)


def more_held(report: Report) -> str:
    count = report.held_more
    return f"and {count} more {'coil' if count == 1 else 'coils'} to hold: see `steelflow coils list`" if count else ""


def to_grade(report: Report) -> str:
    """The coils that are to be graded, in one line; empty if there are none."""
    if not report.grade:
        return ""
    more = f" and {report.grade_more} more" if report.grade_more else ""
    return f"{', '.join(report.grade)}{more}"


def released(report: Report) -> str:
    counts = report.counts
    told = [f"{counts['released']:,} released"] if counts["released"] else []
    told += [f"{counts['to release']:,} proposed to be released"] if counts["to release"] else []
    return ", ".join(told)


def when(coil: CoilState, report: Report) -> str:
    """18 Nov 06:12, in the plant's time."""
    assert coil.decision is not None, "it was decided"
    return coil.decision.at.astimezone(ZoneInfo(report.zone)).strftime("%d %b %H:%M")


def foot(report: Report) -> str:
    models = ", ".join(report.models) or "no model"
    return f"Judged by {models}. steelflow {report.version}. Times are {report.zone}."
