"""The dashboard beside the real service: a retraining that is started on a page shows its progress, and ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("prefect")

from browser import browser, free_port, needs_chromium, opened
from playwright.sync_api import expect
from up import Up

from steelflow.labels import Label, LabelStore
from steelflow.retrain import records
from steelflow.service.state import running
from steelflow.store.local import LocalStore
from steelflow.synth import CLASSES, PlantSpec, labelled

pytestmark = [pytest.mark.slow, needs_chromium]
SETTINGS = """\
home = "{home}"
night.cron = "0 0 1 1 *"
selection.arch = "steelnet_s"
retrain.epochs = 40
retrain.min_labels = 10
dashboard.port = {port}
dashboard.local_user = "anna"
"""
PATIENCE = 240_000  # milliseconds


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A plant with labels and no night, on embedded storage."""
    up = Up(tmp_path)
    up.config.write_text(SETTINGS.format(home=up.home, port=free_port()))
    LocalStore(up.home / "objects" / "steelflow-images", create=True).put("line=L1/note.txt", b"no image")
    labels = LabelStore(LocalStore(up.home / "objects" / "steelflow-reports" / "labels", create=True))
    plant = PlantSpec(lines=("L1",), nights=1, size=64)
    labels.add(
        [Label(labels.images.put(data), path.partition("/")[0], "ann", "import") for path, data in labelled(plant, 30)],
        new_classes=CLASSES,
    )
    yield up
    if up.process is not None and up.process.poll() is None:
        up.end(signal.SIGTERM)


@pytest.mark.timeout(1200)
def test_a_retraining_started_on_the_page_shows_progress_and_ends(up: Up) -> None:
    up.start()
    assert running(up.settings) is not None
    up.wait("the deployments", lambda: "retrain" in up.deployments())
    link = re.search(r"dashboard (\S+)", up.output())
    assert link is not None
    with browser() as started, opened(started, link[1].replace("/?", "/runs?")) as (tab, trouble):
        tab.get_by_role("button", name="Retrain").click()
        tab.get_by_role("textbox", name="Reason").fill("a new grade")
        tab.get_by_role("textbox", name="Reason").press("Enter")
        tab.get_by_test_id("stPopoverBody").get_by_role("button", name="Start").click()
        expect(tab.get_by_text(re.compile("retrain was started"))).to_be_visible(timeout=PATIENCE)
        expect(tab.get_by_role("progressbar")).to_be_visible(timeout=PATIENCE)
        expect(tab.get_by_role("progressbar")).to_be_hidden(timeout=PATIENCE)
        assert trouble == []
    (record,) = records(LocalStore(up.home / "objects" / "steelflow-reports" / "registry"))
    assert (record.who, record.reason) == ("anna", "a new grade")
    assert record.state in ("promoted", "refused")
    (run,) = up.runs()
    assert run.state_name == "Completed", up.logs()


@pytest.mark.timeout(120)
def test_an_interrupt_that_reaches_the_command_alone_stops_the_dashboard(tmp_path: Path) -> None:
    config = tmp_path / "steelflow.toml"
    config.write_text(f'home = "{tmp_path / "home"}"\n')
    command = [str(Path(sys.executable).with_name("steelflow")), "--config", str(config), "dashboard", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "http://127.0.0.1" in line)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
