"""A spreadsheet program runs no cell of a table of ours, and an import reads the texts as they were."""

from __future__ import annotations

import polars as pl
import pytest

from steelflow.report.sheets import for_spreadsheets, original

EVIL = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x"]
PLAIN = ["scratches", "C-17", "a=b", "1-2", "", "'quoted'", "' =1", "Müller"]


@pytest.mark.parametrize("text", EVIL)
def test_what_would_run_is_escaped_and_comes_back(text: str) -> None:
    (cell,) = for_spreadsheets(pl.DataFrame({"coil": [text]}))["coil"]
    assert cell == f"'{text}"
    assert original(cell) == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay(text: str) -> None:
    (cell,) = for_spreadsheets(pl.DataFrame({"coil": [text]}))["coil"]
    assert cell == text
    assert original(cell) == text


def test_numbers_nulls_and_names_of_columns() -> None:
    rows = pl.DataFrame({"=x": [None, "=1"], "n": [-1, 2], "kind": pl.Series(["-a", "b"], dtype=pl.Categorical)})
    told = for_spreadsheets(rows)
    assert told.columns == ["'=x", "n", "kind"]
    assert told.rows() == [(None, -1, "'-a"), ("'=1", 2, "b")]
