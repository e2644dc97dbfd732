"""A dashboard as its own process, and a real browser that looks at it: for tests and for the screenshots."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

WIDTH, HEIGHT = 1440, 900
Theme = Literal["light", "dark"]
_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def chromium() -> str | None:
    return shutil.which("chromium")


@contextlib.contextmanager
def dashboard(config: Path, log: Path) -> Iterator[str]:
    """A running dashboard over the settings in ``config``; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "dashboard", "--server.port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[1],
            env={**environment, "STEELFLOW_CONFIG": str(config)},
            stdout=out,
            stderr=out,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health", timeout=1) as answer:
                if answer.status == 200:
                    break
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=list(_QUIET))
        try:
            yield started
        finally:
            started.close()


class Trouble(list[str]):
    """What a page complained of: console errors, exceptions, and requests to anywhere but the dashboard."""


@contextlib.contextmanager
def opened(browser: Browser, url: str, theme: Theme = "light") -> Iterator[tuple[Page, Trouble]]:
    """A new tab at ``url``, settled, with everything that it complained of."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme)
    trouble = Trouble()
    page = context.new_page()
    page.on("console", lambda message: trouble.append(message.text) if _counts(message) else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    here = url.split("/", 3)[2]
    page.on("request", lambda asked: None if _ours(asked.url, here) else trouble.append(f"asked for {asked.url}"))
    try:
        page.goto(url)
        settled(page)
        yield page, trouble
    finally:
        context.close()


def settled(page: Page) -> None:
    """Wait until the page has been drawn and nothing runs any more."""
    page.wait_for_selector('[data-testid="stMain"]', timeout=60_000)
    page.wait_for_timeout(300)
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid="stApp"]');
            return app && app.getAttribute('data-test-script-state') === 'notRunning'
                && !document.querySelector('[data-testid="stSkeleton"]')
                && !document.querySelector('[data-stale="true"]');
        }""",
        timeout=60_000,
    )
    page.wait_for_timeout(700)  # charts are drawn in the next frames


def _counts(message: ConsoleMessage) -> bool:
    """An error, but for what Streamlit looks for below each page's own address before it finds its server's root."""
    return message.type == "error" and not message.location["url"].endswith(("_stcore/health", "_stcore/host-config"))


def _ours(url: str, here: str) -> bool:
    return url.startswith(("data:", "blob:")) or url.split("/", 3)[2] == here
