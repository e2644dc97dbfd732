"""Review in a real browser: a key labels the image that was on the screen when it was pressed, once."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from browser import Shown, opened, press, settled
from playwright.sync_api import Page, expect

from steelflow.labels import Label, LabelStore, open_labels

pytestmark = pytest.mark.slow


@pytest.fixture
def labels(shown: Shown) -> LabelStore:
    return open_labels(shown.settings)


def on_screen(page: Page) -> str:
    """The key and member of the image that can be seen, as the labels name it. Until it is there, no key counts."""
    page.wait_for_function("[...document.querySelectorAll('.st-key-picture img')].every((one) => one.complete)")
    alt = page.get_by_alt_text("The image to label").first.get_attribute("alt")
    assert alt is not None
    return alt.removeprefix("The image to label: ")


def seen_next(page: Page, seen: Sequence[str]) -> None:
    """Wait until another image is on the screen, and all of it."""
    page.wait_for_function(
        """seen => {
            const image = document.querySelector('[alt^="The image to label: "]');
            return image && image.complete && !seen.some((one) => image.alt === `The image to label: ${one}`);
        }""",
        arg=list(seen),
        timeout=60_000,
    )
    settled(page)


def named(labels: LabelStore) -> list[str]:
    rows = labels.current().iter_rows(named=True)
    return sorted(f"{row['object_key']} {row['member'] or ''}".strip() for row in rows)


def test_a_key_every_200_ms_labels_what_was_seen(shown: Shown, labels: LabelStore) -> None:
    before, seen = named(labels), []
    with opened(shown.browser, f"{shown.url}/review") as (page, trouble):
        for _ in range(15):
            started = time.monotonic()
            seen.append(on_screen(page))
            page.keyboard.press("2")
            page.wait_for_timeout(max(0.0, 200 - 1000 * (time.monotonic() - started)))
        seen_next(page, seen)
        assert trouble == []
    assert len(set(seen)) > 1
    assert named(labels) == sorted({*before, *seen})


def test_a_held_key_and_double_strikes_store_one_label(shown: Shown, labels: LabelStore) -> None:
    before = named(labels)
    with opened(shown.browser, f"{shown.url}/review") as (page, trouble):
        seen = [on_screen(page)]
        for _ in range(25):  # the second and later ones are the repeats of a held key
            page.keyboard.down("3")
            page.wait_for_timeout(30)
        page.keyboard.up("3")
        seen_next(page, seen)
        for key in ("1", "2"):
            seen.append(on_screen(page))
            page.keyboard.press(key)
            page.keyboard.press(key)
            seen_next(page, seen)
        seen.append(on_screen(page))
        page.locator(".st-key-keys button").first.dblclick()
        seen_next(page, seen)
        assert named(labels) == sorted({*before, *seen})
        assert len(set(seen)) == 4
        assert trouble == []


def test_a_reload_keeps_progress_and_undo(shown: Shown, labels: LabelStore) -> None:
    before = named(labels)
    with opened(shown.browser, f"{shown.url}/review") as (page, trouble):
        image = on_screen(page)
        press(page, "2")
        expect(page.get_by_text("1 labelled")).to_be_visible()
        page.reload()
        settled(page)
        expect(page.get_by_text("1 labelled")).to_be_visible()
        press(page, "u")
        assert on_screen(page) == image
        assert named(labels) == before
        assert trouble == []


def test_two_tabs_show_different_images(shown: Shown, labels: LabelStore) -> None:
    with (
        opened(shown.browser, f"{shown.url}/review") as (page, _),
        opened(shown.browser, f"{shown.url}/review") as (other, _),
    ):
        for _ in range(3):
            assert on_screen(page) != on_screen(other)
            press(page, "1")
            press(other, "1")


def test_the_second_sees_that_an_image_is_done(shown: Shown, labels: LabelStore) -> None:
    """Somebody at another server labels the image that is on the screen."""
    with opened(shown.browser, f"{shown.url}/review") as (page, _):
        image = on_screen(page)
        press(page, "1")
        (row,) = (one for one in labels.current().iter_rows(named=True) if named_row(one) == image)
        press(page, "u")
        place = {name: row[name] for name in ("object_key", "member", "ordinal", "line", "date", "coil")}
        labels.add([Label(row["image"], "patches", "ben", "review", **place)], classes=["patches"])
        count = labels.history(row["image"]).height
        press(page, "2")
        expect(page.get_by_text("Somebody else has labelled that image meanwhile")).to_be_visible()
        assert labels.history(row["image"]).height == count
        assert on_screen(page) != image


def named_row(row: dict[str, object]) -> str:
    return f"{row['object_key']} {row['member'] or ''}".strip()


def test_an_unusable_name_is_said_beside_the_field(shown: Shown) -> None:
    with opened(shown.browser, f"{shown.url}/review") as (page, trouble):
        for name in ("", "a/b"):
            press(page, "n")
            page.keyboard.type(name)
            press(page, "Enter")
            form = page.get_by_test_id("stForm")
            expect(form.get_by_test_id("stAlert")).to_be_visible()
            press(page, "Escape")
        assert trouble == []
