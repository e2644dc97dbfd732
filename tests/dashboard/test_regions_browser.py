"""Review of frames in a real browser: by keyboard, and a box dragged with the pointer."""

from __future__ import annotations

from pathlib import Path

import browser
import pytest
from frame_plants import NIGHT, TEMPLATE, frame_settings, write_frames
from strip import level_model

from steelflow.labels import open_labels
from steelflow.night.run import inspect_night

pytestmark = [pytest.mark.slow, browser.needs_chromium]


@pytest.mark.parametrize("screen", [1440, 390])
def test_regions_are_labelled_by_keyboard_and_drawn_with_the_pointer(screen: int, tmp_path: Path) -> None:
    model = level_model(tmp_path / "levels.onnx")
    settings = frame_settings(write_frames(tmp_path / "images"), tmp_path / "report", model)
    inspect_night(settings, NIGHT)
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f"home = '{settings.home}'\n[archive]\nuri = '{settings.archive.uri}'\ntemplate = '{TEMPLATE}'\n"
        f"[report]\nuri = '{settings.report.uri}'\n[model]\nref = '{model}'\n"
    )
    with (
        browser.dashboard(config, tmp_path / "log") as url,
        browser.browser() as started,
        browser.opened(started, f"{url}/review") as (tab, trouble),
    ):
        tab.set_viewport_size({"width": screen, "height": 900})
        browser.press(tab, "y")
        browser.press(tab, "d")
        box = tab.locator('[data-testid="stVegaLiteChart"] canvas, [data-testid="stVegaLiteChart"] svg').bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= screen
        scale = box["width"] / 400  # the frames have 400×96 pixels
        tab.mouse.move(box["x"] + 200 * scale, box["y"] + 29 * scale)
        tab.mouse.down()
        tab.mouse.move(box["x"] + 240 * scale, box["y"] + 58 * scale, steps=8)
        tab.mouse.up()
        browser.settled(tab)
        tab.locator(".st-key-save-box button").click()
        browser.settled(tab)
        assert trouble == []
    rows = open_labels(settings).regions()
    assert rows["verdict"].to_list() == ["confirmed", "drawn"]
    drawn = rows.row(1, named=True)
    assert drawn["x"] == pytest.approx(200, abs=12)
    assert drawn["width"] == pytest.approx(40, abs=8)
    assert drawn["y"] == pytest.approx(0.3 * 96, abs=3)
    assert drawn["height"] == pytest.approx(0.3 * 96, abs=3)
