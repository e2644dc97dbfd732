"""The person of the demo marks what the truth says, and nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from steelflow.config import ArchiveSettings, ReportSettings, Settings
from steelflow.labels import open_labels
from steelflow.labels.framed import frame_labels
from steelflow.synth.blemishes import DEFECTS
from steelflow.synth.coils import coils
from steelflow.synth.folders import write_file
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.frame_truth import frames_of, truth_of
from steelflow.synth.frames import frame_objects
from steelflow.synth.reviewer import GOOD, Reviewed, review

SPEC = FramePlantSpec(
    seed=1,
    lines=("L1",),
    start=dt.date(2026, 11, 1),
    nights=1,
    coils=2,
    frames=8,
    width=256,
    height=128,
    rates=dict.fromkeys(DEFECTS, 60.0),
)
LISTED = pl.concat(frames_of(SPEC, coil) for coil in coils(SPEC))
TRUTH = pl.concat(truth_of(SPEC, coil) for coil in coils(SPEC))
PLACE = ["object_key", "member", "ordinal"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for key, data in frame_objects(SPEC):
        write_file(tmp_path / "archive" / key, data)
    return Settings(
        home=tmp_path / "home",
        archive=ArchiveSettings(uri=str(tmp_path / "archive")),
        report=ReportSettings(uri=str(tmp_path / "report")),
    )


def regions() -> pl.DataFrame:
    """Two regions that are defects, and one on a good frame."""
    real = TRUTH.unique(PLACE, keep="first", maintain_order=True).head(2)
    good = LISTED.join(TRUTH, on=PLACE, how="anti", nulls_equal=True).head(1)
    box = {name: pl.lit(20, pl.Int32) for name in ("x", "y", "width", "height")}
    columns = [*PLACE, "label", "x", "y", "width", "height"]
    found = pl.concat([real.select(columns), good.with_columns(label=pl.lit("inclusion"), **box).select(columns)])
    return found.with_columns(score=pl.Series([0.9, 0.8, 0.7]), region=pl.lit(0, pl.Int32))


def reviewed(settings: Settings, pointed: int = 200, others: int = 3) -> tuple[Reviewed, pl.DataFrame]:
    done = review(settings, regions(), TRUTH, LISTED, pointed=pointed, others=others)
    return done, frame_labels(open_labels(settings))


def test_a_person_confirms_rejects_and_draws(settings: Settings) -> None:
    done, rows = reviewed(settings)
    assert (done.frames, done.confirmed, done.rejected) == (6, 2, 1)
    assert rows["image"].n_unique() == 6
    boxes = rows.filter(pl.col("x").is_not_null())
    assert done.labels == rows.height == boxes.height + done.good
    assert boxes.filter(pl.col("verdict") == "drawn").height == done.drawn
    assert set(boxes["verdict"]) <= {"drawn", "relabelled"}
    assert rows.filter(pl.col("x").is_null()).select("label", "verdict").unique().rows() == [(GOOD, "good")]
    known = set(TRUTH.select("label", "x", "y", "width", "height").rows())
    assert set(boxes.select("label", "x", "y", "width", "height").rows()) <= known
    assert set(rows["group"]) <= {f"L1/2026-11-01/C{number:04d}" for number in (1, 2)}


def test_a_region_that_is_no_defect_on_a_defective_frame_is_called_good(settings: Settings) -> None:
    mark = TRUTH.row(0, named=True)
    aside = regions().head(1).with_columns(**{name: pl.lit(0, pl.Int32) for name in ("x", "y")})
    aside = aside.with_columns(**{name: pl.lit(1, pl.Int32) for name in ("width", "height")})
    review(settings, aside, TRUTH, LISTED, pointed=1, others=0)
    rows = frame_labels(open_labels(settings))
    assert ("good", 0, 0) in rows.select("verdict", "x", "y").rows()
    assert mark["label"] in set(rows["label"])


def test_the_highest_scores_are_looked_at_first(settings: Settings) -> None:
    done, rows = reviewed(settings, pointed=1, others=0)
    assert (done.frames, done.confirmed, done.rejected) == (1, 1, 0)
    assert GOOD not in set(rows["label"])


def test_labels_of_a_second_look_are_not_added_again(settings: Settings) -> None:
    first, _ = reviewed(settings)
    again, rows = reviewed(settings)
    assert again.labels == 0
    assert rows.height == first.labels
