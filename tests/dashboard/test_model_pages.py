"""Images, Review, Drift and Models on a real small plant, run as Streamlit runs them."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as st_numbers
from hypothesis.extra.numpy import arrays
from nights import DAY, DIGEST, night_rows, put_report
from pages import OPERATOR, opened, texts
from plants import FAILED, FOUND, NIGHT, local_settings, make_plant
from streamlit.testing.v1 import AppTest

from dashboard.media import pictures
from steelflow.config import DriftSettings, Settings
from steelflow.drift import check_night
from steelflow.images.decode import Grey
from steelflow.labels import open_labels
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

PAGES = ("images", "review", "drift", "models")
VIEWER = "vic@plant.example"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("pages")
    images = make_plant(folder)
    loose = next(images.rglob("coil=C0001/*_00001.jpg"))
    shutil.copy(loose, loose.with_name(f"{EVIL}.jpg"))
    settings = local_settings(images, folder / "report")
    inspect_night(settings, NIGHT)
    return settings


@pytest.fixture
def plant(inspected: Settings, tmp_path: Path) -> Settings:
    """One night, inspected, to be changed."""
    shutil.copytree(inspected.report.uri, tmp_path / "report")
    return local_settings(Path(inspected.archive.uri), tmp_path / "report")


def rows_of(settings: Settings) -> pl.DataFrame:
    return ReportReader(open_store(settings.report.uri, settings.store)).images().collect()


def total(app: AppTest) -> int:
    return int(next(one.value for one in app.caption if "** images" in one.value).split("**")[1].replace(",", ""))


def button(app: AppTest, label: str) -> AppTest:
    return next(one for one in app.button if one.label == label).click().run()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    app = opened(plant, tmp_path, monkeypatch, page)
    assert not app.exception
    assert [error.value for error in app.error] == []
    assert app.title[0].value == page.capitalize()


@pytest.mark.parametrize("page", PAGES)
def test_with_nothing_there_yet_a_page_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    (tmp_path / "images").mkdir()
    app = opened(local_settings(tmp_path / "images", tmp_path / "nothing"), tmp_path, monkeypatch, page)
    assert not app.exception
    assert [error.value for error in app.error] == []
    assert "`steelflow" in texts(app)


def test_filters_of_images_give_what_the_rows_say(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(plant)
    app = opened(plant, tmp_path, monkeypatch, "images")
    assert total(app) == rows.height == FOUND + 1
    app.selectbox(key="line").set_value("L2").run()
    assert total(app) == rows.filter(line="L2").height
    app.selectbox(key="status").set_value("unreadable").run()
    assert total(app) == FAILED // 2
    app.selectbox(key="status").set_value("all").run()
    app.slider(key="confidence").set_range(90, 100).run()
    assert total(app) == rows.filter(pl.col("confidence") >= 0.9, line="L2").height
    novel = opened(plant, tmp_path, monkeypatch, "images", novel="true")
    expected = rows.filter("novel").height
    assert (total(novel) if expected else "No image matches" in texts(novel)) == (expected or True)


def test_an_image_is_shown_large_with_its_figures(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = rows_of(plant).filter(pl.col("member").is_not_null(), status="ok", line="L1").row(0, named=True)
    address = {"object": row["object_key"], "member": row["member"], "ordinal": str(row["ordinal"]), "of": "L1"}
    app = opened(plant, tmp_path, monkeypatch, "images", **address)
    assert not app.exception
    assert row["label"].replace("_", " ") in [one.value.replace("\\", "") for one in app.subheader]
    shown = {one.label: one.value for one in app.metric}
    assert shown["Brightness"] == f"{row['brightness']:.0f}"
    assert any("nearest have the same class" in one.value for one in app.caption)
    app.toggle(key="why").set_value(True).run()
    assert any("covered" in one.value for one in app.caption), "the model was asked"
    heated = app.image[0].value
    app.toggle(key="stretch").set_value(True).run()
    assert not app.exception
    assert any("covered" in one.value for one in app.caption), "with its map over it"
    assert app.image[0].value != heated
    button(app, "Back to the gallery")
    assert total(app) == FOUND + 1


def test_an_image_that_is_gone_and_an_address_that_is_nonsense(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ({"object": "no/such.jpg", "of": "L1"}, {"object": "x", "ordinal": "9" * 30, "of": "no line"}):
        app = opened(plant, tmp_path, monkeypatch, "images", **address)
        assert not app.exception
        assert "has no such image" in texts(app)
        st.cache_resource.clear()
    row = rows_of(plant).filter(pl.col("member").is_null(), status="ok").row(0, named=True)
    archive = tmp_path / "images"
    shutil.copytree(plant.archive.uri, archive)
    (archive / row["object_key"]).unlink()
    moved = local_settings(archive, Path(plant.report.uri))
    app = opened(moved, tmp_path, monkeypatch, "images", object=row["object_key"], ordinal="0", of=row["line"])
    assert "no such object; it may have expired" in "".join(one.value.replace("\\", "") for one in app.warning)


def test_a_file_name_with_html_in_it_is_text(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = rows_of(plant).filter(pl.col("object_key").str.contains("onerror")).row(0, named=True)
    app = opened(plant, tmp_path, monkeypatch, "images", object=row["object_key"], ordinal="0", of=row["line"])
    assert any(one.value == f"{EVIL}.jpg" for one in app.text)
    assert not re.search(r"(?<!\\)<img", texts(app))


def test_review_labels_skips_and_undoes(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "review")
    labels = open_labels(plant)
    assert "The model's class is shown after your choice." in texts(app)
    said = {name.replace("_", " ") for name in rows_of(plant)["label"].drop_nulls().unique()}
    before_choice = texts(app)
    assert not any(f"**{name}**" in before_choice for name in said)
    app.button(key="class-0-2").click().run()
    assert not app.exception
    (found,) = labels.current().iter_rows(named=True)
    assert (found["who"], found["source"], found["label"]) == (OPERATOR, "review", "inclusion")
    assert "agrees" in texts(app) or "differs" in texts(app)
    app.button(key="skip-1").click().run()
    app.button(key="undo-2").click().run()
    assert labels.current().height == 1, "a skip has nothing to take back"
    app.button(key="undo-1").click().run()
    assert labels.current().is_empty()
    app.button(key="new-0").click().run()
    assert not any((one.key or "").startswith("class-") for one in app.button), "what is typed strikes no key"
    app.text_input(key="new-name").set_value("edge_crack")
    button(app, "Label it")
    assert labels.current()["label"].to_list() == ["edge_crack"]
    assert any(one.label == "edge crack" for one in app.button)


def test_contrast_is_stretched_until_it_is_taken_back(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> str:
        return str(app.image[0].value[0])  # named by its content

    app = opened(plant, tmp_path, monkeypatch, "review")
    as_it_is = shown()
    app.button(key="stretch-0").click().run()
    assert shown() != as_it_is
    app.button(key="skip-0").click().run()
    following = shown()
    app.button(key="stretch-1").click().run()
    assert shown() != following, "the next image was stretched too"
    app.button(key="undo-1").click().run()
    assert shown() == as_it_is
    assert not app.exception


def test_an_image_that_is_gone_is_not_labelled(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    shutil.copytree(plant.archive.uri, images)
    app = opened(local_settings(images, Path(plant.report.uri)), tmp_path, monkeypatch, "review")
    assert not app.exception
    for image in images.iterdir():
        shutil.rmtree(image)
    st.cache_data.clear()
    st.cache_resource.clear()
    app.button(key="class-0-1").click().run()
    assert "cannot be labelled" in texts(app)
    assert open_labels(plant).current().is_empty()
    assert "Nothing to label" in texts(app), "what cannot be shown is not proposed"


def test_only_what_can_be_shown_is_proposed(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    app = opened(local_settings(tmp_path / "empty", Path(plant.report.uri)), tmp_path, monkeypatch, "review")
    assert not app.exception
    assert "cannot be shown" in texts(app)
    assert not any((one.key or "").startswith("class-") for one in app.button)


def test_a_viewer_is_shown_and_may_not(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "review", email=VIEWER)
    assert app.button(key="class-0-1").disabled
    st.cache_resource.clear()
    registry = open_registry(plant)
    registry.register("steelnet", who="ann", reason="it ships")
    app = opened(plant, tmp_path, monkeypatch, "models", email=VIEWER)
    assert app.button(key="promote").disabled
    assert app.button(key="rollback").disabled


def test_models_shows_versions_and_why(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = open_registry(plant)
    for name in ("steelnet", "ssdc_mininet"):
        registry.register(name, who="ann", reason=EVIL)
    registry.promote("v1", who="ann", reason=EVIL)
    app = opened(plant, tmp_path, monkeypatch, "models")
    assert not re.search(r"(?<!\\)<img", texts(app)), "escaped wherever it is Markdown"
    assert "champion v1" in texts(app)
    assert app.button(key="rollback").disabled, "there is no earlier champion"
    assert not app.button(key="promote").disabled
    versions = pl.DataFrame(app.dataframe[0].value)
    assert versions["version"].to_list() == ["v2", "v1"]
    assert versions["alias"].to_list() == ["", "champion"]
    app.selectbox(key="version").set_value("v1").run()
    assert not app.exception


def test_drift_says_what_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    store = open_store(settings.report.uri, settings.store, create=True)
    rules = DriftSettings(min_images=100, reference_nights=1)
    for number, light in enumerate((1.0, 1.0, 0.4)):
        night = DAY + dt.timedelta(days=number)
        for line, factor in (("L1", 1.0), ("L2", light)):
            put_report(store, night, line, night_rows(seed=number, light=factor))
        verdict = check_night(store, night, rules, DIGEST)
    assert verdict.verdict == "alarm"
    app = opened(settings, tmp_path, monkeypatch, "drift")
    assert not app.exception
    assert [error.value for error in app.error] == []
    assert app.selectbox(key="line").value == "L2", "the worst line comes first"
    assert "brightness moved down" in texts(app)
    app.selectbox(key="line").set_value("L1").run()
    assert "Nothing is over its threshold." in texts(app)
    app.selectbox(key="night").set_value(DAY.isoformat()).run()
    assert "no verdict" in texts(app)


@given(arrays(np.uint8, st_numbers.tuples(st_numbers.integers(1, 30), st_numbers.integers(1, 30))))
def test_stretched_levels_keep_their_order_and_fill_the_range(picture: Grey) -> None:
    made = pictures.stretched(picture)
    assert (made.dtype, made.shape) == (np.uint8, picture.shape)
    low, high = np.percentile(picture, (1, 99))
    if high <= low:
        assert (made == picture).all()
        return
    assert (made[picture <= low] == 0).all()
    assert (made[picture >= high] == 255).all()
    levels = made.ravel()[np.argsort(picture, axis=None, kind="stable")].astype(int)
    assert (np.diff(levels) >= 0).all()


def test_a_dark_picture_is_stretched_linearly() -> None:
    ramp = np.tile(np.arange(101, dtype=np.uint8), (4, 1))
    made = pictures.stretched(ramp)[0]
    assert made[[0, 1, 50, 99, 100]].tolist() == [0, 0, 128, 255, 255]
    assert made[26] == round(25 / 98 * 255)


def test_pictures_are_drawn_from_pixels() -> None:
    grey = np.zeros((10, 20), np.uint8)
    assert pictures.drawn(grey, 40).startswith(b"\x89PNG")
    drop = np.full((5, 5), -1.0, np.float32)
    assert pictures.heated(grey, drop, 40).startswith(b"\x89PNG"), "nothing speaks for the class"
