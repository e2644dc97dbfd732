"""Rules of the settings that cannot hold: they name a class, severity or line that the night does not have, or ask for
a side or a size that is not known. Such a rule releases coils that it was meant to hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from steelflow.config import CoilRule, Settings, SeverityRule
from steelflow.report.runs import records_of
from steelflow.store.base import Store
from steelflow.strip.severity import side_of

_SIZES = ("min_length_mm", "min_width_mm", "min_area_mm2")
_CLOSE = 0.7  # likeness of two names, of 1
_SIDES = ("top", "bottom")
_Rule = SeverityRule | CoilRule


@dataclass(frozen=True, slots=True)
class Unfit:
    """``text`` says what is wrong with a rule, which is about these ``lines``; about all if empty."""

    lines: tuple[str, ...]
    text: str

    def concerns(self, line: str | None) -> bool:
        return not self.lines or line in self.lines


def unfit(
    settings: Settings, report: Store, date: dt.date, models: Collection[str], lines: Collection[str | None]
) -> tuple[Unfit, ...]:
    """The rules that name what a night does not have.

    Args:
        models: name and version of those that judged.
        lines: of the night.
    """
    rules: list[tuple[str, _Rule]] = [(f"[[severity]] {i}", rule) for i, rule in enumerate(settings.severity, 1)]
    rules += [(f"[[coils.rules]] {i}", rule) for i, rule in enumerate(settings.coils.rules, 1)]
    if not rules:
        return ()
    classes = _classes(report, date, models)
    here = {line for line in lines if line is not None}
    return tuple(one for name, rule in rules for one in _wrong(name, rule, settings, classes, here))


def undecided(numbers: pl.DataFrame, settings: Settings, line: str | None) -> Iterator[str]:
    """What the rules about a coil's line need of its defects, and is not known of them.

    Args:
        numbers: of the coil, columns ``defects.NUMBERS``.
    """
    all_rules: tuple[_Rule, ...] = (*settings.severity, *settings.coils.rules)
    rules = [rule for rule in all_rules if not rule.lines or line in rule.lines]
    if any(rule.sides for rule in rules):
        known = side_of().is_in(_SIDES).fill_null(False)
        yield from _lacking(int(numbers.filter(~known)["defects"].sum()), "side, top or bottom,")
    if any(getattr(rule, name) is not None for rule in rules if isinstance(rule, SeverityRule) for name in _SIZES):
        yield from _lacking(int(numbers["unscaled"].sum()), "size in mm")


def _lacking(number: int, what: str) -> Iterator[str]:
    if number:
        yield f"a rule asks for the {what} of the defects, which is not known of {number:,} of them"


def _wrong(
    name: str, rule: _Rule, settings: Settings, classes: Collection[str], lines: Collection[str]
) -> Iterator[Unfit]:
    called = {line.casefold(): line for line in lines}
    for line in rule.lines:
        right = called.get(line.casefold(), line)
        if line not in lines and right in lines:
            yield Unfit((), f"{name} names the line {line!r}; it is called {right!r}")
    if rule.lines and not set(rule.lines) & set(lines):
        return
    if classes:
        for label in sorted(set(rule.classes) - set(classes)):
            told = f"{name} names the class {label!r}, which no model of this night knows{_meant(label, classes)}"
            yield Unfit(rule.lines, told)
    if isinstance(rule, CoilRule):
        given = {one.severity for one in settings.severity}
        for severity in sorted(set(rule.severities) - given):
            told = f"{name} names the severity {severity!r}, which no [[severity]] gives{_meant(severity, given)}"
            yield Unfit(rule.lines, told)


def _meant(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name.casefold(), sorted({one.casefold() for one in known}), 1, _CLOSE)
    right = next((one for one in sorted(known) if close and one.casefold() == close[0]), None)
    return "" if right is None else f" (did you mean {right!r}?)"


def _classes(report: Store, date: dt.date, models: Collection[str]) -> set[str]:
    """The classes of the models that judged; empty if the records of the night do not say."""
    told = [record.model for _, record in records_of(report, date)]
    return {
        str(label)
        for model in told
        if f"{model.name} {model.version}" in models
        for label in getattr(model, "classes", ())
    }
