"""Who may correct, accept and read a second time on the pages, as Streamlit runs them."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st
from nights import DAY, DIGEST, night_rows, put_report
from pages import opened, texts
from plants import NIGHT, local_settings, make_plant
from streamlit.testing.v1 import AppTest

from dashboard.auth import queues, standing
from dashboard.auth.access import Actor, NotAllowed
from dashboard.auth.normal import accept_as_normal
from steelflow.config import DriftSettings, Settings
from steelflow.drift import accept, check_night
from steelflow.errors import DriftError
from steelflow.labels import Label, LabelStore, open_labels
from steelflow.labels.second import agreement, pairs
from steelflow.night.run import inspect_night
from steelflow.registry import resolved
from steelflow.report.reader import ReportReader
from steelflow.store import Store, open_store

VIEWER = "vic@plant.example"
SECOND = "[labels]\nsecond_reader = 1.0\n"


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("acting")
    settings = local_settings(make_plant(folder), folder / "report")
    inspect_night(settings, NIGHT)
    return settings


@pytest.fixture
def plant(inspected: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(inspected.report.uri, tmp_path / "report")
    settings = local_settings(Path(inspected.archive.uri), tmp_path / "report")
    return settings.model_copy(update={"drift": settings.drift.model_copy(update={"min_images": 50})})


@pytest.fixture
def labels(plant: Settings) -> LabelStore:
    return open_labels(plant)


def labelled_by_ben(plant: Settings, labels: LabelStore, count: int) -> list[dict[str, Any]]:
    """Loose images that ben has labelled in review, all as patches."""
    store = open_store(plant.report.uri, plant.store)
    rows = ReportReader(store).images([NIGHT]).filter(status="ok").collect()
    archive = open_store(plant.archive.uri, plant.store)
    loose = rows.filter(pl.col("member").is_null()).sort("sharpness").unique("sharpness", maintain_order=True)
    found = list(loose.head(count).iter_rows(named=True))
    for row in found:
        image = labels.images.put(archive.get(row["object_key"]))
        place = {name: row[name] for name in ("object_key", "member", "ordinal", "line", "date", "coil")}
        labels.add([Label(image, "patches", "ben", "review", **place)], classes=["patches"])
    return found


def on_screen(app: AppTest) -> str:
    """The key of the image to label."""
    alts = [picture.alt for one in app.image for picture in one.proto.imgs]
    (alt,) = (alt for alt in alts if alt.startswith("The image to label: "))
    return str(alt).removeprefix("The image to label: ").split(" ")[0]


def test_an_image_of_another_person_comes_again_blind(
    plant: Settings, labels: LabelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {row["object_key"]: row for row in labelled_by_ben(plant, labels, 3)}
    assert not opened(plant, tmp_path, monkeypatch, "review", more=SECOND).exception
    archive = open_store(plant.archive.uri, plant.store)
    cleo, dora = Actor("cleo", "labeller"), Actor("dora", "labeller")
    review, other = queues.begin(labels, None, cleo.name), queues.begin(labels, None, dora.name)
    assert {key[0].key for key in review.second} == set(mine)
    again = [row for row in review.rows if row["object_key"] in mine]
    assert all("ben" not in map(str, row.values()) for row in again)
    assert {row["label"] for row in again} == {row["label"] for row in mine.values()}, "the model's, not ben's"
    assert {row["reason"] for row in again} <= {"novel", "uncertain", "diverse"}
    for row in again[:2]:
        review.rows[review.place :] = [row]
        assert not standing.is_known(labels, review, row, cleo.name)
        review.say(cleo, labels, archive.get(row["object_key"]), "crazing", ["crazing", "patches"])
        assert standing.is_known(labels, other, row, dora.name), "a second label is enough"
    other.pass_over(standing.settled(labels, other, dora.name))
    assert [row["object_key"] for row in other.rows if row["object_key"] in mine] == [again[2]["object_key"]]
    review.undo(cleo, labels)
    assert not standing.is_known(labels, other, again[1], dora.name)
    found = pairs(labels.history(), labels.class_names())
    assert found.select("first", "second").rows() == [("patches", "crazing")]
    assert labels.history().filter(source="second")["who"].unique().to_list() == ["cleo"]
    assert agreement(found).same == 0
    assert queues.begin(labels, None, "ben").second == set()


def test_the_agreement_says_what_it_is_and_on_how_many_labels_it_rests(
    plant: Settings, labels: LabelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, cleo = open_store(plant.archive.uri, plant.store), Actor("cleo", "labeller")
    mine = labelled_by_ben(plant, labels, 3)
    assert "None was labelled twice yet" in texts(opened(plant, tmp_path, monkeypatch, "review", more=SECOND))
    review = queues.begin(labels, None, cleo.name)
    rows = [row for row in review.rows if row["object_key"] in {one["object_key"] for one in mine}]
    for row, said in zip(rows, ("patches", "patches", "crazing"), strict=True):
        review.rows[review.place :] = [row]
        review.say(cleo, labels, archive.get(row["object_key"]), said, ["crazing", "patches"])
    told = texts(opened(plant, tmp_path, monkeypatch, "review", more=SECOND)).replace("\u2009", " ")
    assert "**2** of 3 images and regions got the same label from two people: **66.7 %**" in told
    assert "These figures rest on 6 labels, two of each." in told
    assert "0 if they agree as often as by chance" in told


def test_nobody_reads_the_own_label_twice_nor_without_the_setting(
    plant: Settings, labels: LabelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {row["object_key"] for row in labelled_by_ben(plant, labels, 3)}
    app = opened(plant, tmp_path, monkeypatch, "review", more="[labels]\nsecond_reader = 0\n")
    assert "`labels.second_reader` is 0" in texts(app)
    assert on_screen(app) not in mine


def test_a_viewer_can_change_nothing(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {info.key: info.etag for info in report_of(plant).list()}
    for page, keys in {
        "images": ("look-wrong-0", "pick-label"),
        "review": ("class-0-1",),
        "drift": ("accept",),
    }.items():
        app = opened(plant, tmp_path, monkeypatch, page, email=VIEWER)
        if page == "images":
            app.toggle(key="select").set_value(True).run()
            app.button(key="pick-page").click().run()
        for key in keys:
            assert app.button(key=key).disabled, key
        assert not app.exception
        st.cache_resource.clear()
    with pytest.raises(NotAllowed, match="vic has the role viewer, but this needs the role operator"):
        accept_as_normal(Actor("vic", "viewer"), plant, report_of(plant), NIGHT, "L1", "it is normal")
    with pytest.raises(NotAllowed):
        accept_as_normal(Actor("ann", "labeller"), plant, report_of(plant), NIGHT, "L1", "it is normal")
    with pytest.raises(DriftError, match="needs a name and a reason"):
        accept_as_normal(Actor("olga", "operator"), plant, report_of(plant), NIGHT, "L1", "  ")
    assert {info.key: info.etag for info in report_of(plant).list()} == before


def test_who_accepts_a_night_is_kept_with_the_reason(plant: Settings) -> None:
    report = report_of(plant)
    relaxed = plant.model_copy(update={"drift": plant.drift.model_copy(update={"min_images": 50})})
    with pytest.raises(DriftError, match="no line has 50 images"):
        accept_as_normal(Actor("olga", "operator"), relaxed, report, NIGHT, "L9", "it is normal")
    few = plant.model_copy(update={"drift": plant.drift.model_construct(min_images=10)})
    assert accept_as_normal(Actor("olga", "operator"), few, report, NIGHT, "L1", " a new lamp ") == ["L1"]
    (about,) = (info.key for info in report.list("drift/accepted/") if info.key.endswith(".json"))
    assert resolved(plant).digest[:16] in about
    kept = json.loads(report.get(about))
    assert (kept["who"], kept["reason"], kept["nights"]) == ("olga", "a new lamp", [str(NIGHT)])


def distributions(app: AppTest) -> list[list[tuple[Any, ...]]]:
    """The rows of the charts that compare the night with the reference."""
    charts = [chart.proto for chart in app.get("vega_lite_chart") if chart.proto.alt.endswith("reference and night")]
    assert charts
    data = [part.data.data for chart in charts for part in chart.datasets]
    return [sorted(pl.read_ipc_stream(one).rows(), key=str) for one in data]


def test_a_night_that_was_accepted_is_the_reference_on_the_page_at_once(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, digest = report_of(plant), resolved(plant).digest
    few = plant.model_copy(update={"drift": plant.drift.model_construct(min_images=10)})
    assert accept(report, digest, [NIGHT], 10, who="olga", reason="as usual", lines=["L1"]) == ["L1"]
    check_night(report, NIGHT, few.drift, digest)
    app = opened(plant, tmp_path, monkeypatch, "drift", night=NIGHT.isoformat(), line="L1")
    assert not app.exception
    assert "Images of the reference" in texts(app)
    before = distributions(app)
    assert distributions(app.run()) == before
    other = NIGHT + dt.timedelta(days=1)
    inspect_night(few, other)
    accept(report, digest, [other], 10, who="olga", reason="a new lamp", lines=["L1"])
    app.run()
    assert not app.exception
    assert "accepted 2026\\-11\\-02 as normal" in texts(app)
    assert distributions(app) != before, "they are of the new reference"


def test_drift_says_since_when_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    store = open_store(settings.report.uri, settings.store, create=True)
    rules = DriftSettings(min_images=100, reference_nights=1)
    for number, light in enumerate((1.0, 1.0, 0.4, 0.4)):
        night = DAY + dt.timedelta(days=number)
        for line, factor in (("L1", 1.0), ("L2", light)):
            put_report(store, night, line, night_rows(seed=number, light=factor))
        check_night(store, night, rules, DIGEST)
    app = opened(settings, tmp_path, monkeypatch, "drift")
    assert not app.exception
    first = DAY + dt.timedelta(days=2)
    assert f"**L2 drifts since {first:%a %d %b}**: 2 nights." in texts(app)
    assert not app.button(key="accept").disabled
    app.selectbox(key="line").set_value("L1").run()
    assert "drifts since" not in texts(app)
    where = {"moved": str(night), "signal": "brightness", "line": "L2"}
    st.cache_resource.clear()
    assert "cannot be shown" in texts(opened(settings, tmp_path, monkeypatch, "review", **where))
    for wrong, words in (({"signal": "noise"}, "no signal 'noise'"), ({"moved": "yesterday"}, "is not here")):
        app = opened(settings, tmp_path, monkeypatch, "review", **(where | wrong))
        assert not app.exception
        assert any(words in one.value.replace("\\", "") for one in app.error)


def report_of(settings: Settings) -> Store:
    return open_store(settings.report.uri, settings.store)
