"""Labelling by keyboard, promotion and rollback in a real browser, over nights in the embedded S3."""

from __future__ import annotations

import re

import polars as pl
import pytest
from browser import Shown, change, confirm, opened, press, settled
from plants import EVIL, NIGHT
from playwright.sync_api import Page, expect

from steelflow.labels import LabelStore, open_labels
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

pytestmark = pytest.mark.slow


def said(page: Page, labels: LabelStore, *names: str) -> None:
    """Wait until these are the labels that stand."""
    for _ in range(600):
        if sorted(labels.current()["label"]) == sorted(names):
            return
        page.wait_for_timeout(200)
    assert sorted(labels.current()["label"]) == sorted(names)


def test_labels_are_given_by_keyboard(shown: Shown) -> None:
    labels = open_labels(shown.settings)
    with opened(shown.browser, f"{shown.url}/review") as (page, trouble):
        press(page, "2")
        said(page, labels, "inclusion")
        (found,) = labels.current().iter_rows(named=True)
        assert (found["label"], found["who"], found["source"]) == ("inclusion", "anna", "review")
        archive = open_store(shown.settings.archive.uri, shown.settings.store)
        if found["member"] is None:
            assert labels.image(found["image"]) == archive.get(found["object_key"])
        expect(page.get_by_text(re.compile(r"^2 of \d+"))).to_be_visible()
        press(page, "s")
        expect(page.get_by_text(re.compile(r"^3 of \d+"))).to_be_visible()
        said(page, labels, "inclusion")
        press(page, "6")
        said(page, labels, "inclusion", "scratches")
        expect(page.get_by_text(re.compile(r"^4 of \d+"))).to_be_visible()
        press(page, "u")
        said(page, labels, "inclusion")
        expect(page.get_by_text(re.compile(r"^3 of \d+"))).to_be_visible()
        press(page, "n")
        expect(page.locator(".st-key-new-name input")).to_be_focused()
        page.keyboard.type("sun 2")  # its letters are keys elsewhere on the page
        press(page, "Enter")
        said(page, labels, "inclusion", "sun 2")
        expect(page.get_by_role("button", name="sun 2")).to_be_visible()
        assert trouble == []


def test_an_image_opens_with_its_map_and_goes_back(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/images?line=L2&page=2") as (page, trouble):
        page.locator('[class*="st-key-look-"] button').first.click()
        settled(page)
        page.get_by_text("Where the model looks").click()
        settled(page)
        expect(page.get_by_text("overed,")).to_be_visible()
        expect(page.get_by_text("nearest have the same class")).to_be_visible()
        press(page, "Escape")
        expect(page.locator('[class*="st-key-look-"] button').first).to_be_visible()
        assert "page=2" in page.url
        assert "line=L2" in page.url
        assert trouble == []


def test_a_file_name_with_html_is_text(shown: Shown) -> None:
    rows = ReportReader(open_store(shown.settings.report.uri, shown.settings.store)).images().collect()
    assert rows.filter(pl.col("coil") == EVIL).height == 1
    with opened(shown.browser, f"{shown.url}/images?night={NIGHT}&line=L1&coil={EVIL}") as (page, trouble):
        page.locator('[class*="st-key-look-"] button').first.click()
        settled(page)
        expect(page.get_by_text(f"{EVIL}.jpg").first).to_be_visible()
        assert page.locator("img[src=x]").count() == 0
        assert trouble == []


def test_promote_and_roll_back(shown: Shown) -> None:
    registry = open_registry(shown.settings)
    registry.promote("v1", who="ann", reason="the first")
    with opened(shown.browser, f"{shown.url}/models") as (page, trouble):
        change(page, "promote", "it is faster")
        last = registry.log()[-1]
        assert (last.action, last.version, last.who, last.reason) == ("promote", "v2", "anna", "it is faster")
        expect(page.get_by_text("v2 is the champion now").first).to_be_visible()
        change(page, "rollback", "it was not")
        assert (registry.log()[-1].action, registry.log()[-1].version) == ("rollback", "v1")
        assert trouble == []


def test_a_promotion_that_somebody_else_made_meanwhile_is_not_overwritten(shown: Shown) -> None:
    registry = open_registry(shown.settings)
    registry.promote("v1", who="ann", reason="the first")
    with opened(shown.browser, f"{shown.url}/models") as (page, _):
        page.locator(".st-key-promote button").click()
        settled(page)
        registry.promote("v2", who="ben", reason="his")
        registry.rollback(who="ben", reason="and back")
        registry.promote("v2", who="ben", reason="his again")
        confirm(page, "promote", "mine")
        assert registry.log()[-1].who == "ben"
