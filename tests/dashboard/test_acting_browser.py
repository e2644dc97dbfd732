"""What a person does about an image, a drift and a model, in a real browser."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest
from browser import Shown, opened, press, settled
from plants import NIGHT
from playwright.sync_api import Page, expect

from dashboard.media import originals
from steelflow.archive.fetch import ImageRef
from steelflow.drift import check_night
from steelflow.labels import open_labels
from steelflow.night.run import inspect_night
from steelflow.registry import resolved
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

pytestmark = pytest.mark.slow

SECOND = NIGHT + dt.timedelta(days=1)


def rows_of(shown: Shown, **chosen: str) -> pl.DataFrame:
    report = open_store(shown.settings.report.uri, shown.settings.store)
    return ReportReader(report).images([NIGHT]).filter(**chosen).collect()


def choose(page: Page, key: str, name: str) -> None:
    """Choose a class in a form."""
    page.locator(f".st-key-{key} input").click()
    page.get_by_role("option", name=name, exact=True).click()
    settled(page)


def test_one_image_on_and_back_by_keys_and_the_original(shown: Shown, tmp_path: Path) -> None:
    rows = rows_of(shown, line="L1", coil="C0001")
    with opened(shown.browser, f"{shown.url}/images?night={NIGHT}&line=L1&coil=C0001") as (page, trouble):
        page.locator('[class*="st-key-look-"] button').first.click()
        settled(page)
        expect(page.get_by_text(f"1 of {rows.height}", exact=True)).to_be_visible()
        assert page.locator(".st-key-step-to-previous button").first.is_disabled()
        press(page, "ArrowRight")
        expect(page.get_by_text(f"2 of {rows.height}", exact=True)).to_be_visible()
        page.locator(".st-key-step-to-next button").first.click()
        settled(page)
        expect(page.get_by_text(f"3 of {rows.height}", exact=True)).to_be_visible()
        row = rows.row(2, named=True)
        with page.expect_download() as waiting:
            page.locator(".st-key-original button").first.click()
        waiting.value.save_as(tmp_path / "original")
        data = (tmp_path / "original").read_bytes()
        assert data == open_store(shown.settings.archive.uri, shown.settings.store).get(row["object_key"])
        assert waiting.value.suggested_filename == originals.name_of(ImageRef(row["object_key"], None, 0), data)
        press(page, "ArrowLeft")
        expect(page.get_by_text(f"2 of {rows.height}", exact=True)).to_be_visible()
        assert trouble == []


def test_a_wrong_class_is_corrected_where_it_is_seen(shown: Shown) -> None:
    labels = open_labels(shown.settings)
    with opened(shown.browser, f"{shown.url}/coil?night={NIGHT}&line=L1&coil=C0001") as (page, trouble):
        page.locator('[class*="st-key-coil-wrong-0"] button').first.click()
        settled(page)
        expect(page.get_by_role("dialog")).to_contain_text("The model says of this image")
        assert page.locator(".st-key-wrong-now button").first.is_disabled()
        choose(page, "wrong-class", "scratches")
        page.locator(".st-key-wrong-now button").first.click()
        expect(page.get_by_text("Labelled as scratches by anna")).to_be_visible()
        (found,) = labels.current().iter_rows(named=True)
        assert (found["label"], found["who"], found["coil"], found["date"]) == ("scratches", "anna", "C0001", NIGHT)
        assert trouble == []


def test_a_selection_gets_one_label_with_one_confirmation(shown: Shown) -> None:
    labels = open_labels(shown.settings)
    before = labels.history().height
    with opened(shown.browser, f"{shown.url}/images?night={NIGHT}&line=L2&coil=C0002&status=readable") as (
        page,
        trouble,
    ):
        page.get_by_text("Select", exact=True).first.click()
        settled(page)
        for number in (0, 2, 3):
            page.locator(f".st-key-look-tick-{number} label").first.click()
            settled(page)
        page.locator(".st-key-look-tick-2 label").first.click()  # not this one
        settled(page)
        page.locator(".st-key-pick-label button").first.click()
        settled(page)
        choose(page, "bulk-class", "patches")
        button = page.get_by_role("button", name="Label 2 images as patches").first
        expect(button).to_be_enabled()
        button.click()
        expect(page.get_by_text("2 images labelled as patches by anna")).to_be_visible()
        added = labels.history().tail(labels.history().height - before)
        assert added.height == 2
        assert added.select("label", "who", "coil", "batch").unique().height == 1
        expected = rows_of(shown, line="L2", coil="C0002", status="ok")[[0, 3]]
        assert set(added["ordinal"]) == set(expected["ordinal"])
        assert trouble == []


def with_more_images(shown: Shown) -> None:
    """Both nights of L1 with enough images for a verdict."""
    archive = open_store(shown.settings.archive.uri, shown.settings.store)
    for night in (NIGHT, SECOND):
        some = [info.key for info in archive.list(f"line=L1/date={night}/coil=C0001/") if info.key.endswith(".jpg")]
        for number, key in enumerate(sorted(some)[:9]):
            archive.put(key.replace(".jpg", f"_{number}.jpg"), archive.get(key))
        inspect_night(shown.settings, night)


def test_drift_is_accepted_and_reviewed(shown: Shown) -> None:
    report = open_store(shown.settings.report.uri, shown.settings.store)
    with_more_images(shown)
    with opened(shown.browser, f"{shown.url}/drift?night={NIGHT}&line=L1") as (page, trouble):
        page.get_by_role("button", name="Retrain").first.click()
        settled(page)
        expect(page.get_by_text("steelflow retrain --reason").first).to_be_visible()
        page.keyboard.press("Escape")
        settled(page)
        page.locator(".st-key-accept button").first.click()
        settled(page)
        assert page.locator(".st-key-accept-now button").first.is_disabled()
        page.locator(".st-key-accept-reason input").fill("the usual grade")
        page.keyboard.press("Tab")
        settled(page)
        page.locator(".st-key-accept-sure label").first.click()
        settled(page)
        page.locator(".st-key-accept-now button").first.click()
        expect(page.get_by_text("anna accepted").first).to_be_visible()
        settled(page)
        (key,) = (info.key for info in report.list("drift/accepted/") if info.key.endswith(".json"))
        kept = json.loads(report.get(key))
        assert (kept["who"], kept["reason"], kept["nights"]) == ("anna", "the usual grade", [str(NIGHT)])
        assert trouble == []
    check_night(report, SECOND, shown.settings.drift, resolved(shown.settings).digest)
    # Another span is another table: that of the usual span was read a moment ago and is kept for a minute.
    with opened(shown.browser, f"{shown.url}/drift?span=14+nights&night={SECOND}&line=L1") as (page, trouble):
        expect(page.get_by_text("The night against the reference")).to_be_visible()
        expect(page.get_by_text("the usual grade").first).to_be_visible()
        page.get_by_role("link", name="Review the 40 images").first.click()
        expect(page.locator("h1").first).to_have_text("Review")
        settled(page)
        expect(page.get_by_text("that moved the signal").first).to_be_visible()
        assert f"moved={SECOND}" in page.url
        page.get_by_role("button", name="New queue").first.click()
        settled(page)
        assert "moved" not in page.url
        assert trouble == []


def test_two_versions_and_the_map_of_a_night(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/models") as (page, trouble):
        page.get_by_role("tab", name="Two versions").click()
        settled(page)
        expect(page.get_by_text("Parameters that differ")).to_be_visible()
        page.get_by_role("tab", name="Map of a night").click()
        settled(page)
        chart = page.get_by_test_id("stVegaLiteChart").last
        chart.scroll_into_view_if_needed()
        expect(page.get_by_text("always the same ones")).to_be_visible()
        box = chart.locator("svg .mark-symbol.role-mark path").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator("h1").first).to_have_text("Images")
        settled(page)
        expect(page.get_by_role("button", name="This is wrong").first).to_be_visible()
        assert trouble == []
