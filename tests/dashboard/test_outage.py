"""What the dashboard says while storage or Prefect is away, and that it needs no restart once they are back."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest
from browser import answering, browser, dashboard, free_port, listening, needs_chromium, opened, press, settled
from plants import IN_S3, make_plant, work
from playwright.sync_api import Page, expect

from steelflow.config import load_settings
from steelflow.labels import open_labels
from steelflow.store.embedded import serving

pytestmark = [pytest.mark.slow, needs_chromium]
PAGES = {"": "Tonight", "defects": "Defects", "images": "Images", "review": "Review"}
AWAY = "The storage does not answer"
OWN_S3 = """
[store]
endpoint = "http://127.0.0.1:{port}"
access_key = "anna"
secret_key = "not a real one"
"""
PATIENCE = 120.0  # seconds: longer than anything is cached


class Storage:
    """An S3 server at one address, over a folder, that can be taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        for bucket in ("images", "reports"):
            (folder / bucket).mkdir(parents=True)
        self.start()

    def start(self) -> None:
        program = Path(sys.executable).parent / "rclone"
        command = [program, "serve", "s3", self.folder, "--addr", f"127.0.0.1:{self.port}", "--dir-cache-time", "5s"]
        keys = {"RCLONE_AUTH_KEY": '"anna,not a real one"', "RCLONE_CONFIG": ""}
        self.process = Popen(command, env={**os.environ, **keys}, stdout=DEVNULL, stderr=DEVNULL)
        listening(self.port)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def test_storage_at_a_fixed_address_goes_and_comes_back(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "objects")
    config = tmp_path / "steelflow.toml"
    config.write_text(IN_S3.format(home=tmp_path / "home") + OWN_S3.format(port=storage.port))
    settings = load_settings(config)
    try:
        work(settings, make_plant(tmp_path / "plant"))
        with (
            dashboard(config, tmp_path / "dashboard.log") as url,
            browser() as started,
            opened(started, f"{url}/review") as (review, of_review),
            opened(started, f"{url}/images") as (images, of_images),
            opened(started, url) as (page, trouble),
        ):
            storage.stop()
            press(review, "2")
            expect(review.get_by_text(AWAY).first).to_be_visible()
            images.locator('[class*="st-key-look-"] button').first.click()
            expect(images.get_by_text(AWAY).first).to_be_visible()
            for name in PAGES:
                away(page, f"{url}/{name}")
            storage.start()
            for name in PAGES:
                page.goto(f"{url}/{name}")
                works(page, PAGES[name])
            review.reload()
            works(review, "Review")
            press(review, "2")
            assert open_labels(settings).current().height == 1
            images.reload()
            works(images, "Images")
            assert (trouble, of_review, of_images) == ([], [], [])
    finally:
        storage.stop()


def test_embedded_storage_that_dies_is_started_again(tmp_path: Path) -> None:
    config = tmp_path / "steelflow.toml"
    config.write_text(IN_S3.format(home=tmp_path / "home"))
    with serving(load_settings(config)) as settings:
        work(settings, make_plant(tmp_path / "plant"))
    running = settings.home / "s3" / "server.json"
    with (
        dashboard(config, tmp_path / "dashboard.log") as url,
        browser() as started,
        opened(started, f"{url}/review") as (page, trouble),
    ):
        before = json.loads(running.read_text())
        os.kill(before["pid"], signal.SIGKILL)
        press(page, "2")
        expect(page.get_by_text(AWAY).first).to_be_visible()
        press(page, "2")
        for name in PAGES:
            page.goto(f"{url}/{name}")
            works(page, PAGES[name])
        assert json.loads(running.read_text())["port"] != before["port"]
        assert trouble == []
    with serving(load_settings(config)) as settings:
        assert open_labels(settings).current().height == 1


def test_prefect_comes_and_goes(tmp_path: Path) -> None:
    pytest.importorskip("prefect")
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f'home = "{tmp_path}/home"\narchive.uri = "{tmp_path}/images"\nreport.uri = "{tmp_path}/report"\n'
    )
    port = free_port()
    server = ("-m", "prefect", "server", "start", "--port", str(port))
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    with (
        dashboard(config, tmp_path / "dashboard.log", api) as url,
        browser() as started,
        opened(started, f"{url}/runs") as (runs, of_runs),
        opened(started, url) as (tonight, of_tonight),
    ):
        down = [runs.get_by_text("start it with"), tonight.get_by_text("Prefect does not answer")]
        for message in down:
            expect(message).to_be_visible()
        health = f"http://127.0.0.1:{port}/api/health"
        with answering(server, tmp_path / "prefect.log", health, environment):
            expect(runs.get_by_text("No run yet.")).to_be_visible(timeout=1000 * PATIENCE)
            for message in down:
                expect(message).to_be_hidden(timeout=1000 * PATIENCE)
        for message in down:
            expect(message).to_be_visible(timeout=1000 * PATIENCE)
        assert (of_runs, of_tonight) == ([], [])


def away(page: Page, url: str) -> None:
    """The page says that storage is away, once it has nothing left that it keeps for a while."""
    deadline = time.monotonic() + PATIENCE
    page.goto(url)
    settled(page)
    while not page.get_by_text(AWAY).count():
        assert time.monotonic() < deadline
        page.reload()
        settled(page)
    assert page.get_by_test_id("stException").count() == 0
    assert "Traceback" not in page.content()


def works(page: Page, name: str) -> None:
    settled(page)
    expect(page.locator("h1").first).to_have_text(name)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
