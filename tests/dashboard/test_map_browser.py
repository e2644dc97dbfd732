"""Find, and the map of a coil, in a real browser over a plant of strip with regions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import browser
import pytest
from browser import Shown, opened, settled
from map_plants import NIGHT, config_of, make
from playwright.sync_api import Page, expect

from steelflow.night.run import inspect_night

pytestmark = [pytest.mark.slow, browser.needs_chromium]


@pytest.fixture(scope="module")
def strip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("strip")
    settings = make(folder)
    inspect_night(settings, NIGHT)
    config = folder / "steelflow.toml"
    config.write_text(config_of(settings))
    with browser.dashboard(config, folder / "log") as url, browser.browser() as started:
        yield Shown(settings, url, started)


def arrived(page: Page, heading: str) -> dict[str, str]:
    """What the address says when a page is there."""
    expect(page.locator("h1").first).to_have_text(heading)
    settled(page)
    return {name: value[0] for name, value in parse_qs(urlsplit(page.url).query).items()}


def test_a_coil_is_found_from_every_page_by_keyboard(strip: Shown) -> None:
    wanted = {"night": NIGHT.isoformat(), "line": "L1", "coil": "C7002"}
    with opened(strip.browser, f"{strip.url}/models") as (page, trouble):
        page.keyboard.press("/")
        page.keyboard.insert_text("C7002 last tuesday")  # pasted
        page.keyboard.press("Enter")  # before any answer: Enter waits for it
        assert arrived(page, "Coil") == wanted
        page.keyboard.press("Control+k")
        page.keyboard.type("7001")
        expect(page.locator(".find-found a").first).to_contain_text("C7001")
        page.keyboard.press("Enter")
        expect(page.locator(".find-found")).to_be_hidden()
        expect(page.locator(".st-key-coil")).to_contain_text("C7001")
        assert arrived(page, "Coil") == {**wanted, "coil": "C7001"}
        page.go_back()
        assert arrived(page, "Coil") == wanted
        page.keyboard.press("/")
        page.keyboard.type("xyzzy")
        expect(page.locator(".find-told")).to_contain_text("C7001 to P0001")  # what is there
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert arrived(page, "Coil") == wanted
        assert trouble == []
