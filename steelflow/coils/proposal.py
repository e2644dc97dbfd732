"""What is proposed for a coil: the rules of the settings, and what the reports cannot know.

Every rule that holds is a reason, and the strictest proposal counts. A coil on which no rule holds is proposed as
released, unless something speaks against trusting its report: drift on its line, images unlike the training images,
unreadable images, a night that misses something. Then it is to be graded. A person decides, see ``decisions``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from steelflow.coils.facts import Facts, is_about
from steelflow.config import CoilRule, CoilSettings, Disposition
from steelflow.strip.severity import side_of

STRICTEST: tuple[Disposition, ...] = ("held", "to be graded", "released")
Coil = tuple[str | None, str]
"""Line and name."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed disposition and its reasons, in sentences: those of the strictest disposition first."""

    disposition: Disposition
    reasons: tuple[str, ...]


def proposals(
    facts: Facts, settings: CoilSettings, doubts: Mapping[Coil, Sequence[str]] | None = None
) -> dict[Coil, Proposal]:
    """The proposal for each coil of a night.

    Args:
        facts: with the lengths of images if a rule needs them, see ``needs_lengths``.
        doubts: why rules may not hold on a coil although they should, see ``unfit``.
    """
    said: dict[Coil, list[tuple[Disposition, str]]] = {}
    coils = {(row["line"], row["coil"]): row for row in facts.coils.iter_rows(named=True)}
    for rule in settings.rules:
        for coil, number, metres in _counted(facts, rule):
            if coil in coils and (finding := _finding(rule, coils[coil], number, metres)) is not None:
                said.setdefault(coil, []).append(finding)
    found = {}
    for coil, row in coils.items():
        told = [*said.get(coil, ()), *(("to be graded", risk) for risk in _risks(row, facts, settings))]
        told.sort(key=lambda one: STRICTEST.index(one[0]))  # stable: the rules keep their order
        found[coil] = Proposal(
            told[0][0] if told else "released",
            tuple(reason for _, reason in told) or (_fine(row, (doubts or {}).get(coil, ())),),
        )
    return found


def needs_lengths(settings: CoilSettings) -> bool:
    return any(rule.length_m is not None or rule.length_share is not None for rule in settings.rules)


def _counted(facts: Facts, rule: CoilRule) -> Iterator[tuple[Coil, int, int | None]]:
    """Coil, number of its defects that the rule counts, and the metres that have one; None if they are not known."""
    fits = pl.lit(True)
    for value, wanted in (
        (pl.col("label"), rule.classes),
        (pl.col("severity"), rule.severities),
        (side_of(), rule.sides),
        (pl.col("line"), rule.lines),
    ):
        if wanted:
            fits &= value.is_in(list(wanted))
    keys = ["line", "coil"]
    numbers = facts.numbers.filter(fits).group_by(keys).agg(pl.col("defects", "unplaced").sum())
    metres = facts.metres.filter(fits).group_by(keys).agg(metres=pl.col("metre").n_unique())
    joined = numbers.join(metres, on=keys, how="left", nulls_equal=True)
    for line, coil, number, unplaced, long in joined.select(*keys, "defects", "unplaced", "metres").iter_rows():
        yield (line, coil), number, None if unplaced else long or 0


def _finding(
    rule: CoilRule, coil: Mapping[str, Any], number: int, metres: int | None
) -> tuple[Disposition, str] | None:
    """What a rule says of a coil with ``number`` defects of its kind; None if it does not hold.

    A rule that cannot be decided, since a figure or the grade is not known, asks for a person.
    """
    readable, strip = coil["images"] - coil["failed"], coil["strip"] or None
    long = metres if metres is None or strip is None else min(metres, strip)
    share = None if long is None or strip is None else long / strip
    limits = (
        (rule.per_100m, None if strip is None else 100 * number / strip, "{:,.4g} per 100 m", "the length of the coil"),
        (rule.per_1000, 1000 * number / readable if readable else None, "{:,.4g} per 1,000 images", "its images"),
        (rule.length_m, long, "{:,.4g} m of strip", "the place of its defects"),
        (rule.length_share, share, "{:.1%} of its length", "the affected length"),
    )
    of, unknown = _kind(rule), []
    if rule.min_defects is not None and number < rule.min_defects:
        return None
    least = f" (limit {rule.min_defects})" if rule.min_defects is not None else ""
    told = [f"{number:,} {'defect' if number == 1 else 'defects'}{of}{least}"]
    for limit, value, text, what in limits:
        if limit is None:
            continue
        if value is None:
            unknown.append(what)
        elif value < limit:
            return None
        else:
            told.append(f"{text.format(value)} (limit {_limit(text, limit)})")
    if rule.grades and coil["grade"] not in rule.grades:
        if coil["grade"] is not None and " / " not in coil["grade"]:
            return None
        unknown.append("the grade")
    if unknown:
        return "to be graded", f"{', '.join(told)}; the rule cannot be decided: {' and '.join(unknown)} is not known"
    grade = f", grade {coil['grade']}" if rule.grades else ""
    return rule.propose, f"{', '.join(told)}{grade}"


def _limit(text: str, limit: float) -> str:
    """The limit as the settings have it; a share in percent."""
    return f"{100 * limit:g} %" if "%" in text else f"{limit:g}"


def _kind(rule: CoilRule) -> str:
    parts = [f" of {', '.join(rule.classes)}"] if rule.classes else []
    parts += [f" of severity {' or '.join(rule.severities)}"] if rule.severities else []
    parts += [f" on the {' or '.join(rule.sides)} side"] if rule.sides else []
    return "".join(parts)


def _risks(coil: Mapping[str, Any], facts: Facts, settings: CoilSettings) -> Iterator[str]:
    """Reasons against trusting the report of a coil, which need no label."""
    images, failed, line = coil["images"], coil["failed"], coil["line"]
    if failed == images:
        yield "none of its images can be read"
    elif failed / images > settings.max_unreadable:
        share = failed / images
        yield f"{failed:,} of {images:,} images cannot be read ({share:.1%}, limit {settings.max_unreadable:.1%})"
    readable = images - failed
    if coil["novel"] and coil["novel"] / readable > settings.max_novel:
        share = coil["novel"] / readable
        yield f"{share:.0%} of its images are unlike the training images (limit {settings.max_novel:.0%})"
    name = "the images" if line is None else f"line {line}"
    if settings.drift != "never" and (coil["drift"] == "alarm" or coil["drift"] == settings.drift):
        yield f"{name} drifted on this night ({coil['drift']})"
    if settings.incomplete and coil["incomplete"]:
        missing = [one for one in facts.missing if is_about(one, line)]
        yield "the night is not complete" + (f": {missing[0]}" if missing else "")
    if not settings.rules and (coil["defects"] is None or coil["defects"]):
        number = "it has images of defects" if coil["defects"] is None else f"it has {coil['defects']:,} defects"
        yield f"{number}, and the settings have no rule for them ([[coils.rules]])"


def _fine(coil: Mapping[str, Any], doubts: Sequence[str]) -> str:
    return "no defects" if coil["defects"] == 0 else "; ".join(("no rule holds", *doubts))
