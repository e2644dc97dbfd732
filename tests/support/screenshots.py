"""Every page, light and dark, at 1440×900, on a phone and on paper, over a plant of thirty nights in the embedded S3:
``make screenshots``.

    python tests/screenshots.py OUT [FOLDER]      pictures go to OUT; the plant is kept in FOLDER, and used again

On the last nights the lamps of L2 have aged and L3 rolls another grade: the pages have something to tell.
"""

from __future__ import annotations

import datetime as dt
import random
import sys
import tempfile
from pathlib import Path
from typing import Literal

from browser import browser, dashboard, opened, settled
from paths import ROOT
from playwright.sync_api import Page

from steelflow.config import Settings, load_settings
from steelflow.labels.review import queue
from steelflow.night.run import inspect_night
from steelflow.report.daily import write_daily
from steelflow.report.reader import ReportReader
from steelflow.retrain import retrain
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.synth import TEMPLATE, Camera, PlantSpec
from steelflow.synth.person import Person
from steelflow.synth.plant import objects

PAGES = ("tonight", "defects", "coil", "images", "review", "drift", "classes", "models", "runs")
Look = Literal["light", "dark", "phone", "print"]
LOOKS: tuple[Look, ...] = ("light", "dark", "phone", "print")
_WHERE = {"tonight": "", "runs": "runs?tab=Nights"}  # without a service there is nothing under way
APP_PAGES = ROOT / "dashboard" / "app_pages"
_DATES = tuple(dt.date(2026, 10, 22) + dt.timedelta(days=day) for day in range(30))
_USUAL = {
    "crazing": 0.6,
    "inclusion": 1.2,
    "patches": 1.0,
    "pitted_surface": 0.8,
    "rolled-in_scale": 1.1,
    "scratches": 1.4,
}
_SPEC = PlantSpec(
    seed=11,
    lines=("L1", "L2", "L3"),
    start=_DATES[0],
    nights=len(_DATES),
    coils=14,
    images=18,
    sharded=0.4,
    broken=2,
    mix=_USUAL,
    dominance=0.3,
    cameras={("L2", date): Camera(gain=0.35) for date in _DATES[-4:]},
    mixes={("L3", date): {**_USUAL, "scratches": 4.5} for date in _DATES[-2:]},
)
_CONFIG = """\
home = "{home}"
[archive]
uri = "s3://plant-images"
template = "{template}"
[report]
uri = "s3://plant-reports"
[night]
timezone = "Europe/Berlin"
[drift]
min_images = 100
[retrain]
epochs = 30
cooldown_hours = 0
[dashboard]
title = "Example steel works"
local_user = "anna"
"""


def make_plant(settings: Settings) -> None:
    """Write the archive, coils of unlike length, and inspect every night of it."""
    archive = open_store(settings.archive.uri, settings.store)
    chance = random.Random(4)
    share: dict[str, float] = {}
    for key, data in objects(_SPEC):
        night = key.rsplit("/", 2)[0]
        kept = share.setdefault(night, min(1.0, max(0.2, chance.gauss(0.6, 0.2))))
        if not key.endswith(".jpg") or chance.random() < kept:
            archive.put(key, data)
    person = Person(settings, _SPEC)
    person.begin(100)
    person.choose_golden(40)
    retrain(settings, trigger="manual", reason="the first model of this plant", who="anna")
    for date in _DATES:
        inspect_night(settings, date)
        sys.stdout.write(f"{date}\n")
    reader = ReportReader(open_store(settings.report.uri, settings.store))
    person.review(queue(reader, person.looked_at(), 150, dates=_DATES[-2:]))
    retrain(settings, trigger="drift", reason="the lamps of L2 have aged", who="anna")
    write_daily(open_store(settings.report.uri, settings.store))


def main(out: Path, folder: Path) -> None:
    config = folder / "steelflow.toml"
    folder.mkdir(parents=True, exist_ok=True)
    fresh = not config.exists()
    config.write_text(_CONFIG.format(home=folder.absolute() / "home", template=TEMPLATE))
    out.mkdir(parents=True, exist_ok=True)
    with serving(load_settings(config)) as settings:
        if fresh:
            make_plant(settings)
        with dashboard(config, folder / "dashboard.log") as url, browser() as started:
            for page in PAGES:
                if not (APP_PAGES / f"{page}.py").exists():
                    continue
                for look in LOOKS:
                    where = _WHERE.get(page, page)
                    with opened(started, f"{url}/{where}", "dark" if look == "dark" else "light") as (tab, trouble):
                        draw(tab, look, out / f"{page}-{look}.png")
                        sys.stdout.write(f"{page}-{look} {'; '.join(trouble)}\n")
                        sys.stdout.flush()


def draw(tab: Page, look: Look, file: Path) -> None:
    """A picture of a page. Pages longer than a phone's screen are cut at two of its screens."""
    if look == "phone":
        tab.set_viewport_size({"width": 390, "height": 1688})
    elif look == "print":
        tab.set_viewport_size({"width": 794, "height": 1123})  # A4 at 96 dots per inch
        tab.emulate_media(media="print")
    settled(tab)
    tab.screenshot(path=file, full_page=look == "print")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch) / "plant")
