"""What is chosen on a page: by its address, its selectors, or the page before; and when images stopped coming."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.data import figures
from dashboard.data.silence import silent_nights
from steelflow.config import NightSettings

LATEST = dt.date(2026, 11, 1)


def page() -> None:
    import streamlit as st

    from dashboard import address

    address.enter(st.session_state.get("page", "coil"))
    nights = ["2026-11-02", "2026-11-01"]
    try:
        night = address.choose("Night", "night", nights, nights[0])
        line = address.choose("Line", "line", ["all", "L1", "L2"], "all", every="all")
        address.write(night=night, line=None if line == "all" else line)
    except address.NotThere as exc:
        st.error(str(exc))


def app(**query: str) -> AppTest:
    made = AppTest.from_function(page)
    made.query_params.update(query)
    return made.run()


def chosen(run: AppTest) -> tuple[str | None, str | None, dict[str, str]]:
    address = {name: value if isinstance(value, str) else value[0] for name, value in run.query_params.items()}
    return run.selectbox(key="night").value, run.selectbox(key="line").value, address


@pytest.mark.parametrize(
    ("query", "night", "line"),
    [
        ({}, "2026-11-02", "all"),
        ({"night": "2026-11-01"}, "2026-11-01", "all"),
        ({"night": "2026-11-01", "line": "L2"}, "2026-11-01", "L2"),
    ],
)
def test_the_address_decides_and_is_complete(query: dict[str, str], night: str, line: str) -> None:
    address = {"night": night, **({} if line == "all" else {"line": line})}
    assert chosen(app(**query)) == (night, line, address)


def test_a_selector_changes_the_address_and_the_address_the_selector() -> None:
    run = app()
    run.selectbox(key="line").set_value("L1").run()
    assert chosen(run) == ("2026-11-02", "L1", {"night": "2026-11-02", "line": "L1"})
    del run.query_params["line"]  # back to the address before
    assert chosen(run.run()) == ("2026-11-02", "all", {"night": "2026-11-02"})


def test_the_next_page_has_what_was_chosen() -> None:
    run = app(night="2026-11-01", line="L2")
    run.query_params.clear()
    run.session_state["page"] = "images"
    assert chosen(run.run()) == ("2026-11-01", "L2", {"night": "2026-11-01", "line": "L2"})


@pytest.mark.parametrize("query", [{"night": "2026-02-30"}, {"night": "2026-11-02", "line": "<b>"}])
def test_what_is_not_there_is_refused_until_something_is_chosen(query: dict[str, str]) -> None:
    run = app(**query)
    (told,) = [one.value for one in run.error]
    unknown = list(query)[-1]
    assert query[unknown] in told
    assert "choose one of these" in told
    assert run.run().error, "a second run does not forget it"
    run.selectbox(key=unknown).set_value(run.selectbox(key=unknown).options[1]).run()
    assert not run.error


@pytest.mark.parametrize(
    ("now", "cron", "nights"),
    [
        ("2026-11-02T05:00", "30 1 * * *", 0),  # the run of this night may still be at work
        ("2026-11-03T03:00", "30 1 * * *", 0),
        ("2026-11-03T08:00", "30 1 * * *", 1),
        ("2026-11-03T08:00", "30 6 * * *", 0),
        ("2026-11-07T12:00", "30 1 * * *", 5),
        ("2026-10-30T12:00", "30 1 * * *", 0),
    ],
)
def test_the_nights_without_images_are_counted(now: str, cron: str, nights: int) -> None:
    settings = NightSettings(timezone="Europe/Berlin", cron=cron)
    at = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    assert silent_nights(settings, LATEST, at) == nights


def test_drift_has_begun_with_the_first_of_the_nights_in_a_row() -> None:
    verdicts = {"L1": "none warn alarm alarm", "L2": "alarm none warn none", "L3": "alarm alarm alarm alarm"}
    rows = [
        (LATEST + dt.timedelta(days=day), line, verdict)
        for line, said in verdicts.items()
        for day, verdict in enumerate(said.split())
    ]
    drift = pl.DataFrame(rows, schema=["date", "line", "verdict"], orient="row")
    assert figures.since(drift, LATEST + dt.timedelta(days=3)) == {"L1": LATEST + dt.timedelta(days=1), "L3": LATEST}


def test_models_are_counted_by_their_readable_images() -> None:
    rows = pl.DataFrame(
        {
            "model": ["a 1", "b 2", "b 2", "a 1", None],
            "images": [1, 2, 3, 9, 9],
            "status": ["ok"] * 3 + ["failed", "ok"],
        }
    )
    assert figures.judged_by(rows) == {"b 2": 5, "a 1": 1}


def nightless() -> None:
    import datetime as dt

    import streamlit as st

    from dashboard import address

    address.enter(st.session_state.get("page", "models"))
    try:
        address.keep([dt.date(2026, 11, 1), dt.date(2026, 11, 2)])
    except address.NotThere as exc:
        st.error(str(exc))


def test_a_page_without_a_selector_of_nights_keeps_the_night_in_its_address() -> None:
    run = AppTest.from_function(nightless)
    assert dict(run.run().query_params) in ({"night": "2026-11-02"}, {"night": ["2026-11-02"]})
    run.query_params["night"] = "2026-11-01"
    assert not run.run().error
    run.query_params.clear()
    run.session_state["page"] = "runs"  # the navigation empties the address
    assert run.run().query_params["night"] in ("2026-11-01", ["2026-11-01"])
    run.query_params["night"] = "2026-02-30"
    assert "2026-02-30" in run.run().error[0].value
    assert "2026-11-02" in run.error[0].value
