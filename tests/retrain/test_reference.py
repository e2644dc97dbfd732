"""The reference of a new model: which nights it is of."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from steelflow.drift.check import TABLE
from steelflow.retrain.reference import before_drift

DAY = dt.date(2026, 11, 1)


def table(verdicts: dict[str, list[str]]) -> pl.DataFrame:
    rows = [
        {"date": DAY + dt.timedelta(days=night), "line": line, "verdict": verdict, "signal": signal}
        for line, nights in verdicts.items()
        for night, verdict in enumerate(nights)
        for signal in ("brightness", "contrast")
    ]
    return pl.DataFrame([{name: row.get(name) for name in TABLE} for row in rows], schema=TABLE)


@pytest.mark.parametrize(
    ("verdicts", "left_out"),
    [
        (["none", "none", "none"], []),
        (["none", "none", "alarm"], [0, 1]),
        (["none", "warn", "alarm"], [0]),
        (["warn", "none", "alarm"], [0, 1]),
        (["alarm", "alarm", "alarm"], []),
        (["alarm", "none", "none"], []),
        (["insufficient", "insufficient", "none"], []),
    ],
)
def test_what_came_before_drift_that_is_still_there_is_left_out(verdicts: list[str], left_out: list[int]) -> None:
    found = before_drift(table({"L1": verdicts, "L2": ["none"] * 3}))
    assert sorted(found.rows()) == [("L1", DAY + dt.timedelta(days=night)) for night in left_out]


def test_an_empty_table_leaves_nothing_out() -> None:
    assert before_drift(table({})).is_empty()
