"""The images that moved a signal: those in front are those that differ from the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from nights import DAY, DIGEST, night_rows, put_report

from steelflow.drift.movers import line_rows, movers
from steelflow.drift.sample import COLUMNS, IMAGE
from steelflow.drift.signals import SIGNALS
from steelflow.errors import DriftError
from steelflow.report.reader import ReportReader
from steelflow.store.local import LocalStore

REFERENCE = night_rows(600, seed=1)


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_orders_all_rows_and_always_in_the_same_way(signal: str) -> None:
    night = night_rows(300, seed=2, light=0.8, strange=0.1)
    found = movers(signal, REFERENCE, night)
    assert found.height == night.height
    assert found.select(IMAGE).n_unique() == night.height
    again = movers(signal, REFERENCE, night.sample(fraction=1, shuffle=True, seed=3))
    assert again["object_key"].to_list() == found["object_key"].to_list()


@pytest.mark.parametrize(("light", "first"), [(0.5, "min"), (1.6, "max")])
def test_the_side_to_which_the_night_moved_comes_first(light: float, first: str) -> None:
    found = movers("brightness", REFERENCE, night_rows(300, seed=2, light=light))
    extreme = found["brightness"].min() if first == "min" else found["brightness"].max()
    assert found["brightness"][0] == extreme
    assert found["brightness"].is_sorted(descending=first == "max")


def test_rows_that_stand_out_come_first() -> None:
    odd = movers("unfamiliar", REFERENCE, night_rows(300, seed=2, strange=0.1))
    flagged = odd["stands_out"].to_list()
    assert flagged == sorted(flagged, reverse=True)
    front = odd.filter("stands_out")
    assert front.select((pl.col("sharpness") > 2000).mean()).item() > 0.8, "those that look like none of the reference"
    for signal in ("class_share", "class_mix"):
        grown = movers(signal, REFERENCE, night_rows(300, seed=2, mix=(1, 1, 4)))
        many = int((grown["label"] == "scratches").sum())
        assert set(grown["label"].head(many)) == {"scratches"}
    novel = movers("novel", REFERENCE, night_rows(300, seed=2))
    assert novel["novel"].is_sorted(descending=True)


def test_the_farthest_embedding_comes_first() -> None:
    night = night_rows(100, seed=2)
    far = night.with_row_index("n").with_columns(
        pl.when(pl.col("n") == 7)
        .then(pl.lit([40.0] * 4))
        .otherwise("embedding")
        .cast(pl.List(pl.Float16))
        .alias("embedding")
    )
    assert movers("embedding", REFERENCE, far.drop("n"))["object_key"][0] == night["object_key"][7]


def test_a_signal_that_is_not_there_and_figures_that_are_missing() -> None:
    with pytest.raises(DriftError, match="no signal 'noise'; there are brightness"):
        movers("noise", REFERENCE, REFERENCE)
    bare = REFERENCE.with_columns(pl.lit(None, COLUMNS[name]).alias(name) for name in ("energy", "embedding"))
    for signal in ("energy", "embedding"):
        assert np.isfinite(movers(signal, bare, bare.head(9))["pull"].to_numpy()).all()


def test_the_rows_of_a_line_are_those_of_its_model(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, create=True)
    put_report(store, DAY, "L1", night_rows(30, seed=1), "one")
    put_report(store, DAY, "L1", night_rows(20, seed=2, digest="e" * 64), "two")
    put_report(store, DAY, "L2", night_rows(10, seed=3), "three")
    found = line_rows(ReportReader(store), DAY, "L1", DIGEST)
    assert (found.height, found["line"].unique().to_list(), found["date"].unique().to_list()) == (30, ["L1"], [DAY])
    assert found.schema == pl.Schema(COLUMNS)
