"""Severity of regions by the rules of the settings."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from marks import regions

from steelflow.config import SeverityRule
from steelflow.strip.severity import coil_severity, ranks, severities, severity_column


def rule(severity: str = "hit", **conditions: Any) -> SeverityRule:
    return SeverityRule(severity=severity, **conditions)


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"classes": ("scratch", "roll_mark")}, True),
        ({"classes": ("scratch",)}, False),
        ({"lines": ("L1",)}, True),
        ({"lines": ("L2",)}, False),
        ({"sides": ("top",)}, True),
        ({"sides": ("bottom",)}, False),
        ({"min_score": 0.9}, True),  # the file has the float32 below 0.9
        ({"min_score": 0.91}, False),
        ({"min_length_mm": 4.0}, True),
        ({"min_length_mm": 4.1}, False),
        ({"min_width_mm": 4.0}, True),
        ({"min_width_mm": 4.1}, False),
        ({"min_area_mm2": 12.0}, True),
        ({"min_area_mm2": 12.1}, False),
        ({"min_area_px": 10}, True),
        ({"min_area_px": 11}, False),
        ({"classes": ("roll_mark",), "min_area_px": 11}, False),
        ({"per_100m": 0.1}, False),  # needs the coil
    ],
)
def test_every_condition_that_is_set_must_hold(conditions: dict[str, Any], holds: bool) -> None:
    assert severities(regions([1.0], 5.0), [rule(**conditions)]).to_list() == (["hit"] if holds else [None])


def test_the_first_rule_that_holds_counts() -> None:
    rows = regions([1.0, 2.0, 3.0], 5.0, length=[100.0, 10.0, 1.0])
    rules = [rule("reject", min_length_mm=50), rule("look", min_length_mm=5), rule("reject", min_score=0.99)]
    assert severities(rows, rules).to_list() == ["reject", "look", None]
    assert ranks(rules) == {"reject": 0, "look": 1}


def test_what_is_unknown_does_not_hold() -> None:
    rows = regions([1.0], 5.0).with_columns(length_mm=None, side=None)
    rules = [rule("a", min_length_mm=1), rule("b", sides=("top",)), rule("c", min_area_px=1)]
    assert severities(rows, rules).to_list() == ["c"]


def test_without_rules_nothing_is_severe() -> None:
    found = severities(regions([1.0], 5.0), [])
    assert (found.to_list(), found.dtype) == ([None], pl.String)


def test_density_counts_a_class_on_a_side_of_the_coil() -> None:
    rows = pl.concat(
        [
            regions([1.0, 2.0, 3.0], 5.0, label="scale"),
            regions([1.0], 5.0, label="scale", side="bottom"),
            regions([1.0], 5.0, label="scratch"),
        ]
    )
    rules = [rule("dense", per_100m=1.5), rule("any")]
    assert coil_severity(rows, rules, metres=200.0).to_list() == ["dense"] * 3 + ["any"] * 2
    assert coil_severity(rows, rules, metres=201.0).to_list() == ["any"] * 5
    assert coil_severity(rows, rules, metres=None).to_list() == ["any"] * 5


def test_the_column_of_a_file_takes_the_line_from_its_path() -> None:
    table = regions([1.0, 2.0], 5.0, length=[1.0, 9.0]).drop("line", "date").to_arrow()
    column = severity_column(table, [rule(lines=("L7",), min_length_mm=5)], "L7")
    assert column.to_pylist() == [None, "hit"]
    assert severity_column(table, [rule(lines=("L7",))], None).to_pylist() == [None, None]
