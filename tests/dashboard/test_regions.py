"""The pages on a night of frames: figures of regions are those of the reports, and a person labels regions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from frame_plants import LINES, NIGHT, REGIONS, frame_settings, png, write_frames
from pages import OPERATOR, opened, texts
from streamlit.testing.v1 import AppTest
from strip import SPEC, level_model

from dashboard.auth import labelling, queues, standing
from dashboard.auth.access import Actor
from dashboard.charts import drawing, palette
from dashboard.charts import regions as charts
from dashboard.data import images, regions
from dashboard.media import boxes, thumbnails
from steelflow.config import LimitSettings, Settings
from steelflow.images.decode import decode
from steelflow.labels import open_labels
from steelflow.labels.boxes import BOX
from steelflow.labels.second import pairs
from steelflow.night.run import inspect_night
from steelflow.records import Failure
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("frames")
    model = level_model(folder / "levels.onnx")
    settings = frame_settings(write_frames(folder / "images"), folder / "report", model)
    inspect_night(settings, NIGHT)
    return settings


@pytest.fixture
def written(plant: Settings) -> pl.DataFrame:
    return RegionReader(open_store(plant.report.uri, plant.store)).regions().collect()


def shown(app: AppTest, *columns: str) -> pl.DataFrame:
    """The table with these columns."""
    (found,) = [one.value for one in app.dataframe if {*columns} <= {*one.value.columns}]
    return pl.DataFrame(found)


def test_tonight_counts_regions_by_class(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: pl.DataFrame
) -> None:
    app = opened(plant, tmp_path, monkeypatch)
    assert not app.exception
    assert [error.value for error in app.error] == []
    table = shown(app, "label", "regions", "area")
    expected = written.group_by("label").len()
    assert dict(table.select("label", "regions").iter_rows()) == dict(expected.iter_rows())
    assert f"{REGIONS * len(LINES)}" in texts(app)
    rates = dict(table.select("label", "rate").iter_rows())
    (name, number) = expected.row(0)
    strip = ReportReader(open_store(plant.report.uri, plant.store)).summary([NIGHT])
    metres = strip.filter(status="ok").group_by("line", "coil").agg(pl.col("strip").max())["strip"].sum()
    assert rates[name] == pytest.approx(100 * number / metres)


def test_defects_filters_regions(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: pl.DataFrame
) -> None:
    app = opened(plant, tmp_path, monkeypatch, "defects")
    assert not app.exception
    assert f"**{written.height}** regions in {written.select('object_key', 'ordinal').n_unique()} images" in texts(app)
    (pills,) = [one for one in app.get("button_group") if one.proto.id.endswith("region-class")]
    pills.set_value(["dark"]).run()
    assert f"**{written.filter(label='dark').height}** regions" in texts(app)
    app.multiselect(key="lines").set_value(["L2"]).run()
    assert f"**{written.filter(label='dark', line='L2').height}** regions" in texts(app)


def test_a_coil_and_a_frame_show_their_regions(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: pl.DataFrame
) -> None:
    app = opened(plant, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L1", coil="C1")
    assert not app.exception
    of_coil = written.filter(line="L1", coil="C1")
    assert shown(app, "class", "along, m").height == of_coil.height
    assert f"**{of_coil.height}** regions" in texts(app)
    first = of_coil.row(0, named=True)
    address = {"object": first["object_key"], "ordinal": str(first["ordinal"]), "of": "L1"}
    app = opened(plant, tmp_path, monkeypatch, "images", night=NIGHT.isoformat(), **address)
    assert not app.exception
    here = of_coil.filter(object_key=first["object_key"], ordinal=first["ordinal"])
    assert shown(app, "class", "along, m").height == here.height
    assert [one.value for one in app.warning] == []


def test_the_most_frequent_defect_of_a_coil_counts_regions_where_there_are_some(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: pl.DataFrame
) -> None:
    app = opened(plant, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L1", coil="C2")
    most = written.filter(line="L1", coil="C2")["label"].value_counts()["count"].max()
    (mostly,) = [one for one in app.metric if one.label == "Mostly"]
    assert mostly.delta == f"{most} {'region' if most == 1 else 'regions'}"


@pytest.mark.parametrize("page", ["coil", "images"])
def test_nobody_can_call_the_class_of_an_unreadable_image_wrong(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    rows = ReportReader(open_store(plant.report.uri, plant.store)).images([NIGHT], ["L1"]).collect()
    broken = rows.filter(status="failed").row(0, named=True)
    where = {"night": NIGHT.isoformat(), "line": "L1", "coil": broken["coil"]}
    app = opened(plant, tmp_path, monkeypatch, page, **where)
    assert not app.exception
    of_coil = rows.filter(coil=broken["coil"])
    names = "coil-wrong-" if page == "coil" else "look-wrong-"
    buttons = [one for one in app.button if one.key and one.key.startswith(names)]
    assert len(buttons) == of_coil.filter(status="ok").height
    shown = {"object": broken["object_key"], "ordinal": str(broken["ordinal"]), "of": "L1"}
    shown |= {"member": broken["member"]} if broken["member"] else {}
    app = opened(plant, tmp_path, monkeypatch, "images", **where, **shown)
    assert not app.exception
    assert "wrong-large" not in [one.key for one in app.button]


def test_images_judged_as_a_whole_are_the_first_thing_tonight_says(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = level_model(tmp_path / "whole.onnx", SPEC.model_copy(update={"view": None}))
    whole = frame_settings(Path(plant.archive.uri), tmp_path / "whole", model).model_copy(update={"frame": None})
    result = inspect_night(whole, NIGHT)
    assert result.judged_whole
    app = opened(whole, tmp_path, monkeypatch)
    (warning, *_) = [one.value.replace("\\", "") for one in app.warning]
    size, number = max(result.judged_whole.items(), key=lambda one: one[1])
    assert f"{number} of {size} pixels" in warning
    assert "Set `[frame]`" in warning


class Reviewing:
    """The page Review on its own label store."""

    def __init__(self, plant: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        uri = folder / "labels"
        monkeypatch.setenv("STEELFLOW_LABELS__URI", str(uri))
        self.app = opened(plant, folder, monkeypatch, "review", more=f"[labels]\nuri = '{uri}'\nsecond_reader = 1.0")
        assert not self.app.exception
        self.labels = open_labels(plant.model_copy(update={"labels": type(plant.labels)(uri=str(uri))}))

    def press(self, what: str) -> None:
        (button,) = [one for one in self.app.button if one.key and one.key.rpartition("-")[0] == what]
        button.click().run()
        assert not self.app.exception
        assert [error.value for error in self.app.error] == []

    def row(self) -> dict[str, object]:
        review = self.app.session_state["review"][1]
        return dict(review.row)

    def to(self, region: bool) -> dict[str, object]:
        """Skip to the next item that is a region, or a whole frame."""
        while (self.row().get("x") is not None) != region:
            self.press("skip")
        return self.row()


@pytest.fixture
def review(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reviewing:
    return Reviewing(plant, tmp_path, monkeypatch)


def test_a_region_is_confirmed_relabelled_and_called_good(review: Reviewing) -> None:
    said = []
    for what, verdict in (("confirm", "confirmed"), ("class", "relabelled"), ("good", "good")):
        row = review.to(region=True)
        if what == "class":
            other = next(name for name in ("dark", "bright") if name != row["label"])
            (button,) = [b for b in review.app.button if b.key and b.key.startswith("class-") and b.label == other]
            button.click().run()
        else:
            review.press(what)
        box = tuple(row[name] for name in BOX)
        label = {"confirm": row["label"], "good": "good"}.get(what) or other
        said.append((*box, row["object_key"], label, verdict, OPERATOR))
    found = review.labels.regions().select(*BOX, "object_key", "label", "verdict", "who")
    assert sorted(found.rows()) == sorted(said)
    assert review.labels.current().is_empty()
    review.press("undo")
    assert review.labels.regions().height == 2


def test_a_region_comes_to_a_second_reader_who_does_not_see_the_first_label(review: Reviewing) -> None:
    row = review.to(region=True)
    review.press("good")
    store, cleo = review.labels, Actor("cleo", "labeller")
    again = queues.begin(store, None, cleo.name)
    (key,) = again.second
    assert key == (images.reference(row), tuple(row[name] for name in BOX))
    (shown,) = [one for one in again.rows if labelling.key_of(one) == key]
    assert (shown["label"], shown["reason"], shown["score"]) == (row["label"], "region", row["score"])
    assert OPERATOR not in map(str, shown.values())
    again.rows[:] = [shown]
    assert not standing.is_known(store, again, shown, cleo.name)
    data = store.image(store.regions()["image"][0])
    again.say(cleo, store, data, shown["label"], ["bright", "dark", "good"], verdict="confirmed")
    assert pairs(store.history(), store.class_names()).select("first", "second").rows() == [("good", row["label"])]
    assert store.history().filter(source="second").select("who", "verdict").rows() == [("cleo", "confirmed")]
    assert queues.begin(store, None, "dora").second == set()
    again.undo(cleo, store)
    assert {labelling.key_of(one) for one in queues.begin(store, None, "dora").rows} >= {key}


def test_a_frame_is_good_and_a_box_is_drawn(review: Reviewing) -> None:
    row = review.to(region=False)
    review.press("draw")
    for name, value in zip(BOX, (10, 12, 30, 9999), strict=True):
        (field,) = [one for one in review.app.number_input if one.key == f"box-{name}"]
        field.set_value(min(value, int(field.max)))
    review.app.selectbox(key="box-class").set_value("bright")
    review.app.button(key="save-box").click().run()
    assert not review.app.exception
    (drawn,) = review.labels.regions().iter_rows(named=True)
    assert (drawn["label"], drawn["verdict"], drawn["object_key"]) == ("bright", "drawn", row["object_key"])
    assert (drawn["x"], drawn["y"], drawn["width"]) == (10, 12, 30)
    picture = decode(review.labels.image(drawn["image"]), LimitSettings())
    assert not isinstance(picture, Failure)
    assert drawn["y"] + drawn["height"] == picture.shape[0], "the box ends with the frame"
    assert review.row()["object_key"] == row["object_key"], "the frame stays"
    review.press("undo")
    assert review.labels.regions().is_empty()
    review.press("good")
    (whole,) = review.labels.current().iter_rows(named=True)
    assert (whole["label"], whole["verdict"], whole["object_key"]) == ("good", "good", row["object_key"])


def test_sizes_are_in_mm_where_all_are_known(written: pl.DataFrame) -> None:
    assert regions.unit_of_size(written) == "mm²"
    sized = regions.by_size(written)
    assert sized["regions"].sum() == written.height
    for bound, name in zip((1, 10, 100, 1000), regions.bands("mm²"), strict=False):
        below = written.filter(pl.col("area_mm2") < bound).height
        names = regions.bands("mm²")[: regions.bands("mm²").index(name) + 1]
        assert sized.filter(pl.col("size").is_in(names))["regions"].sum() == below
    pixels = written.with_columns(area_mm2=pl.lit(None, pl.Float32))
    assert regions.unit_of_size(pixels) == "pixels"
    assert set(regions.by_size(pixels)["size"]) <= set(regions.bands("pixels"))


@pytest.mark.parametrize("known", [True, False])
def test_charts_of_regions_are_made(written: pl.DataFrame, known: bool) -> None:
    rows = written if known else written.with_columns(pl.lit(None, pl.Float32).alias("across_mm"))
    two = pl.concat([rows.with_columns(side=pl.lit(side)) for side in ("top", "bottom")])
    for frame in (rows, two):
        assert charts.along(frame, (0, 12)).to_dict()
    assert charts.by_class(regions.by_severity(rows)).to_dict()
    assert charts.by_size(regions.by_size(rows), regions.bands("mm²"), "mm²").to_dict()
    assert drawing.frame("data:image/png;base64,", 400, 100, 800).to_dict()


def test_a_dragged_box_is_in_pixels_of_the_frame() -> None:
    assert drawing.selected({"selection": {"box": {"x": [40.2, 10.0], "y": [-3, 20.6]}}}) == (10, 0, 30, 21)
    for nothing in (None, {}, {"selection": {"box": {}}}, {"selection": {"box": {"x": [1, 2]}}}):
        assert drawing.selected(nothing) is None


@pytest.mark.parametrize("box", [(0, 0, 3, 3), (397, 90, 3, 6), (0, 0, 400, 96), (100, 40, 200, 2)])
def test_boxes_are_drawn_at_every_edge(box: tuple[int, int, int, int]) -> None:
    picture = decode(png(0), LimitSettings())
    assert not isinstance(picture, Failure)
    small = boxes.cropped(picture, box, "dark")
    row = {**dict(zip(BOX, box, strict=True)), "label": "größer", "score": 0.5}
    large = boxes.with_boxes(picture, [row])
    assert small != large
    assert min(len(small), len(large)) > 500
    line = np.full((1, 400), 128, np.uint8)
    assert boxes.cropped(line, (10, 0, 5, 1), "dark")
    assert boxes.with_boxes(line, [{**row, "x": 10, "y": 0, "width": 5, "height": 1}])


@pytest.mark.parametrize("label", [*palette.USUAL, *"abcdefghij"])
def test_the_name_on_a_box_can_be_read(label: str) -> None:
    """The contrast of WCAG 2.2, which asks for 4.5."""
    picture = np.full((200, 400), 128, np.uint8)
    row = {**dict(zip(BOX, (100, 100, 90, 60), strict=True)), "label": label, "score": None}
    drawn = cv2.imdecode(np.frombuffer(boxes.with_boxes(picture, [row]), np.uint8), cv2.IMREAD_COLOR)
    text = drawn[180:192, 200:206]  # twice as large: the frame above the box, where its name begins

    def luminance(colour: npt.NDArray[np.uint8]) -> float:
        parts = colour / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.0722, 0.7152, 0.2126))

    lights = sorted(luminance(pixel) for pixel in text.reshape(-1, 3))
    assert (lights[-1] + 0.05) / (lights[0] + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("shape", "shown"), [((200, 200), (200, 200)), ((100, 199), (100, 199)), ((96, 400), (96, 96)), ((64, 8), (8, 8))]
)
def test_an_example_of_a_long_frame_is_its_middle(shape: tuple[int, int], shown: tuple[int, int]) -> None:
    picture = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape).astype(np.uint8)
    found = thumbnails.middle(picture)
    assert found.shape == shown
    top, left = (shape[0] - shown[0]) // 2, (shape[1] - shown[1]) // 2
    assert (found == picture[top : top + shown[0], left : left + shown[1]]).all()
