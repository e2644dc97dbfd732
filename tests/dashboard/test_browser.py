"""The dashboard in a real browser, over nights in the embedded S3."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from browser import Shown, Theme, opened, settled
from plants import EVIL, NIGHT, SPEC
from playwright.sync_api import expect

from steelflow.report.reader import ReportReader
from steelflow.store import open_store

pytestmark = pytest.mark.slow
PAGES = ("", "defects", "coil", "images", "review", "drift", "models", "runs")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_with_no_complaint(shown: Shown, page: str, theme: Theme) -> None:
    with opened(shown.browser, f"{shown.url}/{page}", theme) as (tab, trouble):
        assert tab.locator("h1").first.inner_text() == (page or "tonight").capitalize()
        assert tab.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count() == 0
        assert trouble == []


def test_tonight_needs_no_scrolling(shown: Shown) -> None:
    with opened(shown.browser, shown.url) as (tab, _):
        tall = tab.evaluate("(e => e.scrollHeight - e.clientHeight)(document.querySelector('[data-testid=stMain]'))")
        assert tall <= 0


def test_a_filter_changes_the_figures_and_stands_in_the_address(shown: Shown) -> None:
    rows = ReportReader(open_store(shown.settings.report.uri, shown.settings.store)).images().collect()
    with opened(shown.browser, f"{shown.url}/defects") as (tab, trouble):
        readable = tab.get_by_test_id("stMetric").filter(has_text="Readable images").get_by_test_id("stMetricValue")
        expect(readable).to_have_text(f"{rows.filter(status='ok').height:,}")
        tab.get_by_label("Lines").click()
        tab.get_by_role("option", name="L2").click()
        expect(readable).to_have_text(f"{rows.filter(status='ok', line='L2').height:,}")
        settled(tab)
        assert "lines=L2" in tab.url
        with opened(shown.browser, tab.url) as (other, _):
            again = other.get_by_test_id("stMetric").filter(has_text="Readable images")
            expect(again.get_by_test_id("stMetricValue")).to_have_text(
                f"{rows.filter(status='ok', line='L2').height:,}"
            )
        assert trouble == []


def test_what_is_downloaded_is_what_is_shown(shown: Shown, tmp_path: Path) -> None:
    rows = ReportReader(open_store(shown.settings.report.uri, shown.settings.store)).images().collect()
    with opened(shown.browser, f"{shown.url}/defects?lines=L2") as (tab, _):
        with tab.expect_download() as waiting:
            tab.get_by_role("button", name="Parquet").click()
        waiting.value.save_as(tmp_path / "defects.parquet")
    got = pl.read_parquet(tmp_path / "defects.parquet")
    counted = rows.filter(status="ok", line="L2").group_by("date", "label").len("n")
    both = got.join(counted, on=["date", "label"], how="full")
    assert both.height == got.height == counted.height
    assert both.select((pl.col("images") == pl.col("n")).all()).item()


def test_names_from_outside_stay_text(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/coil?night={NIGHT}&line=L1&coil={EVIL}") as (tab, trouble):
        expect(tab.get_by_test_id("stMetric").filter(has_text="Images").first).to_contain_text("1")
        assert tab.locator("img[onerror]").count() == 0
        assert tab.get_by_role("combobox", name="Coil").input_value() == EVIL
        assert tab.get_by_alt_text(f"{EVIL}.jpg").count() == 1
        assert trouble == []


def test_a_coil_shows_its_images_out_of_shards_too(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/coil?night={NIGHT}&line=L2&coil=C0002") as (tab, trouble):
        tab.wait_for_selector('[data-testid="stImage"] img')
        loaded = tab.evaluate("[...document.querySelectorAll('[data-testid=stImage] img')].map(i => i.naturalWidth)")
        assert len(loaded) >= SPEC.images
        assert min(loaded) > 0
        assert trouble == []


def test_pages_are_reached_by_the_navigation(shown: Shown) -> None:
    with opened(shown.browser, shown.url) as (tab, trouble):
        for page in ("Defects", "Coil", "Runs", "Tonight"):
            tab.get_by_test_id("stSidebarNav").get_by_role("link", name=re.compile(page)).click()
            expect(tab.locator("h1").first).to_have_text(page)
            settled(tab)
        assert trouble == []
