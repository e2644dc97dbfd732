"""Fixtures that every room shares."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from steelflow.cli.output import state
from steelflow.config import StoreSettings, load_settings
from steelflow.store.embedded import embedded_s3, serving
from steelflow.store.s3 import S3Store

if TYPE_CHECKING:
    from browser import Shown

NEU_DIR = "STEELFLOW_NEU_DIR"

hypothesis_settings.register_profile("steelflow", deadline=None)  # a slow machine fails no test
hypothesis_settings.load_profile("steelflow")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not use the developer's settings and credentials, nor the ``--config`` of an earlier test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "STEELFLOW_")) and not name.endswith("_DIR"):  # the folders of real images
            monkeypatch.delenv(name)
    monkeypatch.setattr(state, "config_file", None)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    """A real S3 server, for the whole session."""
    with embedded_s3(tmp_path_factory.mktemp("embedded")) as settings:
        yield settings


@pytest.fixture(scope="session")
def fresh_bucket(embedded: StoreSettings) -> Callable[[], S3Store]:
    """Makes a new, empty bucket in the embedded server with every call."""

    def make() -> S3Store:
        store = S3Store(f"test-{uuid.uuid4().hex}", "", embedded)
        store.make_bucket()
        return store

    return make


@pytest.fixture(scope="session")
def neu_dir() -> Path:
    """The folder of the NEU surface-defect images."""
    folder = os.environ.get(NEU_DIR)
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"needs the NEU images: set {NEU_DIR} to their folder")
    return Path(folder)


@pytest.fixture(scope="module")  # Playwright runs one browser at a time, and other modules start their own
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A dashboard over the plant of ``plants.work`` in the embedded S3, and a browser."""
    import browser
    import plants

    if browser.chromium() is None:
        pytest.skip(browser.NO_CHROMIUM)
    folder = tmp_path_factory.mktemp("shown")
    config = folder / "steelflow.toml"
    config.write_text(plants.IN_S3.format(home=folder / "home"))
    with serving(load_settings(config)) as settings:
        plants.work(settings, plants.make_plant(folder / "plant"))
        with browser.dashboard(config, folder / "dashboard.log") as url, browser.browser() as started:
            yield browser.Shown(settings, url, started)
