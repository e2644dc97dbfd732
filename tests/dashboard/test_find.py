"""What the box "find" understands and finds, without a browser."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
import streamlit as st
from hypothesis import given, settings
from hypothesis import strategies as some
from map_plants import NIGHT, config_of, make

from dashboard.data import find
from dashboard.data.finding import Here, Plant, asked, found, missing, there
from dashboard.data.when import when
from steelflow.config import StoreSettings
from steelflow.night.run import inspect_night
from steelflow.report.coil_index import COILS, coil_index
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

TODAY = dt.date(2026, 11, 20)  # a Friday
NIGHTS = [TODAY - dt.timedelta(days=days) for days in range(400, 0, -1) if days not in (3, 12)]  # not 17 and 8 Nov
PLANT = Plant(
    nights=NIGHTS,
    coils=pl.DataFrame(
        [(night, line, f"C{number:04d}") for night in NIGHTS for line in ("L1", "L2") for number in range(5, 9)]
        + [(dt.date(2026, 11, 13), "L2", "C5000-B"), (dt.date(2026, 11, 10), "L1", "KX/19-7")],
        schema=COILS,
        orient="row",
    ),
    lines=["L1", "L2"],
    labels=["crazing", "mould_marks", "rolled-in_scale", "scratches"],
    models={"v12": "steelnet, champion", "v3": "steelnet"},
    today=TODAY,
)
HERE = Here(dt.date(2026, 11, 13), "L2")
WHEN = {
    "2026-11-05": "2026-11-05",
    "20261105": "2026-11-05",
    "5.11.": "2026-11-05",
    "05.11.2026": "2026-11-05",
    "5/11/26": "2026-11-05",
    "5 nov": "2026-11-05",
    "5th november": "2026-11-05",
    "nov 5, 2026": "2026-11-05",
    "november 5": "2026-11-05",
    "24 dec": "2025-12-24",
    "24 dec 2024": "2024-12-24",
    "yesterday": "2026-11-19",
    "today": "2026-11-20",
    "3 days ago": "2026-11-17",
    "last night": "2026-11-19",
    "tonight": "2026-11-19",
    "last monday": "2026-11-16",
    "monday": "2026-11-16",
    "thu": "2026-11-19",
    "th": "2026-11-19",
    "friday": "2026-11-13",  # tonight is not inspected yet
    "last friday": "2026-11-13",
    "last tuesday": "2026-11-10",  # there is no 17 Nov
    "17 nov": "2025-11-17",  # the latest with images
    "17 nov 2026": "2026-11-17",
    "t": None,
    "c0007": None,
    "31 feb": None,
    "31.2.2026": None,
    "99999999": None,
    "7": None,
    "may": None,
    "": None,
}


@pytest.mark.parametrize(("text", "night"), WHEN.items())
def test_nights_are_read_as_people_write_them(text: str, night: str | None) -> None:
    named = when(text.split(), NIGHTS, TODAY)
    assert (None if named is None else named.night.isoformat()) == night


FINDS = {
    "C0007": ("coil", "C0007", {"night": "2026-11-13", "line": "L2"}),  # of equal ones that of the page
    "c0007": ("coil", "C0007", {"night": "2026-11-13"}),
    "7": ("coil", "C0007", {"night": "2026-11-13", "line": "L2"}),
    "0007": ("coil", "C0007", {}),
    "7 yesterday": ("coil", "C0007", {"night": "2026-11-19", "line": "L2"}),
    "7 last tuesday": ("coil", "C0007", {"night": "2026-11-10"}),
    "coil 7 of last tuesday on L1": ("coil", "C0007", {"night": "2026-11-10", "line": "L1"}),
    "l1 7 5 nov": ("coil", "C0007", {"night": "2026-11-05", "line": "L1"}),
    "5000": ("coil", "C5000-B", {"night": "2026-11-13"}),
    "c5000b": ("coil", "C5000-B", {}),
    "kx 19": ("coil", "KX/19-7", {"night": "2026-11-10"}),
    "kx/19-7": ("coil", "KX/19-7", {}),
    "yesterday": ("night", "Thu 19 Nov 2026", {"night": "2026-11-19"}),
    "2026-11-05": ("night", "Thu 05 Nov 2026", {"night": "2026-11-05"}),
    "scratches": ("class", "scratches", {"night": "2026-11-13", "label": "scratches"}),
    "scr": ("class", "scratches", {}),
    "rolled in": ("class", "rolled-in scale", {"label": "rolled-in_scale"}),
    "scratches L2 5 nov": ("class", "scratches", {"night": "2026-11-05", "line": "L2"}),
    "mo": ("night", "Mon 16 Nov 2026", {}),
    "mou": ("class", "mould marks", {}),
    "model 3": ("model", "v3", {"version": "v3"}),
    "v12": ("model", "v12", {"version": "v12"}),
    "champion": ("model", "v12", {}),
    "L1": ("line", "L1", {"night": "2026-11-13", "line": "L1"}),
    "L1 yesterday": ("line", "L1", {"night": "2026-11-19"}),
    "17 nov 2026": ("night", "Mon 16 Nov 2026", {}),  # the nearest
}


@pytest.mark.parametrize(("text", "best"), FINDS.items())
def test_the_best_hit_comes_first(text: str, best: tuple[str, str, dict[str, str]]) -> None:
    kind, name, places = best
    hit = found(asked(text, PLANT), PLANT, HERE)[0]
    assert (hit.kind, hit.name) == (kind, name)
    assert places.items() <= hit.places.items()


@pytest.mark.parametrize("text", ["xyzzy", "model 99", "99 yesterday", "???", "coil []", "image of"])
def test_what_is_not_there_is_not_found(text: str) -> None:
    hits = found(asked(text, PLANT), PLANT, HERE)
    assert all(hit.kind == "coil" and text == "coil []" for hit in hits)


def test_kinds_alone_list_what_there_is() -> None:
    models = found(asked("models", PLANT), PLANT, HERE)
    assert [hit.name for hit in models] == ["v12", "v3"]
    assert {hit.name for hit in found(asked("classes", PLANT), PLANT, HERE)} >= {"crazing", "mould marks"}
    assert {hit.places["night"] for hit in found(asked("coils", PLANT), PLANT, HERE)} == {"2026-11-13"}
    assert found(asked("nights", PLANT), PLANT, HERE)[0].places == {"night": "2026-11-19"}


def test_a_night_that_is_not_there_is_told() -> None:
    assert missing(asked("17 nov 2026", PLANT), PLANT) == (
        "No images of Tue 17 Nov 2026; the nearest night is Mon 16 Nov 2026."
    )
    assert missing(asked("7 last tuesday", PLANT), PLANT) == "No images of Tue 17 Nov 2026: this is the Tuesday before."
    assert missing(asked("7 yesterday", PLANT), PLANT) is None
    told = there(PLANT)
    for part in ("2025-10-16 to 2026-11-19", "L1, L2", "C0005 to KX/19-7", "rolled-in scale", "v12"):
        assert part in told
    empty = Plant([], pl.DataFrame(schema=COILS), [], [], {}, TODAY)
    assert found(asked("tuesday scratches L1", empty), empty, Here()) == []
    assert there(empty) == "No night was inspected yet."


@settings(max_examples=60, deadline=None)
@given(text=some.text(max_size=30) | some.lists(some.sampled_from([*WHEN, *FINDS, "(", "\\", "%"])).map(" ".join))
def test_no_text_fails(text: str) -> None:
    understood = asked(text, PLANT)
    hits = found(understood, PLANT, HERE)
    assert len(hits) <= 8
    assert missing(understood, PLANT) is None or understood.when is not None
    for hit in hits:
        assert hit.kind == understood.kind or understood.kind is None


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a plant with frames."""
    folder = tmp_path_factory.mktemp("found")
    plant = make(folder)
    inspect_night(plant, NIGHT)
    config = folder / "steelflow.toml"
    config.write_text(config_of(plant))
    return config


IMAGES = {
    "t1_3.0m": {"object": f"line=L1/date={NIGHT}/coil=C7001/top_t1_3.0m_006.png"},
    "image 006 L2": {"object": f"line=L2/date={NIGHT}/coil=P0001/top_t1_3.0m_006.png"},
    f"line=L1/date={NIGHT}/coil=C7002/bottom_b1_3.0m_006.png": {"of": "L1"},
    "TOP_T1_3.0M_006.PNG 3 nov": {"night": NIGHT.isoformat()},
}


@pytest.mark.parametrize(("text", "places"), IMAGES.items())
def test_images_are_found_by_their_key(
    answering: Path, monkeypatch: pytest.MonkeyPatch, text: str, places: dict[str, str]
) -> None:
    monkeypatch.setenv("STEELFLOW_CONFIG", str(answering))
    st.cache_data.clear()
    st.cache_resource.clear()
    hit = find.answer(text, Here()).hits[0]
    assert hit.kind == "image"
    assert places.items() <= hit.places.items()


def test_an_unknown_text_is_told_what_there_is(answering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELFLOW_CONFIG", str(answering))
    st.cache_data.clear()
    st.cache_resource.clear()
    nothing = find.answer("xyzzy", Here())
    assert nothing.hits == []
    assert "“xyzzy”" in nothing.told
    assert "C7001 to P0001" in nothing.told
    first = find.answer("", Here(NIGHT)).hits
    assert first[0].name == "C7001"
    elsewhere = find.answer("P0001 L1", Here())
    assert (elsewhere.hits[0].places["line"], "elsewhere" in elsewhere.told) == ("L2", True)


def test_the_coil_index_has_the_coils_of_the_reports(answering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = answering.parent / "report"
    store = open_store(str(folder), StoreSettings())
    rows = ReportReader(store).images().select("date", "line", "coil").unique().collect()
    expected = rows.sort("date", "line", "coil").rows()
    assert coil_index(store).rows() == expected
    for month in (folder / "daily").iterdir():
        month.unlink()
    assert coil_index(store).rows() == expected, "from the summaries"
