"""Runs in a real browser, over a server that answers as Prefect does: start, cancel, repeat, and read the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import browser
import pytest
from browser import opened, settled
from playwright.sync_api import Browser, expect
from prefects import LISTED, RUNNING, prefect

from dashboard.auth.access import Actor, NotAllowed
from dashboard.auth.orchestrator import LogLine, Orchestrator


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Browser, list[tuple[str, Any]]]]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "images").mkdir()
    config = folder / "steelflow.toml"
    config.write_text(
        f"home = '{folder / 'home'}'\n[archive]\nuri = '{folder / 'images'}'\n"
        f"[report]\nuri = '{folder / 'report'}'\n[dashboard]\nlocal_user = 'anna'\n"
    )
    with (
        prefect() as (api, asked),
        browser.dashboard(config, folder / "log", {"PREFECT_API_URL": api}) as url,
        browser.browser() as started,
    ):
        yield url, started, asked


@pytest.mark.slow
@browser.needs_chromium
def test_a_run_is_started_cancelled_and_repeated(runs: tuple[str, Browser, list[tuple[str, Any]]]) -> None:
    url, started, asked = runs
    with opened(started, f"{url}/runs") as (page, trouble):
        page.get_by_role("button", name="Inspect a night").click()
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="Start").click()
        expect(page.get_by_text("nightly was started as brave-owl")).to_be_visible()
        expect(page.get_by_test_id("stPopoverBody")).to_be_hidden()
        ((_, body),) = [call for call in asked if call[0].endswith("create_flow_run")]
        assert "by:anna" in body["tags"]
        expect(page.get_by_text("second line of r1")).to_be_visible()
        page.get_by_role("button", name="Cancel this run").click()
        expect(page.get_by_text("nightly is being cancelled, run night-of-today")).to_be_visible()
        (stopped,) = [call for call in asked if call[0] == "/flow_runs/r1/set_state"]
        assert stopped[1]["state"]["message"] == "cancelled by anna"
        box = page.locator(".st-key-flow-runs canvas").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 18, box["y"] + 28 * 2 + 16)
        expect(page.get_by_text("second line of r2")).to_be_visible()
        page.get_by_role("button", name="Run it again").click()
        expect(page.get_by_text("nightly was started again as brave-owl")).to_be_visible()
        again = [call for call in asked if call[0].endswith("create_flow_run")][-1]
        assert again[1]["parameters"] == {"night": {"date": "2026-10-31"}}
        assert trouble == []


@pytest.mark.slow
@browser.needs_chromium
def test_a_tick_stays_with_its_run(runs: tuple[str, Browser, list[tuple[str, Any]]]) -> None:
    url, started, _ = runs
    with opened(started, f"{url}/runs") as (page, trouble):
        expect(page.get_by_text("second line of r1")).to_be_visible()
        box = page.locator(".st-key-flow-runs canvas").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 18, box["y"] + 28 * 2 + 16)
        expect(page.get_by_text("second line of r2")).to_be_visible()
        for number in (3, 4):
            LISTED.insert(0, {**RUNNING, "id": f"r{number}", "name": f"night-that-began-{number}"})
            expect(page.get_by_text(f"night-that-began-{number}").first).to_be_visible()
            settled(page)
            expect(page.get_by_text("second line of r2")).to_be_visible()
            expect(page.get_by_role("heading", name="Log of night-of-before")).to_be_visible()
        bottom = page.locator(".st-key-flow-runs canvas").first.bounding_box()
        assert bottom is not None
        page.mouse.click(bottom["x"] + 18, bottom["y"] + 28 + 16)
        expect(page.get_by_text("second line of r4")).to_be_visible()
        LISTED.insert(0, {**RUNNING, "id": "r5", "name": "night-that-began-5"})
        expect(page.get_by_text("second line of r5")).to_be_visible()  # who reads the latest run sees the next one
        assert trouble == []
    LISTED[:3] = []


@pytest.mark.slow
@browser.needs_chromium
def test_the_address_opens_a_tab(runs: tuple[str, Browser, list[tuple[str, Any]]]) -> None:
    url, started, _ = runs
    with opened(started, f"{url}/runs?tab=Retrainings") as (page, trouble):
        expect(page.get_by_role("tab", name="Retrainings")).to_have_attribute("aria-selected", "true")
        page.get_by_role("tab", name="Nights").click()
        settled(page)
        assert "tab=Nights" in page.url
        assert trouble == []


@pytest.mark.parametrize("role", ["viewer", "labeller"])
def test_nobody_else_cancels_or_repeats_not_even_by_calling_it(role: Any) -> None:
    with prefect() as (api, asked):
        for change in (
            lambda who: Orchestrator(api).cancel(who, "r1"),
            lambda who: Orchestrator(api).repeat(who, "r2", "nightly"),
        ):
            with pytest.raises(NotAllowed, match="nothing was changed"):
                change(Actor("guest", role))
        assert asked == []


def test_a_log_is_read_from_its_beginning() -> None:
    with prefect() as (api, _):
        lines = Orchestrator(api).log("r1", 5)
    assert [line.text for line in lines] == ["first", "second line of r1"]
    assert lines[1] == LogLine("2026-11-01T02:00:09Z", "error", "second line of r1")
