"""The person of the demo marks what the truth says, and nothing else."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from steelflow.config import ArchiveSettings, Settings
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
    return Settings(home=tmp_path / "home", archive=ArchiveSettings(uri=str(tmp_path / "archive")))


def regions() -> pl.DataFrame:
    """Two regions that are defects, and one on a good frame."""
    real = TRUTH.unique(PLACE, keep="first", maintain_order=True).head(2)
    good = LISTED.join(TRUTH, on=PLACE, how="anti", nulls_equal=True).head(1)
    box = {name: pl.lit(20, pl.Int32) for name in ("x", "y", "width", "height")}
    columns = [*PLACE, "label", "x", "y", "width", "height"]
    found = pl.concat([real.select(columns), good.with_columns(label=pl.lit("inclusion"), **box).select(columns)])
    return found.with_columns(score=pl.Series([0.9, 0.8, 0.7]), region=pl.lit(0, pl.Int32))


def reviewed(settings: Settings, out: Path, pointed: int = 200, others: int = 3) -> tuple[Reviewed, pl.DataFrame]:
    done = review(settings, regions(), TRUTH, LISTED, out, pointed=pointed, others=others)
    return done, pl.read_csv(done.manifest)


def test_a_person_confirms_rejects_and_draws(settings: Settings, tmp_path: Path) -> None:
    done, rows = reviewed(settings, tmp_path / "labels")
    assert (done.frames, done.confirmed, done.rejected) == (6, 2, 1)
    assert rows["path"].n_unique() == 6
    assert all((done.manifest.parent / path).is_file() for path in rows["path"])
    boxes = rows.filter(pl.col("label") != GOOD)
    assert boxes.height == done.confirmed + done.drawn
    assert rows.filter(label=GOOD).height == done.good > 0
    assert boxes.select("x", "y", "width", "height").null_count().sum_horizontal().item() == 0
    known = set(TRUTH.select("label", "x", "y", "width", "height").rows())
    assert set(boxes.select("label", "x", "y", "width", "height").rows()) <= known
    assert set(rows["group"]) <= {f"L1-2026-11-01-C{number:04d}" for number in (1, 2)}


def test_the_highest_scores_are_looked_at_first(settings: Settings, tmp_path: Path) -> None:
    done, rows = reviewed(settings, tmp_path / "labels", pointed=1, others=0)
    assert (done.frames, done.confirmed, done.rejected) == (1, 1, 0)
    assert GOOD not in set(rows["label"])
