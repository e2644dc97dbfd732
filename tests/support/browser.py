"""A dashboard in its own process, and a real browser: for tests and for the screenshots."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from paths import ROOT
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard.auth.gate import cookie_name
from steelflow.config import Settings, load_settings
from steelflow.service import sessions

WIDTH, HEIGHT = 1440, 900
expect.set_options(timeout=120_000)  # milliseconds: a machine may be busy
_PATIENCE = 120.0  # seconds
_homes: dict[str, Path] = {}  # of the dashboards that run, by host and port
Theme = Literal["light", "dark"]
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass(frozen=True)
class Shown:
    """A dashboard at ``url`` over ``settings``, and a browser to look at it."""

    settings: Settings
    url: str
    browser: Browser


def chromium() -> str | None:
    return shutil.which("chromium")


NO_CHROMIUM = "needs Chromium: apt-get install chromium"
needs_chromium = pytest.mark.skipif(chromium() is None, reason=NO_CHROMIUM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> None:
    """Wait until a server listens there."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def dashboard(
    config: Path, log: Path, environment: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[str]:
    """A running dashboard over the settings in ``config``, with more in its environment; yields its address."""
    port = port or free_port()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "STREAMLIT_"))}
    ours |= {"STEELFLOW_CONFIG": str(config), **(environment or {})}
    arguments = ("-m", "dashboard", "--server.port", str(port))
    url = f"http://127.0.0.1:{port}"
    _homes[_host(url)] = load_settings(config).home
    with answering(arguments, log, f"{url}/_stcore/health", ours):
        yield url


@contextlib.contextmanager
def answering(
    arguments: Sequence[str], log: Path, health: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A Python process that answers at ``health``, until the context is left."""
    with log.open("wb") as out:
        command = [sys.executable, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not _healthy(health):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _healthy(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
        return bool(answer.status == 200)
    return False


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=list(_QUIET))
        try:
            yield started
        finally:
            started.close()


class Trouble(list[str]):
    """The faults of a page: console errors, exceptions, and requests to other hosts."""


@contextlib.contextmanager
def opened(
    browser: Browser, url: str, theme: Theme = "light", hosts: Sequence[str] = ()
) -> Iterator[tuple[Page, Trouble]]:
    """A new tab at ``url``, settled, with everything that it complained of. It asks its own host, and ``hosts``. A
    dashboard of ours was opened by its link before."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme)
    if (home := _homes.get(_host(url))) is not None:
        context.add_cookies([session(home, url)])
    trouble = Trouble()
    page = context.new_page()
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    known = {_host(url), *hosts, ""}  # a data: address has no host
    page.on("request", lambda asked: None if _host(asked.url) in known else trouble.append(f"asked for {asked.url}"))
    try:
        page.goto(url)
        settled(page)
        yield page, trouble
    finally:
        context.close()


def session(home: Path, url: str) -> dict[str, str]:
    """The cookie of somebody who has opened a link of the dashboard at ``url``."""
    token = sessions.new_link(home, url).partition("token=")[2]
    value = sessions.open_link(home, token)
    assert value is not None
    host, _, port = _host(url).partition(":")
    return {"name": cookie_name(int(port)), "value": value, "domain": host, "path": "/"}


def settled(page: Page) -> None:
    """Wait until the page has been drawn and nothing runs any more."""
    page.wait_for_selector('[data-testid="stMain"]', timeout=120_000)
    page.wait_for_timeout(300)
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid="stApp"]');
            return app && app.getAttribute('data-test-script-state') === 'notRunning'
                && !document.querySelector('[data-testid="stSkeleton"]')
                && !document.querySelector('[data-stale="true"]')
                && [...document.querySelectorAll('.st-key-picture img')].every((one) => one.complete);
        }""",
        timeout=120_000,
    )
    page.wait_for_timeout(700)  # charts are drawn in the next frames


def _host(url: str) -> str:
    """Name and port; of what a page has made itself, the page's own."""
    return urlsplit(url.removeprefix("blob:")).netloc


def press(page: Page, key: str) -> None:
    page.keyboard.press(key)
    settled(page)


def change(page: Page, what: str, reason: str) -> None:
    page.locator(f".st-key-{what} button").click()
    settled(page)
    expect(page.locator(f".st-key-{what}-now button")).to_be_disabled()
    confirm(page, what, reason)


def confirm(page: Page, what: str, reason: str) -> None:
    page.locator(f".st-key-{what}-reason input").fill(reason)
    page.keyboard.press("Tab")
    settled(page)
    page.locator(f".st-key-{what}-sure label").click()
    settled(page)
    page.locator(f".st-key-{what}-now button").click()
    settled(page)
