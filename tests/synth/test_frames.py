"""The synthetic plant of frames: its pictures, its archive and its truth."""

from __future__ import annotations

import datetime as dt
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from archived import files

from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings, RollSettings, Settings
from steelflow.errors import ConfigError
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.store import open_store
from steelflow.strip.rolls import roll_marks
from steelflow.synth.blemishes import DEFECTS
from steelflow.synth.camera import Camera
from steelflow.synth.coils import Coil, coils
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.frame_truth import frames_of, mask_of, runs_of, truth_files, truth_of
from steelflow.synth.frames import frame_objects, picture, strip_metres
from steelflow.synth.layout import laid
from steelflow.synth.plant import TEMPLATE

NIGHT = dt.date(2026, 11, 18)
MANY = dict.fromkeys(DEFECTS, 60.0)
SMALL = FramePlantSpec(
    seed=3, start=NIGHT, nights=2, coils=3, frames=6, width=320, height=128, rates=MANY, broken=4, sharded=0.67
)


@pytest.fixture(scope="module")
def plant() -> dict[tuple[str, str], bytes]:
    return files(frame_objects(SMALL))


@pytest.fixture(scope="module")
def truth() -> pl.DataFrame:
    return pl.concat(truth_of(SMALL, coil) for coil in coils(SMALL))


@pytest.fixture(scope="module")
def listed() -> pl.DataFrame:
    return pl.concat(frames_of(SMALL, coil) for coil in coils(SMALL))


def first_coil(spec: FramePlantSpec) -> Coil:
    return next(coils(spec))


def readable(plant: dict[tuple[str, str], bytes]) -> set[tuple[str, str]]:
    return {place for place, data in plant.items() if not isinstance(decode(data, LimitSettings()), Failure)}


def test_every_readable_frame_is_listed_where_the_archive_has_it(
    plant: dict[tuple[str, str], bytes], listed: pl.DataFrame, tmp_path: Path
) -> None:
    assert listed.height == 2 * 2 * 3 * 6 * 4
    assert set(listed.select("object_key", pl.col("member").fill_null("")).rows()) == readable(plant)
    store = open_store(str(tmp_path), Settings().store)
    for key, data in frame_objects(SMALL):
        store.put(key, data)
    asked = [ImageRef(*row) for row in listed.select("object_key", "member", "ordinal").iter_rows()]
    answers = dict(fetch_images(store, asked, LimitSettings()))
    assert set(answers) == set(asked)
    assert not [data for data in answers.values() if isinstance(data, Failure)]


def test_the_template_reads_line_coil_position_and_time(listed: pl.DataFrame) -> None:
    template = KeyTemplate(TEMPLATE)
    for row in listed.iter_rows(named=True):
        folder = row["object_key"].rpartition("/")[0]
        fields = template.match(f"{folder}/{row['member']}" if row["member"] else row["object_key"])
        assert fields is not None
        assert (fields.line, fields.date, fields.coil) == (row["line"], row["date"], row["coil"])
        assert fields.position == pytest.approx(row["position"], abs=0.001)
        assert fields.captured_at is not None


def test_frames_have_their_size_and_show_background_beside_and_behind_the_strip() -> None:
    spec, coil = replace(SMALL, rates={}, marked=0.0, harmless=0.0), first_coil(SMALL)
    here = laid(spec, coil, "top")
    middle = {camera: picture(spec, here, coil, camera, "top", 3) for camera in ("c1", "c2")}
    assert {one.shape for one in middle.values()} == {(128, 320)}
    for dark, bright in ((middle["c1"][:, :20], middle["c1"][:, 120:]), (middle["c2"][:, -20:], middle["c2"][:, :200])):
        assert dark.max() < 25
        assert bright.min() > 30
        assert bright.mean() > 60
    tail = picture(spec, here, coil, "c1", "top", 5)
    assert tail[:20, 120:].mean() > 40
    assert tail[-5:].max() < 25


def test_heads_and_tails_are_darker_and_rougher() -> None:
    spec = replace(SMALL, rates={}, marked=0.0, harmless=0.0, frames=30)
    here = laid(spec, first_coil(spec), "top")
    head, middle = (picture(spec, here, first_coil(spec), "c1", "top", number)[30:, 120:] for number in (0, 15))
    assert head.mean() < 0.9 * middle.mean()
    rough, even = (cv2.blur(one, (9, 9)).std() / one.mean() for one in (head, middle))
    assert rough > 1.2 * even


def test_most_of_a_plant_as_it_comes_is_good() -> None:
    spec = FramePlantSpec(lines=("L1",), nights=1, coils=20)
    listed = pl.concat(frames_of(spec, coil) for coil in coils(spec))
    truth = pl.concat(truth_of(spec, coil) for coil in coils(spec))
    defective = truth.select("object_key", "member").unique().height / listed.height
    assert 0.02 < defective < 0.1
    assert truth["area"].min() < 300
    assert truth["area"].max() > 3000


def test_the_pixels_that_a_defect_changes_are_in_its_mask_and_the_mask_in_its_box() -> None:
    spec = replace(SMALL, rates=dict.fromkeys(DEFECTS, 400.0))
    coil = first_coil(spec)
    rows = truth_of(spec, coil)
    assert set(rows["label"]) == set(DEFECTS)
    for side in spec.sides:
        here = laid(spec, coil, side)
        for row in rows.filter(side=side).iter_rows(named=True):
            others = {one.defect for one in here.placed} - {row["defect"]}
            place = here, coil, row["camera"], side, row["frame"]
            before = picture(spec, *place, without=others | {row["defect"]}).astype(int)
            changed = picture(spec, *place, without=others).astype(int) != before
            mask = mask_of(row, spec.height, spec.width)
            assert not (changed & ~mask).any()
            assert mask.sum() == row["area"]
            assert row["area"] < 30 or changed[mask].mean() > 0.2
            tight = mask[row["y"] : row["y"] + row["height"], row["x"] : row["x"] + row["width"]]
            assert tight.sum() == row["area"]
            assert all(border.any() for border in (tight[0], tight[-1], tight[:, 0], tight[:, -1]))


def test_a_frame_without_a_row_is_the_good_surface(truth: pl.DataFrame, listed: pl.DataFrame) -> None:
    coil, quiet = first_coil(SMALL), replace(SMALL, rates={}, marked=0.0)
    good = listed.filter(line=coil.line, date=coil.date, coil=coil.name).join(
        truth, on=["object_key", "member"], how="anti", nulls_equal=True
    )
    assert 0 < good.height < 24
    for camera, side, number in good.select("camera", "side", "frame").iter_rows():
        with_defects = picture(SMALL, laid(SMALL, coil, side), coil, camera, side, number)
        names = {one.defect for one in laid(SMALL, coil, side).placed if one.label}
        without = picture(quiet, laid(SMALL, coil, side), coil, camera, side, number, without=names)
        assert np.array_equal(with_defects, without)


@pytest.mark.parametrize(
    "mask",
    [np.eye(5, dtype=bool), np.ones((2, 3), bool), np.zeros((2, 2), bool), np.array([[False, True], [True, False]])],
)
def test_a_mask_is_rebuilt_from_its_runs(mask: np.ndarray) -> None:  # type: ignore[type-arg]  # any bool array
    row = {"mask": runs_of(mask), "x": 2, "y": 1, "height": mask.shape[0], "width": mask.shape[1]}
    whole = mask_of(row, 9, 9)
    assert np.array_equal(whole[1 : 1 + mask.shape[0], 2 : 2 + mask.shape[1]], mask)
    assert whole.sum() == mask.sum()


def test_defects_are_as_frequent_as_asked() -> None:
    rates = {"scratches": 10.0, "inclusion": 40.0}
    spec = FramePlantSpec(lines=("L1",), nights=1, coils=10, frames=400, rates=rates, marked=0.0, harmless=0.0)
    placed = [one.label for coil in coils(spec) for side in spec.sides for one in laid(spec, coil, side).placed]
    count, metres = Counter(placed), strip_metres(spec)
    for label, rate in rates.items():
        expected = 2 * rate * metres / 100  # two sides
        assert count[label] == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert set(count) == set(rates)


def test_roll_marks_repeat_with_the_roll_s_circumference_at_one_place_across() -> None:
    spec = FramePlantSpec(lines=("L1",), nights=1, coils=12, rates={}, marked=0.5, rolls={"a": 100.0, "b": 160.0})
    truth = pl.concat(truth_of(spec, coil) for coil in coils(spec))
    marked = truth.partition_by("coil", "roll_mark", as_dict=True)
    assert 2 <= len(marked) <= 10
    for (_, roll), marks in marked.items():
        whole = marks.filter(pl.col("area") == pl.col("area").max()).sort("along")
        turns = np.diff(whole["along"].unique().sort().to_numpy()) / (np.pi * spec.rolls[str(roll)] / 1000)
        assert np.allclose(turns, np.round(turns), atol=0.01)
        assert whole["across_mm"].max() - whole["across_mm"].min() < 0.7  # type: ignore[operator]  # there are rows
        assert marks["side"].n_unique() == 1


def test_the_roll_is_found_from_a_coil_s_regions() -> None:
    spec = FramePlantSpec(lines=("L1",), nights=1, coils=8, marked=0.6)
    truth = pl.concat(truth_of(spec, coil) for coil in coils(spec))
    regions = truth.with_columns(score=pl.lit(0.9), length_mm=pl.col("height") * spec.mm)
    found = roll_marks(regions, [RollSettings(name=name, diameter_mm=size) for name, size in spec.rolls.items()])
    real = set(truth.drop_nulls("roll_mark").select("coil", "side", "roll_mark").unique().rows())
    assert len(real) > 2
    assert set(found.select("coil", "side", "roll").rows()) == real


def test_a_defect_at_the_seam_of_two_cameras_is_at_one_place_across() -> None:
    spec = replace(SMALL, overlap=64)
    truth = pl.concat(truth_of(spec, coil) for coil in coils(spec))
    twice = truth.filter(pl.len().over("line", "date", "coil", "defect", "frame") > 1)
    whole = twice.filter((pl.col("x") > 0) & (pl.col("x") + pl.col("width") < spec.width))
    spread = whole.group_by("line", "date", "coil", "defect", "frame").agg(
        pl.len(), same=pl.col("area").n_unique() == 1, spread=pl.col("across_mm").max() - pl.col("across_mm").min()
    )
    seen = spread.filter((pl.col("len") == 2) & pl.col("same"))
    assert seen.height > 0
    assert seen["spread"].max() < 0.01  # type: ignore[operator]  # there are rows


def test_the_parts_make_the_whole(plant: dict[tuple[str, str], bytes]) -> None:
    parts: dict[tuple[str, str], bytes] = {}
    for line in SMALL.lines:
        for date in SMALL.dates:
            parts |= files(frame_objects(replace(SMALL, lines=(line,), start=date, nights=1)))
    assert parts == plant


def test_another_seed_is_another_plant(plant: dict[tuple[str, str], bytes]) -> None:
    other = files(frame_objects(replace(SMALL, seed=4, lines=("L1",), nights=1, broken=0)))
    assert other.keys() <= plant.keys()
    assert not [place for place, data in other.items() if data == plant[place]]


def test_each_partition_has_its_broken_files_of_every_kind(plant: dict[tuple[str, str], bytes]) -> None:
    codes: dict[str, list[str]] = {}
    for (key, _), data in plant.items():
        answer = decode(data, LimitSettings())
        if isinstance(answer, Failure):
            codes.setdefault(key.split("/coil=")[0], []).append(answer.code)
    assert len(codes) == 4
    assert all(sorted(found) == ["empty", "empty", "not_an_image", "truncated"] for found in codes.values())


def test_drift_stays_where_it_was_put(plant: dict[tuple[str, str], bytes]) -> None:
    place, late = ("L2", NIGHT + dt.timedelta(days=1)), "line=L2/date=2026-11-19/"
    aged = files(frame_objects(replace(SMALL, cameras={place: Camera(gain=0.5, gradient=0.1)})))
    assert {where for where in plant if aged[where] != plant[where]} <= {where for where in plant if late in where[0]}
    whole = {where: decode(data, LimitSettings()) for where, data in plant.items() if late in where[0]}
    for where, before in whole.items():
        after = decode(aged[where], LimitSettings())
        if not isinstance(before, Failure) and not isinstance(after, Failure):
            assert after.mean() == pytest.approx(before.mean() / 2, rel=0.1)


def test_rates_may_differ_on_a_line_and_night() -> None:
    place = ("L1", NIGHT)
    spec = replace(SMALL, rates={}, rates_at={place: {"patches": 200.0}}, marked=0.0)
    truth = pl.concat(truth_of(spec, coil) for coil in coils(spec))
    assert set(truth.select("line", "date", "label").unique().rows()) == {(*place, "patches")}


def test_truth_and_frames_are_written_by_night_and_line(truth: pl.DataFrame, listed: pl.DataFrame) -> None:
    written = dict(truth_files(SMALL))
    nights = [f"date={date}/line={line}.parquet" for date in SMALL.dates for line in SMALL.lines]
    assert sorted(written) == sorted(f"{kind}/{night}" for kind in ("truth", "frames") for night in nights)
    for kind, whole in (("truth", truth), ("frames", listed)):
        read = pl.concat(pl.read_parquet(io.BytesIO(data)) for path, data in written.items() if path.startswith(kind))
        assert read.schema == whole.schema
        assert read.sort("object_key", "member", "ordinal", maintain_order=True).equals(
            whole.sort("object_key", "member", "ordinal", maintain_order=True)
        )


def test_the_metres_are_those_of_the_strip(listed: pl.DataFrame) -> None:
    of_eye = listed.filter(camera="c1", side="top")
    assert of_eye["length"].sum() == pytest.approx(strip_metres(SMALL))
    assert strip_metres(SMALL) < 2 * 2 * 3 * 6 * SMALL.metres(SMALL.height)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rates": {"rust": 1.0}}, "no class rust"),
        ({"rates_at": {"L1": {"patches": -1.0}}}, "0 or more"),
        ({"marked": 2.0}, "marked"),
        ({"rolls": {}}, "rolls"),
        ({"rolls": {"a": 0.0}}, "above 0"),
        ({"overlap": 320}, "overlap"),
        ({"margin": 200}, "margin"),
        ({"sides": ()}, "distinct"),
        ({"sides": ("top_left",)}, "letters"),
        ({"mm": 0.0}, "mm"),
        ({"height": 8}, "32 pixels"),
        ({"broken": 1000}, "broken"),
        ({"across": 0}, "at least 1"),
        ({"lines": ()}, "distinct"),
    ],
)
def test_a_plant_that_cannot_be_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        replace(SMALL, **change)  # type: ignore[arg-type]  # wrong on purpose
