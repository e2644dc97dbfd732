"""The pages on a real small plant, run as Streamlit runs them, and what they say when something is missing."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import streamlit as st
from knowing import noise, with_good
from marks import roll
from pages import APP, OPERATOR, opened, texts
from plants import EVIL, FAILED, FOUND, NIGHT, local_settings, make_plant
from streamlit.testing.v1 import AppTest

from dashboard.auth import access
from dashboard.auth.access import Actor, NotAllowed
from dashboard.data import figures, sources
from dashboard.formats import class_name, duration
from steelflow.config import DashboardSettings, ReportSettings, RollSettings, Settings
from steelflow.night.backfill import backfill
from steelflow.night.run import inspect_night
from steelflow.records import Partition
from steelflow.report.layout import marks_key
from steelflow.report.reader import ReportReader
from steelflow.report.runs import backfills
from steelflow.store import open_store
from steelflow.strip.rolls import roll_marks
from steelflow.synth import TEMPLATE

PAGES = ("tonight", "defects", "coil", "runs")
SECOND = NIGHT + dt.timedelta(days=1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two nights, inspected."""
    folder = tmp_path_factory.mktemp("dashboard")
    settings = local_settings(make_plant(folder), folder / "report")
    for night in (NIGHT, SECOND):
        inspect_night(settings, night)
    return settings


def metrics(app: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in app.metric}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    app = opened(plant, tmp_path, monkeypatch, page)
    assert not app.exception
    assert [error.value for error in app.error] == []
    assert app.title[0].value == page.capitalize()


def test_tonight_shows_the_last_night(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch)
    shown = metrics(app)
    assert shown["Images found"] == str(FOUND)
    assert shown["Unreadable"] == str(FAILED)
    rows = ReportReader(open_store(plant.report.uri, plant.store)).images([SECOND]).collect()
    label, images = rows.drop_nulls("label")["label"].value_counts().sort("count", "label").row(-1)
    assert images < FOUND - FAILED
    assert shown["Defects by class"] == class_name(label), "the model that ships has no good classes"
    assert float(shown["Of it per 1,000 images"]) == pytest.approx(1000 * images / (FOUND - FAILED), abs=0.5)
    assert shown["Model"] == "steelnet"
    earlier = opened(plant, tmp_path, monkeypatch, night=NIGHT.isoformat())
    assert earlier.selectbox(key="night").value == NIGHT.isoformat()


def test_tonight_says_that_the_model_does_not_know_what_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(tmp_path / f"images/line=L1/date={NIGHT}/coil=C1", 60)
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    (note,) = inspect_night(settings, NIGHT).notes
    app = opened(settings, tmp_path, monkeypatch)
    assert not app.exception
    (warning,) = [one.value.replace("\\", "").replace("\u2060", "") for one in app.warning]
    assert warning == f"The{note.removeprefix('the')}"


def test_a_model_with_good_classes_has_a_rate_of_defects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_good(tmp_path / "own.onnx", "patches", "crazing")
    settings = local_settings(make_plant(tmp_path / "plant"), tmp_path / "report", ref=str(model))
    rates = inspect_night(settings, NIGHT).defects
    shown = metrics(opened(settings, tmp_path, monkeypatch))
    assert shown["Defects per 1,000 images"] == rates.unit.text(rates.rate)
    app = opened(settings, tmp_path, monkeypatch, "defects")
    assert metrics(app)["Defects per 1,000 images"] == rates.unit.text(rates.rate)
    coil = metrics(opened(settings, tmp_path, monkeypatch, "coil"))
    assert 0 < int(coil["Defects"]) < int(coil["Images"])


def test_filters_of_defects_give_what_the_rows_say(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ReportReader(open_store(plant.report.uri, plant.store)).images().collect()
    app = opened(plant, tmp_path, monkeypatch, "defects")
    assert metrics(app)["Readable images"] == f"{rows.filter(status='ok').height:,}"
    app.multiselect(key="lines").set_value(["L2"]).run()
    assert metrics(app)["Readable images"] == f"{rows.filter(status='ok', line='L2').height:,}"
    assert metrics(app)["Coils"] == str(rows.filter(line="L2").unique(["date", "coil"]).height)
    label = rows.filter(line="L2", status="ok")["label"][0]
    app.multiselect(key="classes").set_value([label]).run()
    images = rows.filter(line="L2", label=label).height
    shown = pl.DataFrame(app.dataframe[-1].value)
    assert shown["images"].sum() == images
    assert set(shown["label"]) == {label}
    sent = opened(
        plant, tmp_path, monkeypatch, "defects", lines="L2", classes=class_name(label)
    )  # the address, sent on
    assert pl.DataFrame(sent.dataframe[-1].value)["images"].sum() == images


def test_confidence_model_and_coil_are_filters(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ReportReader(open_store(plant.report.uri, plant.store)).images().collect()
    good = rows.filter(status="ok")
    app = opened(plant, tmp_path, monkeypatch, "defects")
    assert "coils" in pl.DataFrame(app.dataframe[-1].value).columns
    app.segmented_control(key="sure").set_value(["70–90", "90–99"]).run()
    chosen = good.filter(pl.col("confidence").is_between(0.7, 0.99, closed="left"))
    assert 0 < chosen.height < good.height
    shown = pl.DataFrame(app.dataframe[-1].value)
    assert shown["images"].sum() == chosen.height
    assert "coils" not in shown.columns, "they are not counted by band"
    coils = rows.unique(["date", "line", "coil"]).height
    assert metrics(app) | {
        "Coils": str(coils),
        "Readable images": str(good.height),
        "Of these chosen": str(chosen.height),
        "Defect classes": str(chosen["label"].n_unique()),
    } == metrics(app)
    (model,) = rows.select(pl.concat_str("model_name", "model_version", separator=" ")).to_series().unique()
    assert app.multiselect(key="model").options == [model]
    address = {"sure": "90–99", "model": model, "coil": "c0001"}  # sent on; in upper or lower case
    sent = opened(plant, tmp_path, monkeypatch, "defects", **address)
    assert not sent.exception
    of_coils = rows.filter(coil="C0001")
    assert metrics(sent)["Coils"] == str(of_coils.unique(["date", "line"]).height)
    assert metrics(sent)["Readable images"] == str(of_coils.filter(status="ok").height)
    sure = of_coils.filter(pl.col("confidence").is_between(0.9, 0.99, closed="left")).height
    assert metrics(sent)["Of these chosen"] == str(sure)
    sent.text_input(key="coil").set_value("no such coil").run()
    assert "Nothing matches these filters" in texts(sent)


def test_summaries_without_the_filtered_columns_are_left_out_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = local_settings(make_plant(tmp_path / "plant"), tmp_path / "report")
    for night in (NIGHT, SECOND):
        inspect_night(settings, night)
    for path in (tmp_path / "report" / "summaries" / f"date={NIGHT}").rglob("*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        frame.drop("band", "model").write_parquet(path)
    app = opened(settings, tmp_path, monkeypatch, "defects")
    assert metrics(app)["Readable images"] == str(2 * (FOUND - FAILED))
    app.segmented_control(key="sure").set_value(["90–99", "≥ 99"]).run()
    assert f"{FOUND} images are left out" in texts(app)
    assert metrics(app)["Readable images"] == str(FOUND - FAILED)
    assert metrics(app)["Nights"] == "1"


def test_the_download_is_what_is_shown(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboard.data.download import as_csv, as_parquet

    rows = pl.DataFrame({"line": ["L1", "=cmd|' /C calc'!A0", "-1"], "images": [1, 2, 3]})
    assert pl.read_parquet(io.BytesIO(as_parquet(rows))).equals(rows)
    safe = pl.read_csv(io.BytesIO(as_csv(rows)))
    assert safe["line"].to_list() == ["L1", "'=cmd|' /C calc'!A0", "'-1"]
    assert safe["images"].to_list() == [1, 2, 3]


def test_a_coil_is_shown_along_its_length(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L2", coil="C0003")
    rows = ReportReader(open_store(plant.report.uri, plant.store)).coil(NIGHT, "L2", "C0003")
    assert app.selectbox(key="coil").value == "C0003"
    assert metrics(app)["Images"] == str(rows.height)
    assert not app.exception
    app.button(key="after").click().run()
    assert app.selectbox(key="coil").value == "C0004"


def test_marks_that_repeat_along_a_coil_are_shown(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(plant.report.uri, tmp_path / "report")
    settings = plant.model_copy(update={"report": ReportSettings(uri=str(tmp_path / "report"))})
    printed = roll(np.random.default_rng(1), 1885, 30, coil="C0003", line="L2", label="scratches")
    found = roll_marks(printed, [RollSettings(name=EVIL, circumference_mm=1880)])
    file = tmp_path / "report" / marks_key(Partition("L2", SECOND))
    file.parent.mkdir(parents=True)
    found.drop("line", "date").write_parquet(file)
    app = opened(settings, tmp_path, monkeypatch, "coil", night=SECOND.isoformat(), line="L2", coil="C0003")
    assert not app.exception
    assert "Roll marks" in texts(app)
    (row,) = pl.DataFrame(app.dataframe[0].value).to_dicts()
    assert (row["marks"], row["confidence"]) == (f"30 of {found['expected'][0]}", "> 99.9 %")
    assert EVIL not in row["roll"]
    app.button(key="after").click().run()
    assert "Roll marks" not in texts(app)


@pytest.mark.parametrize("coil", ["C0001", "C0002"], ids=["loose images", "a shard"])
def test_a_coil_whose_positions_are_known(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coil: str
) -> None:
    archive = plant.archive.model_copy(update={"template": TEMPLATE})
    settings = local_settings(tmp_path, tmp_path / "report").model_copy(update={"archive": archive})
    inspect_night(settings, NIGHT)
    rows = ReportReader(open_store(settings.report.uri, settings.store)).coil(NIGHT, "L1", coil)
    places = rows["position"].to_list()
    assert places == sorted(places)
    for name, place, moment in rows.select(pl.coalesce("member", "object_key"), "position", "captured_at").iter_rows():
        assert f"{moment:%Y%m%dT%H%M%SZ}_{place:07.2f}m_" in name
    app = opened(settings, tmp_path, monkeypatch, "coil", night=NIGHT.isoformat(), line="L1", coil=coil)
    assert not app.exception
    assert f"Images from {places[0]:,.0f} to {places[-1]:,.0f} m, taken from 01 Nov" in texts(app)
    end = math.ceil(places[5])
    app.slider[0].set_range(app.slider[0].min, end).run()
    shown = [caption.value for caption in app.caption if caption.value.endswith(" m")]
    wanted = rows.filter((pl.col("status") == "ok") & (pl.col("position") <= end))["position"]
    assert [text.rpartition("\n")[2] for text in shown] == [f"{place:.1f} m" for place in wanted]


def test_failures_are_told_with_their_reasons(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "runs")
    tables = [pl.DataFrame(table.value) for table in app.dataframe]
    failed = next(table for table in tables if "error" in table.columns)
    assert failed.height == FAILED
    assert failed["error"].null_count() == 0
    assert "Prefect does not run here" in texts(app)


def test_a_backfill_is_the_sum_of_its_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_settings(make_plant(tmp_path / "plant"), tmp_path / "report")
    inspect_night(settings, NIGHT)
    assert "No night was inspected again yet" in texts(opened(settings, tmp_path, monkeypatch, "runs"))
    st.cache_data.clear()
    other = settings.model_copy(update={"model": settings.model.model_copy(update={"ref": "ssdc_mininet"})})
    backfill(other, NIGHT, SECOND)
    ((name, records),) = backfills(open_store(settings.report.uri, settings.store)).items()
    app = opened(settings, tmp_path, monkeypatch, "runs")
    assert not app.exception
    tables = [pl.DataFrame(table.value) for table in app.dataframe]
    (shown,) = next(table for table in tables if "backfill" in table.columns).to_dicts()
    assert (shown["backfill"], shown["nights"], shown["judged"]) == (name, 2, 2 * FOUND)
    assert (shown["first"], shown["last"]) == (str(NIGHT), str(SECOND))
    assert (shown["unreadable"], shown["failed units"]) == (2 * FAILED, 0)
    seconds = sum(record.seconds for record in records)
    assert (shown["took"], shown["images/s"]) == (duration(seconds), round(2 * FOUND / seconds))
    for stage in ("fetch", "decode", "infer", "write"):
        assert shown[stage] == duration(sum(record.stage_seconds[stage] for record in records))
    counted = [table for table in tables if "up to date" in table.columns]
    for table in counted:
        assert table["found"].equals(table["judged"] + table["up to date"] + table["unreadable"])
    assert len(counted) == 2
    nights = [table["night"].to_list() for table in tables if "night" in table.columns]
    assert nights == [[str(SECOND), str(NIGHT), str(NIGHT)], [str(NIGHT), str(SECOND)]]
    assert sum("error" in table.columns for table in tables) == 2, "of the night, and of the backfill's first"


def two_nights_again(folder: Path) -> tuple[Settings, list[Path]]:
    """A plant of which two nights were inspected in one backfill, and their run records."""
    settings = local_settings(make_plant(folder / "plant"), folder / "report")
    done = [night.result for night in backfill(settings, NIGHT, SECOND).nights]
    return settings, [Path(result.run_record) for result in done if result and result.run_record]


def test_units_that_failed_in_a_backfill_are_told_with_their_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, paths = two_nights_again(tmp_path)
    for day, path in zip((NIGHT.day, SECOND.day), paths, strict=True):
        record = json.loads(path.read_text())
        record["units"]["failed"] = [f"u{day}: the storage did not answer"]
        path.write_text(json.dumps(record))
    app = opened(settings, tmp_path, monkeypatch, "runs")
    told = [pl.DataFrame(table.value) for table in app.dataframe if "work unit and reason" in table.value]
    assert told[-1]["work unit and reason"].to_list() == [
        f"{date} u{date.day}: the storage did not answer" for date in (NIGHT, SECOND)
    ]


def test_the_last_try_of_a_night_counts_in_a_repeated_backfill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, paths = two_nights_again(tmp_path)
    for path in paths:
        record = json.loads(path.read_text())
        tried = record | {"started_at": "2026-01-01T00:00:00+00:00", "judged": 7, "failed": 1}
        tried["units"] = record["units"] | {"failed": ["u1: the storage did not answer"]}
        path.with_name("tried.json").write_text(json.dumps(tried))
    app = opened(settings, tmp_path, monkeypatch, "runs")
    tables = [pl.DataFrame(table.value) for table in app.dataframe]
    (shown,) = next(table for table in tables if "backfill" in table.columns).to_dicts()
    assert (shown["nights"], shown["judged"]) == (2, 2 * (FOUND + 7)), "what was done is done twice"
    assert (shown["unreadable"], shown["failed units"]) == (2 * FAILED, 0), "what is left is what the last try left"


@pytest.mark.parametrize("page", PAGES)
def test_no_reports_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    app = opened(settings, tmp_path, monkeypatch, page)
    assert not app.exception
    assert [error.value for error in app.error] == []
    assert "steelflow nightly" in texts(app)


@pytest.mark.parametrize("page", PAGES)
def test_storage_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    down = settings.model_copy(update={"report": settings.report.model_copy(update={"uri": "s3://reports"})})
    more = "[store]\nendpoint = 'http://127.0.0.1:9'\naccess_key = 'a'\nsecret_key = 'hidden'\nconnect_timeout = 0.2\n"
    app = opened(down, tmp_path, monkeypatch, page, more=more)
    assert not app.exception
    assert "storage does not answer" in texts(app)
    assert "Traceback" not in texts(app)
    assert "hidden" not in texts(app)


def test_bad_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    app = opened(settings, tmp_path, monkeypatch, more="[drift]\nwindow = -1\n")
    assert not app.exception
    assert "drift" in texts(app)


def test_an_unexpected_error_is_a_number_and_not_a_traceback(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> list[dt.date]:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(sources, "nights", broken)
    app = opened(plant, tmp_path, monkeypatch)
    assert not app.exception
    (shown,) = [error.value for error in app.error]
    assert "secret detail" not in shown
    assert caplog.records[-1].getMessage().split()[-1] in shown


def test_hostile_names_are_shown_and_never_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "plant"
    settings = local_settings(make_plant(folder), tmp_path / "report")
    night = Path(settings.archive.uri) / "line=L1" / f"date={NIGHT}"
    evil = "coil=<img src=x onerror=alert(1)> **b** :red[x] $x$"
    (night / evil).mkdir()
    image = next((night / "coil=C0001").glob("*_00001.jpg"))
    shutil.copy(image, night / evil / "<script>alert(1)<script> [a](http:b).jpg")
    (night / evil / "[x](javascript:alert(1)).jpg").write_bytes(b"")
    inspect_night(settings, NIGHT)
    for page in PAGES:
        app = opened(settings, tmp_path, monkeypatch, page, line="L1", coil=evil.removeprefix("coil="))
        assert not app.exception
        assert [error.value for error in app.error] == []
        for said in (*app.markdown, *app.caption, *app.title, *app.subheader, *app.metric):
            assert not getattr(said, "allow_html", False)
            assert "<script" not in str(said.value)
            assert "](javascript" not in str(said.value)


def test_a_report_and_a_summary_of_an_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_settings(make_plant(tmp_path / "plant"), tmp_path / "report")
    inspect_night(settings, NIGHT)
    gone = ["position", "captured_at", "novelty", "novel", "energy", "saturation"]
    for path in Path(settings.report.uri).rglob("*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        frame.drop(gone, strict=False).write_parquet(path)
    for page in PAGES:
        app = opened(settings, tmp_path, monkeypatch, page)
        assert not app.exception
        assert [error.value for error in app.error] == []


# --- access -------------------------------------------------------------------------------------------------------


def test_nothing_is_shown_before_the_login(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch)
    app.user = {"is_logged_in": False}
    app.run()
    assert "Log in" in texts(app) + app.button[0].label
    assert not app.metric


def test_a_viewer_is_offered_no_action(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    app = opened(plant, tmp_path, monkeypatch, "runs", email="someone@plant.example")
    assert "you need the role operator" in texts(app)
    assert not [button for button in app.button if str(button.key).startswith("start-")]


def test_roles_by_e_mail() -> None:
    settings = DashboardSettings(roles={"Anna@Plant.example": "operator", "l@x": "labeller"}, default_role="viewer")
    assert access.by_claims(settings, {"email": "anna@plant.example"}) == Actor("anna@plant.example", "operator")
    assert access.by_claims(settings, {"email": "l@x", "email_verified": True}).role == "labeller"
    assert access.by_claims(settings, {"email": "else@x"}).role == "viewer"
    closed = settings.model_copy(update={"default_role": "none"})
    for claims in ({}, {"email": ""}, {"email": "anna@plant.example", "email_verified": False}):
        with pytest.raises(NotAllowed):
            access.by_claims(settings, claims)
    with pytest.raises(NotAllowed, match="no role"):
        access.by_claims(closed, {"email": "else@x"})


def test_a_guest_from_elsewhere_may_only_look() -> None:
    settings = DashboardSettings(local_user="shift")
    assert access.local(settings, here=True) == Actor("shift", "operator")
    assert access.local(settings, here=False).role == "viewer"


@pytest.mark.parametrize(
    ("address", "headers", "here"),
    [
        ("127.0.0.1", {"Host": "127.0.0.1:8501"}, True),
        ("localhost", {"Host": "localhost"}, True),
        ("::1", {"Host": "[::1]:8501"}, True),
        ("0.0.0.0", {"Host": "127.0.0.1:8501"}, False),
        ("127.0.0.1", {"Host": "evil.example:8501"}, False),  # a name that was made to lead here
        ("127.0.0.1", {"Host": "[::1"}, False),
        ("127.0.0.1", {}, False),
        (None, {"Host": "127.0.0.1"}, False),
        ("127.0.0.1", {"Host": "127.0.0.1", "X-Forwarded-For": "10.1.2.3"}, False),
        ("127.0.0.1", {"Host": "127.0.0.1", "Via": "1.1 proxy"}, False),
    ],
)
def test_requests_from_this_machine_are_recognised(address: str | None, headers: dict[str, str], here: bool) -> None:
    assert access.is_here(address, headers) is here


def test_roles_without_a_login_let_nobody_in(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "roles.toml"
    config.write_text(
        f"[archive]\nuri = '{plant.archive.uri}'\n[report]\nuri = '{plant.report.uri}'\n"
        f"[dashboard]\nroles = {{ '{OPERATOR}' = 'operator' }}\n"
    )
    monkeypatch.setenv("STEELFLOW_CONFIG", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    app = AppTest.from_file(APP, default_timeout=60).run()
    assert not app.metric
    assert "there is no [auth] in Streamlit's secrets.toml" in texts(app).replace("\\", "")


@pytest.mark.parametrize(
    ("role", "may"),
    [("viewer", (True, False, False)), ("labeller", (True, True, False)), ("operator", (True, True, True))],
)
def test_each_role_includes_the_lower_ones(role: Any, may: tuple[bool, ...]) -> None:
    actor = Actor("x", role)
    assert tuple(actor.may(one) for one in ("viewer", "labeller", "operator")) == may


def test_the_runs_page_with_prefect_down(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    app = opened(plant, tmp_path, monkeypatch, "runs")
    assert not app.exception
    assert "Prefect does not answer" in texts(app)
    assert [table for table in app.dataframe if "error" in pl.DataFrame(table.value).columns]  # all else is there


def test_what_is_usual_takes_some_nights() -> None:
    rates = pl.DataFrame({"date": [NIGHT, SECOND], "rate": [1.0, 3.0]})
    assert figures.usual(rates, SECOND, 7) is None
    more = pl.concat([rates, rates.with_columns(pl.col("date") + dt.timedelta(days=2))])
    assert figures.usual(more, NIGHT + dt.timedelta(days=3), 7) == pytest.approx(5 / 3)


@pytest.mark.parametrize("page", ["review", "classes", "models", "runs"])
def test_pages_without_a_selector_of_nights_have_the_night_in_their_address(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    app = opened(plant, tmp_path, monkeypatch, page, night=NIGHT.isoformat())
    assert not app.exception
    assert app.query_params["night"] in (NIGHT.isoformat(), [NIGHT.isoformat()])
    refused = opened(plant, tmp_path, monkeypatch, page, night="2019-02-30")
    (told,) = [one.value.replace("\\", "") for one in refused.error]
    assert "2019-02-30" in told
