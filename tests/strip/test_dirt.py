"""Dirt on a camera repeats with the frames and is no mark of a roll."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from marks import regions

from steelflow.strip.rolls import DIRT, ROLL, roll_marks

MM = 0.5  # per pixel
STEP = 0.512  # metres: frames of 1024 rows
STEPS = {("C1", "c1", "top"): STEP, ("C1", "c2", "top"): STEP}


def seen(frames: np.ndarray, y: np.ndarray, x: float = 300.0, **more: object) -> pl.DataFrame:  # type: ignore[type-arg]  # of any numbers
    """Regions of 16×16 pixels whose centres are at these rows of these frames."""
    y = np.broadcast_to(y, frames.shape)
    return regions(
        frames * STEP + y * MM / 1000,
        x * MM,
        camera="c1",
        x=np.full(frames.shape, int(x) - 8),
        y=(y - 8).astype(int),
        width=16,
        height=16,
        length=16 * MM,
        width_mm=16 * MM,
        object_key=[f"C1/{frame:05d}.jpg" for frame in frames],
        **more,
    )


def jitter(rng: np.random.Generator, many: int) -> np.ndarray:  # type: ignore[type-arg]  # whole numbers
    return rng.integers(-8, 9, many)


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_a_mark_at_one_place_of_every_frame_is_dirt(share: float) -> None:
    rng = np.random.default_rng(0)
    frames = np.flatnonzero(rng.random(60) < share)
    (mark,) = roll_marks(seen(frames, 400 + jitter(rng, len(frames))), steps=STEPS).to_dicts()
    assert (mark["cause"], mark["camera"], mark["roll"], mark["count"]) == (DIRT, "c1", None, len(frames))
    assert mark["expected"] == frames[-1] - frames[0] + 1
    assert mark["period_mm"] == pytest.approx(512)
    assert mark["confidence"] > 0.99


@pytest.mark.parametrize("period", [0.3, 0.5, 0.53, 0.768, 1.024, 1.5])
def test_a_mark_of_a_roll_moves_through_the_frame_or_is_not_in_every_frame(period: float) -> None:
    place = np.arange(0.1, 40, period)
    frames = (place / STEP).astype(int)
    (mark,) = roll_marks(seen(frames, (place - frames * STEP) * 1000 / MM), steps=STEPS).to_dicts()
    assert (mark["cause"], mark["camera"]) == (ROLL, None)
    assert mark["period_mm"] == pytest.approx(period * 1000, abs=1)


def test_dirt_hides_no_mark_of_a_roll() -> None:
    frames = np.arange(80)
    place = np.arange(0.1, 40, 0.768)
    of_mark = (place / STEP).astype(int)
    both = pl.concat([seen(frames, 400), seen(of_mark, (place - of_mark * STEP) * 1000 / MM, x=310.0)])
    found = {mark["cause"]: mark for mark in roll_marks(both, steps=STEPS).to_dicts()}
    assert set(found) == {DIRT, ROLL}
    assert found[ROLL]["period_mm"] == pytest.approx(768, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_random_regions_and_scratches_along_the_strip_are_no_dirt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.integers(0, 60, 200))
    random = seen(frames, rng.integers(20, 1000, 200))
    scratch = seen(np.arange(60), 512, x=700.0).with_columns(length_mm=pl.lit(500, pl.Float32), height=pl.lit(1000))
    assert roll_marks(pl.concat([random, scratch]), steps=STEPS).filter(cause=DIRT).is_empty()


def test_without_the_distance_of_the_frames_nothing_is_called_dirt() -> None:
    (mark,) = roll_marks(seen(np.arange(60), 400)).to_dicts()
    assert mark["cause"] == ROLL
