"""Find, and the map of a coil, in a real browser over a plant of strip with regions."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import browser
import polars as pl
import pytest
from browser import Shown, opened, settled
from map_plants import ACROSS, BROKEN, LENGTH, NIGHT, STEP, WIDTH, config_of, make
from playwright.sync_api import Page, expect

from steelflow.night.run import inspect_night
from steelflow.report.regions import RegionReader
from steelflow.store import open_store

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
        page.wait_for_url("**coil=C7001*", timeout=120_000)
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


MAP = ".st-key-map canvas, .st-key-map svg.marks"
TOOLTIP = "#vg-tooltip-element.visible"


def hovered(page: Page, x: float, y: float) -> str:
    """The tooltip at a place of the page; empty without one."""
    page.mouse.move(x, y)
    page.wait_for_timeout(30)  # it appears in the next frames; a place that is missed is tried with the next one
    found = page.locator(TOOLTIP)
    return found.inner_text() if found.count() else ""


def the_broken_frames(page: Page) -> tuple[float, float, float, float]:
    """Left, right, top and bottom on the page of the stretch that no image could show."""
    chart = page.locator(MAP).first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] * 0.715  # 20.75 of 30 m, right of the axis
    tall = [
        y for y in range(int(box["y"]), int(box["y"] + box["height"]), 2) if "unreadable" in hovered(page, middle, y)
    ]
    assert tall, "the hole is there"
    wide = [
        x for x in range(int(middle) - 60, int(middle) + 60) if "unreadable" in hovered(page, x, tall[len(tall) // 2])
    ]
    return wide[0], wide[-1], tall[0], tall[-1]


def test_regions_and_gaps_of_the_map_open_their_picture(strip: Shown) -> None:
    address = f"{strip.url}/coil?night={NIGHT}&line=L1&coil=C7001"
    with opened(strip.browser, address) as (page, trouble):
        left, right, top, bottom = the_broken_frames(page)
        page.mouse.click((left + right) / 2, (top + bottom) / 2)
        found = arrived(page, "Images")
        assert found["object"].endswith(f"_{BROKEN[0]:03d}.png")
        page.go_back()
        arrived(page, "Coil")
        left, right, top, bottom = the_broken_frames(page)
        report = RegionReader(open_store(strip.settings.report.uri, strip.settings.store)).regions([NIGHT], ["L1"])
        # The hole is where three frames of the camera b1 are: from it follows the place of any region of this camera.
        of_camera = report.filter(pl.col("coil") == "C7001", pl.col("camera") == "b1").collect()
        region = of_camera.sort("score", "area", descending=True).row(0, named=True)
        first, last = (BROKEN[0] - 1) * STEP + LENGTH, (BROKEN[-1] + 1) * STEP
        x = left + (region["along"] - first) * (right - left) / (last - first)
        y = top + (region["across_mm"] - ACROSS["b1"]) * (bottom - top) / (2 * WIDTH)
        told = hovered(page, x, y)
        assert f"{region['along']:.2f}" in told
        assert f"{region['across_mm']:.0f}" in told
        page.mouse.click(x, y)
        assert arrived(page, "Images")["object"] == region["object_key"]
        assert trouble == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_fits_a_phone_and_paper(strip: Shown, theme: browser.Theme) -> None:
    with opened(strip.browser, f"{strip.url}/coil?night={NIGHT}&line=L1&coil=C7001", theme) as (page, trouble):
        page.set_viewport_size({"width": 390, "height": 844})
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.get_by_role("combobox", name="Find")).to_be_visible()
        page.emulate_media(media="print")
        expect(page.get_by_role("combobox", name="Find")).to_be_hidden()
        expect(page.locator(MAP).first).to_be_visible()
        assert trouble == []


def test_a_tick_stays_with_its_coil_and_not_with_the_number_of_its_row(strip: Shown) -> None:
    with opened(strip.browser, f"{strip.url}/?night={NIGHT}") as (page, trouble):
        page.get_by_role("tab", name="Coils to decide").click()
        settled(page)
        told = page.get_by_text("Tick coils to decide about them")
        expect(told).to_be_visible()
        box = page.locator('[class*="st-key-coils-To-do"] canvas').first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 16, box["y"] + 50)
        opens = page.get_by_role("link", name="Open coil")
        expect(opens).to_be_visible()
        page.get_by_role("button", name="Hold …").click()
        page.get_by_label("Reason").fill("bright spots")
        page.keyboard.press("Tab")
        settled(page)
        page.get_by_role("button", name="Decide").click()
        settled(page)
        expect(page.get_by_text("1 of 3 decided")).to_be_visible(timeout=30_000)
        expect(told).to_be_visible(timeout=30_000)  # the coil of the next row was not ticked
        expect(opens).to_be_hidden()
        assert trouble == []


@pytest.mark.parametrize(
    ("where", "gone"),
    [
        (f"coil?night={NIGHT}&line=L1&coil=C7001", ("A click opens the picture", "Hold …")),
        ("defects", ("Download these figures", "CSV")),
        (f"?night={NIGHT}", ("The run", "Morning report")),
        ("models", ("Promote a version …",)),
        ("classes", ("Retire …",)),
        (f"drift?night={NIGHT}&line=L1", ("Retrain …", "Accept as normal …")),
    ],
)
def test_paper_shows_nothing_to_press_and_nothing_about_it(strip: Shown, where: str, gone: tuple[str, ...]) -> None:
    with opened(strip.browser, f"{strip.url}/{where}") as (page, trouble):
        there = [page.get_by_text(text, exact=False).first for text in gone]
        for one in there if where != "models" else ():  # no version is registered here
            expect(one).to_be_visible()
        page.emulate_media(media="print")
        for one in there:
            expect(one).to_be_hidden()
        for kind in (".stButton", ".stDownloadButton", ".stPopover"):
            assert page.locator(f".stMain {kind}:visible").count() == 0, kind
        assert trouble == []
