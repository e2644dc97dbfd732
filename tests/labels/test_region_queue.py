"""The queue of regions: the strongest first, one of every kind, and none of an image that has a label."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from frame_plants import LINES, NIGHT, REGIONS, frame_settings, write_frames
from strip import level_model

from steelflow.errors import ReportError
from steelflow.labels.regions import _by_turns, _groups, region_queue
from steelflow.night.run import inspect_night
from steelflow.report.regions import RegionReader
from steelflow.store.local import LocalStore

NOBODY = pl.DataFrame(schema={"object_key": pl.String, "member": pl.String, "ordinal": pl.Int32})
REFERENCE = ["object_key", "member", "ordinal"]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """The reports of a night of frames with known defects."""
    root = tmp_path_factory.mktemp("night")
    model = level_model(root / "levels.onnx")
    inspect_night(frame_settings(write_frames(root / "images"), root / "reports", model), NIGHT)
    return LocalStore(root / "reports")


def test_every_region_has_its_place_and_the_first_ones_are_of_different_kinds(reports: LocalStore) -> None:
    rows = region_queue(reports, NOBODY, 200)
    written = RegionReader(reports).regions().collect()
    assert rows.height == written.height == REGIONS * len(LINES)
    assert rows.select(*REFERENCE, "region").n_unique() == rows.height
    assert rows["x"].is_in([48, 56, 296, 304]).all()
    assert set(rows["label"][:2]) == set(written["label"])
    assert region_queue(reports, NOBODY, 5).rows() == rows[:5].rows()


def test_regions_of_labelled_images_are_left_out(reports: LocalStore) -> None:
    first = region_queue(reports, NOBODY, 4)
    rest = region_queue(reports, first.select(REFERENCE), 200)
    assert rest.join(first, on=REFERENCE, how="semi", nulls_equal=True).is_empty()
    assert rest.height < REGIONS * len(LINES)


def test_only_the_lines_and_nights_that_are_asked_for(reports: LocalStore) -> None:
    assert set(region_queue(reports, NOBODY, 200, [NIGHT], ["L2"])["line"]) == {"L2"}
    with pytest.raises(ReportError, match="no reports"):
        region_queue(reports, NOBODY, 200, [NIGHT], ["L9"])


def test_groups_take_turns_and_near_copies_wait() -> None:
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(6)[:3] * 20, (60, 30, 10), axis=0)
    points = (centres + rng.normal(size=centres.shape)).astype(np.float32)
    scores = np.linspace(1, 0.5, len(points)).astype(np.float32)
    groups = _groups(points, scores)
    assert set(groups[:60]) - {-1} == {0}
    assert len(set(groups) - {-1}) == 3
    order = _by_turns(points, groups, 9)
    assert order[0] == np.flatnonzero(groups == 0)[0]
    kinds = np.repeat([0, 1, 2], (60, 30, 10))[order[:6]]
    assert sorted(set(kinds.tolist())) == [0, 1, 2]
    assert sorted(_by_turns(points, groups, 1000)) == list(range(100))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_regions_are_no_group(count: int) -> None:
    points = np.zeros((count, 3), np.float32)
    groups = _groups(points, np.ones(count, np.float32))
    assert groups.tolist() == [-1] * count
    assert _by_turns(points, groups, 10) == list(range(count))
