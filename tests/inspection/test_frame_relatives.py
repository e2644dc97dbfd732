"""What frames can be besides whole, grey and upright; and defects at the borders of views and frames."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image
from polars.testing import assert_frame_equal
from strip import SIDE, SPEC, Picture, frame, level_model, with_defect

from steelflow.config import FrameSettings, LimitSettings, LineFrame, ModelSettings, Settings
from steelflow.inspection.infer import InspectionResult, inspect_source
from steelflow.report.regions import RegionReader
from steelflow.report.summary import summarised
from steelflow.store import open_store

DEFECT = (120, 40, 24, 16)  # x, y, width, height
HEIGHT, WIDTH = 96, 300


def encoded(picture: Any, kind: str = ".png") -> bytes:
    done, data = cv2.imencode(kind, picture)
    assert done
    return data.tobytes()


def upright() -> Picture:
    return with_defect(frame(HEIGHT, WIDTH), *DEFECT)


def turned_by_exif() -> bytes:
    """The camera wrote the frame lying on its side, with the EXIF tag that says so."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    Image.fromarray(np.rot90(upright())).save(out, "PNG", exif=exif)
    return out.getvalue()


FILES = {
    "grey": encoded(upright()),
    "colour": encoded(cv2.cvtColor(upright(), cv2.COLOR_GRAY2BGR)),
    "16 bit": encoded(upright().astype(np.uint16) * 257),
    "turned by EXIF": turned_by_exif(),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return level_model(tmp_path_factory.mktemp("model") / "levels.onnx")


class Inspected:
    """A folder of files, inspected."""

    def __init__(self, folder: Path, model: Path, files: dict[str, bytes], line: LineFrame, **limits: Any) -> None:
        (folder / "in").mkdir()
        for name, data in files.items():
            (folder / "in" / name).write_bytes(data)
        settings = Settings(
            home=folder / "home",
            model=ModelSettings(ref=str(model), batch_size=8, workers=2),
            frame=FrameSettings(**line.model_dump()),
            limits=LimitSettings(**limits),
        )
        self.result: InspectionResult = inspect_source(str(folder / "in"), str(folder / "out"), settings)
        store = open_store(str(folder / "out"), settings.store)
        files_there = [info for info in store.list() if info.key.endswith(".parquet") and "regions/" not in info.key]
        self.rows = pl.concat([pl.read_parquet(folder / "out" / info.key) for info in files_there]).sort("object_key")
        self.summary = summarised(store, files_there)
        assert_frame_equal(self.summary, summarised(store, files_there, where=pl.lit(True)), check_exact=False)
        self.regions = RegionReader(store).of_files(files_there).sort("object_key", "region")
        assert self.result.images == self.result.ok + self.result.failed == self.rows.height
        assert self.rows["regions"].sum() == self.regions.height == self.result.regions
        assert self.rows["defect_area"].sum() == self.regions["area"].sum()


@pytest.mark.parametrize("kind", FILES)
def test_a_frame_of_any_kind_has_the_region_where_it_is(kind: str, model: Path, tmp_path: Path) -> None:
    found = Inspected(tmp_path, model, {"a.png": FILES[kind]}, LineFrame())
    assert found.rows.select("width", "height").rows() == [(WIDTH, HEIGHT)]
    (row,) = found.regions.select("x", "y", "width", "height").rows()
    assert row == DEFECT


BROKEN = {
    "cut": (FILES["grey"][:200], "truncated"),
    "empty": (b"", "empty"),
    "above the pixel limit": (encoded(frame(400, 400)), "too_many_pixels"),
}


def test_frames_that_cannot_be_judged_are_rows(model: Path, tmp_path: Path) -> None:
    files = {f"{number}.png": data for number, (data, _) in enumerate(BROKEN.values())}
    found = Inspected(tmp_path, model, files | {"z.png": FILES["grey"]}, LineFrame(), image_pixels=100_000)
    assert (found.result.ok, found.result.failed, found.regions.height) == (1, len(BROKEN), 1)
    failed = found.rows.filter(status="failed")
    assert failed["regions"].null_count() == failed["defect_area"].null_count() == len(BROKEN)


@pytest.mark.parametrize("x", [SIDE - 16, SIDE - 8, SIDE, 2 * SIDE - 24, WIDTH - 24])
def test_a_defect_where_views_overlap_is_one_region(x: int, model: Path, tmp_path: Path) -> None:
    picture = with_defect(frame(HEIGHT, WIDTH), x // 8 * 8, 40, 24, 16)
    found = Inspected(tmp_path, model, {"a.png": encoded(picture)}, LineFrame(overlap=0.5))
    (row,) = found.regions.select("x", "y", "width", "height").rows()
    assert abs(row[0] - x // 8 * 8) <= 8
    assert abs(row[2] - 24) <= 8


def test_a_defect_cut_by_the_border_of_two_frames_is_a_region_of_each(model: Path, tmp_path: Path) -> None:
    strip = with_defect(frame(2 * HEIGHT, WIDTH), 120, HEIGHT - 16, 24, 32)
    files = {"0.png": encoded(strip[:HEIGHT]), "1.png": encoded(strip[HEIGHT:])}
    found = Inspected(tmp_path, model, files, LineFrame())
    assert found.regions.select("y", "height").rows() == [(HEIGHT - 16, 16), (0, 16)]


@pytest.mark.parametrize("gap", [8, 16, 32, 48, 96])
def test_near_parts_are_one_defect_and_far_ones_are_two(gap: int, model: Path, tmp_path: Path) -> None:
    picture = with_defect(upright(), DEFECT[0] + DEFECT[2] + gap, 40, 24, 16)
    found = Inspected(tmp_path, model, {"a.png": encoded(picture)}, LineFrame())
    assert found.regions.height == (1 if gap <= 32 else 2)
    assert found.regions["width"].sum() == 2 * 24 + (gap if gap <= 32 else 0)


@pytest.mark.parametrize("view", [48, 100, 128, 200, 255])
def test_a_view_of_any_side_places_a_defect_within_a_cell(view: int, model: Path, tmp_path: Path) -> None:
    picture = with_defect(frame(400, 600), 304, 200, 80, 64)
    found = Inspected(tmp_path, model, {"a.png": encoded(picture)}, LineFrame(view=view))
    cell = view / 8 + 4
    (row,) = found.regions.select("x", "y", "width", "height").rows()
    assert abs(row[0] - 304) <= cell
    assert abs(row[1] - 200) <= cell
    assert abs(row[0] + row[2] - 384) <= cell
    assert abs(row[1] + row[3] - 264) <= cell


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (LineFrame(), set()),
        (LineFrame(mm_across=0.5), {"across_mm", "width_mm"}),
        (LineFrame(mm_along=0.5), {"length_mm"}),
        (LineFrame(mm_along=0.5, mm_across=0.5), {"across_mm", "width_mm", "length_mm", "area_mm2"}),
    ],
)
def test_millimetres_are_told_where_the_scale_is_known(
    line: LineFrame, known: set[str], model: Path, tmp_path: Path
) -> None:
    found = Inspected(tmp_path, model, {"a.png": FILES["grey"]}, line)
    row = found.regions.select("across_mm", "width_mm", "length_mm", "area_mm2").row(0, named=True)
    assert {name for name, value in row.items() if value is not None} == known
    assert (found.rows["length"][0] is not None) == (line.mm_along is not None)


@pytest.mark.parametrize("maps", [True, False])
@pytest.mark.parametrize("level", [0, 12])
def test_a_frame_without_strip_is_good_and_shows_no_metres(maps: bool, level: int, tmp_path: Path) -> None:
    spec = SPEC if maps else SPEC.model_copy(update={"sharpness": None, "operating_point": 0.0})
    files = {"a.png": encoded(np.full((HEIGHT, WIDTH), level, np.uint8))}
    line = LineFrame(background=24, mm_along=1.0)
    found = Inspected(tmp_path, level_model(tmp_path / "m.onnx", spec), files, line)
    assert found.rows.select("label", "regions", "length").rows() == [("good", 0, 0.0)]


@pytest.mark.parametrize("name", ["L3", "l3"])
def test_the_settings_of_a_line_are_found_in_upper_and_lower_case(name: str) -> None:
    settings = FrameSettings(view=64, lines={name: LineFrame(judged="whole")})
    assert settings.of("L3").judged == "whole"
    assert settings.of("L4").judged == settings.of(None).judged == "views"
    exact = FrameSettings(lines={"l3": LineFrame(view=64), "L3": LineFrame(view=128)})
    assert (exact.of("L3").view, exact.of("l3").view) == (128, 64)


def test_a_scale_that_changes_within_a_coil_is_that_of_each_frame(model: Path, tmp_path: Path) -> None:
    sidecar = b"name,coil,position,mm_along,mm_across\n0.png,C1,0,0.5,0.5\n1.png,C1,0.048,1.0,0.25\n"
    files = {"0.png": FILES["grey"], "1.png": FILES["grey"], "frames.csv": sidecar}
    found = Inspected(tmp_path, model, files, LineFrame(mm_along=2.0))
    assert found.rows["length"].to_list() == pytest.approx([0.048, 0.096])
    assert found.regions["length_mm"].to_list() == pytest.approx([8, 16])
    assert found.regions["width_mm"].to_list() == pytest.approx([12, 6])
    assert found.regions["along"].to_list() == pytest.approx([0.024, 0.048 + 0.048])


def test_regions_are_counted_at_their_own_label(model: Path, tmp_path: Path) -> None:
    """The label of a frame with defects of two classes is that of the worst one."""
    both = with_defect(upright(), 220, 48, 16, 24, 240)
    files = {"0.png": FILES["grey"], "1.png": encoded(both), "2.png": encoded(frame(HEIGHT, WIDTH))}
    found = Inspected(tmp_path, model, files, LineFrame())
    expected = found.regions.group_by("label").agg(pl.len(), pl.col("area").cast(pl.Int64).sum()).sort("label")
    defects = found.summary.filter(status="ok", good=False).group_by("label")
    counted = defects.agg(pl.col("regions", "defect_area").sum()).sort("label")
    assert counted.rows() == expected.rows()
    assert dict(expected.select("label", "len").iter_rows()) == {"bright": 1, "dark": 2}
    assert found.summary["images"].sum() == found.rows.height
    assert found.result.defects.defects == 3
    assert {label: count for label, count, _ in found.result.defects.classes} == {"bright": 1, "dark": 2}
