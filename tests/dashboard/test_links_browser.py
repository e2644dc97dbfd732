"""Links in a real browser: what looks clickable is, addresses last, Back goes one step, and silence is red."""

from __future__ import annotations

import datetime as dt
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import polars as pl
import pytest
from browser import Shown, opened, settled
from plants import NIGHT
from playwright.sync_api import Page, expect

from dashboard.formats import class_name, plain
from steelflow.night.run import inspect_night
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

pytestmark = pytest.mark.slow

SECOND = NIGHT + dt.timedelta(days=1)


def places(page: Page) -> dict[str, str]:
    """The page and what its address says."""
    parts = urlsplit(page.url)
    return {"page": parts.path.strip("/"), **{name: value[0] for name, value in parse_qs(parts.query).items()}}


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    expect(page.locator("h1").first).to_have_text(name)
    settled(page)


@pytest.mark.parametrize("across", [18, 150], ids=["a tick", "the coil's name"])
def test_a_worst_coil_opens(shown: Shown, across: int) -> None:
    with opened(shown.browser, shown.url) as (page, trouble):
        box = page.locator(".st-key-worst canvas").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + across, box["y"] + 45)
        expect(page.locator("h1").first).to_have_text("Coil")
        settled(page)
        found = places(page)
        assert (found["page"], found["night"]) == ("coil", SECOND.isoformat())
        report = ReportReader(open_store(shown.settings.report.uri, shown.settings.store))
        height = report.coil(SECOND, found["line"], found["coil"]).height
        expect(page.get_by_test_id("stMetric").filter(has_text="Images").first).to_contain_text(str(height))
        page.go_back()
        settled(page)
        assert places(page) == {"page": "", "night": SECOND.isoformat()}
        expect(page.locator("h1").first).to_have_text("Tonight")
        assert trouble == []


def test_context_stays_and_back_goes_one_step(shown: Shown) -> None:
    with opened(shown.browser, shown.url) as (page, trouble):
        walked = [places(page)]
        go(page, "Coil")
        walked.append(places(page))
        page.locator(".st-key-line input").click()
        page.get_by_role("option", name="L2").click()
        settled(page)
        walked.append(places(page))
        go(page, "Images")
        walked.append(places(page))
        assert walked[-1] == {**walked[-2], "page": "images"}
        page.locator(".st-key-status input").click()
        page.get_by_role("option", name="unreadable").click()
        settled(page)
        assert places(page)["status"] == "unreadable"
        for there in reversed(walked):
            page.go_back()
            settled(page)
            assert places(page) == there
        assert trouble == []


def test_an_open_tab_is_in_the_address_and_back_opens_it_again(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/?night={NIGHT}") as (page, trouble):
        tab = page.get_by_role("tab", name="Coils to decide")
        tab.click()
        settled(page)
        assert places(page) == {"page": "", "night": NIGHT.isoformat(), "coils": "Coils to decide"}
        go(page, "Defects")
        page.go_back()
        settled(page)
        expect(tab).to_have_attribute("aria-selected", "true")
        assert trouble == []


def test_classes_are_in_the_address_by_their_own_names(shown: Shown) -> None:
    rows = ReportReader(open_store(shown.settings.report.uri, shown.settings.store)).images([NIGHT]).collect()
    name = next(one for one in sorted(rows["label"].drop_nulls().unique()) if "_" in one)
    some = rows.filter(label=name).height
    where = f"{shown.url}/images?night={NIGHT}"
    with opened(shown.browser, where) as (page, trouble):
        pill = page.get_by_role("button", name=name.replace("_", " "), exact=True)
        count = page.get_by_text(re.compile(rf"^{some} images?"))
        pill.first.click()
        settled(page)
        assert places(page)["label"] == name
        expect(count).to_be_visible()
        page.go_back()
        settled(page)
        assert "label" not in places(page)
        expect(count).to_be_hidden()
        for written in (name, plain(class_name(name))):  # the latter is what links of earlier versions have
            page.goto(f"{where}&{urlencode({'label': written})}")
            settled(page)
            expect(count).to_be_visible()
            assert places(page)["label"] == name
        assert trouble == []


def test_the_map_of_a_night_goes_with_the_context_and_back_goes_to_it(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/images?night={NIGHT}&line=L2") as (page, trouble):
        go(page, "Models")
        page.get_by_role("tab", name="Map of a night").click()
        settled(page)
        here = places(page)
        assert here == {"page": "models", "part": "Map of a night", "night": NIGHT.isoformat(), "line": "L2"}
        chart = page.get_by_test_id("stVegaLiteChart").last
        chart.scroll_into_view_if_needed()
        expect(page.get_by_text("images of L2, always the same ones")).to_be_visible()
        box = chart.locator("svg .mark-symbol.role-mark path").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator("h1").first).to_have_text("Images")
        settled(page)
        assert places(page)["of"] == "L2"
        page.go_back()
        settled(page)
        assert places(page) == here
        assert trouble == []


@pytest.mark.parametrize("completed", [(), ("&line=L2",)], ids=["at once", "after more was written"])
def test_a_page_that_the_server_opens_is_one_step(shown: Shown, completed: tuple[str, ...]) -> None:
    """Streamlit gives the page that is left the address of the next one first, and may complete it before it goes."""
    with opened(shown.browser, f"{shown.url}/models?night={NIGHT}") as (page, _):
        before = page.url
        page.locator("h1").first.click()
        written = ["models?object=a"] + [f"models?object=a{more}" for more in completed]
        written.append(written[-1].replace("models", "images"))
        for address in written:
            page.evaluate("where => history.pushState({}, '', where)", f"/{address}")
        page.evaluate("history.back()")
        settled(page)
        assert page.url == before


def test_pictures_marks_and_cells_open_what_they_show(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/coil?night={NIGHT}&line=L2&coil=C0002") as (page, trouble):
        page.locator('[data-testid="stImage"] a').first.click()
        expect(page.get_by_text("Back to the gallery")).to_be_visible()
        settled(page)
        assert places(page)["of"] == "L2"
        page.go_back()
        settled(page)
        assert places(page) == {"page": "coil", "night": NIGHT.isoformat(), "line": "L2", "coil": "C0002"}
        page.goto(f"{shown.url}/drift?night={SECOND}&line=L1")
        settled(page)
        box = page.get_by_test_id("stVegaLiteChart").first.bounding_box()
        assert box is not None
        for down in range(60, int(box["height"]), 12):  # until the field of the other line, or night, is hit
            page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + down)
            settled(page)
            if places(page) != {"page": "drift", "night": SECOND.isoformat(), "line": "L1"}:
                break
        assert places(page)["night"] == NIGHT.isoformat()
        assert trouble == []


@pytest.mark.parametrize("page", ["", "defects", "coil", "images", "drift"])
def test_an_address_names_its_night_and_an_unknown_one_is_refused(shown: Shown, page: str) -> None:
    with opened(shown.browser, f"{shown.url}/{page}") as (tab, trouble):
        found = places(tab)
        assert found["night"] == SECOND.isoformat()
        assert page != "coil" or {"line", "coil"} <= found.keys()
        tab.goto(f"{shown.url}/{page}?night=2019-02-30")
        settled(tab)
        told = tab.get_by_test_id("stAlert")
        expect(told).to_contain_text("2019-02-30")
        expect(told).to_contain_text(SECOND.isoformat())  # what is there
        assert trouble == []


def test_a_line_that_is_missing_and_a_night_without_images_are_told_first(shown: Shown) -> None:
    archive = open_store(shown.settings.archive.uri, shown.settings.store)
    third, fourth = (NIGHT + dt.timedelta(days=days) for days in (2, 3))
    for info in list(archive.list(f"line=L1/date={SECOND}/")):
        archive.put(info.key.replace(SECOND.isoformat(), third.isoformat()), archive.get(info.key))
    inspect_night(shown.settings, third)
    inspect_night(shown.settings, fourth)
    with opened(shown.browser, f"{shown.url}/?night={third}") as (page, trouble):
        expect(page.get_by_text("night incomplete")).to_be_visible()
        missing = page.get_by_test_id("stAlert").filter(has_text=re.compile("line L2:.?.? no images", re.IGNORECASE))
        figure = page.get_by_test_id("stMetric").first
        places_ = [one.bounding_box() for one in (missing, figure)]
        assert places_[0] is not None
        assert places_[1] is not None
        assert places_[0]["y"] < places_[1]["y"]
        assert page.get_by_text("finished").count() == 0
        page.goto(f"{shown.url}/?night={fourth}")
        settled(page)
        expect(page.get_by_text("night empty")).to_be_visible()
        expect(page.get_by_text("No image of this night was inspected")).to_be_visible()
        assert trouble == []


def test_each_page_says_which_model_judged(shown: Shown) -> None:
    rows = ReportReader(open_store(shown.settings.report.uri, shown.settings.store)).images([SECOND]).collect()
    (model,) = rows.select(pl.concat_str("model_name", "model_version", separator=" ")).to_series().unique()
    with opened(shown.browser, f"{shown.url}/defects") as (page, _):
        for name in ("Defects", "Coil"):
            go(page, name)
            expect(page.get_by_text(f"Judged by {model}")).to_be_visible()


@pytest.mark.parametrize("name", ["", "coil", "drift"])
def test_a_phone_and_a_sheet_of_paper_show_all(shown: Shown, name: str) -> None:
    with opened(shown.browser, f"{shown.url}/{name}?night={SECOND}") as (page, trouble):
        page.set_viewport_size({"width": 390, "height": 844})
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.evaluate(
            "[...document.querySelectorAll('[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg')]"
            ".map(one => one.getBoundingClientRect().right)"
        )
        assert max(wide) <= 391
        page.emulate_media(media="print")
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        expect(page.locator("h1").first).to_be_visible()
        assert trouble == []


def test_a_phone_cuts_no_class_and_paper_names_the_pictures(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/images?night={SECOND}&line=L1&status=readable") as (page, trouble):
        page.set_viewport_size({"width": 390, "height": 844})
        settled(page)
        pills = page.locator(".st-key-label button").all()
        assert len(pills) > 3
        assert max(box["x"] + box["width"] for one in pills if (box := one.bounding_box())) <= 390
        page.set_viewport_size({"width": 794, "height": 1123})
        page.emulate_media(media="print")
        expect(page.locator(".st-key-look-0").get_by_text("%").first).to_be_visible()
        expect(page.locator(".st-key-look-wrong-0 button").first).to_be_hidden()
        assert trouble == []
