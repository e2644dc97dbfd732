"""The plant of `steelflow demo` and its events.

It has three lines and four nights. From the third night on, the lamps of L2 have aged and L3 rolls another grade.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steelflow.config import Settings
from steelflow.labels.review import queue
from steelflow.night.run import NightResult
from steelflow.report.good import is_defect
from steelflow.report.reader import ReportReader
from steelflow.retrain import RetrainResult, Trigger, retrain
from steelflow.store import open_store
from steelflow.synth.camera import Camera
from steelflow.synth.folders import fresh_folder, write_file
from steelflow.synth.person import Person
from steelflow.synth.plant import TEMPLATE, PlantSpec, PlantSummary, write_plant
from steelflow.synth.textures import CLASSES

DATES = tuple(dt.date(2026, 11, 16) + dt.timedelta(days=night) for night in range(4))
PLANT = PlantSpec(
    seed=7,
    lines=("L1", "L2", "L3"),
    start=DATES[0],
    nights=len(DATES),
    coils=10,
    images=52,
    sharded=0.5,
    broken=3,
    cameras={("L2", date): Camera(gain=0.3) for date in DATES[2:]},
    mixes={("L3", date): dict.fromkeys(CLASSES, 1.0) | {"scratches": 4.0} for date in DATES[2:]},
)
WHO = "demo"
_PER_CLASS = 120
_GOLDEN = 40  # per class
_REVIEWED = 240
_THREADS = 8
_IMAGES = "images/"  # files below this prefix go to the archive

_CONFIG = """\
# Written by `steelflow demo`. To continue: steelflow --config {file} nightly --date {date}
home = "{home}"

[archive]
uri = "s3://plant-images"
template = "{template}"

[report]
uri = "s3://plant-reports"

[drift]
reference_nights = 2

[retrain]
epochs = 40
cooldown_hours = 0
"""

Tell = Callable[[str], None]


def begin(out: Path) -> Path:
    """Empty the folder ``out`` and write the plant's configuration file there. Returns its path.

    Raises:
        ConfigError: the folder is not empty and was not made by the demo.
    """
    config = out / "steelflow.toml"
    fresh_folder(out, config.name, "steelflow demo", "the demo")
    config.write_text(_CONFIG.format(file=config, home=out, date=DATES[0], template=TEMPLATE))
    return config


def make_plant(out: Path, settings: Settings, tick: Callable[[int], None]) -> PlantSummary:
    """Write the plant's images to the archive of the settings, and ``truth.csv`` to ``out``."""
    archive = open_store(settings.archive.uri, settings.store)
    puts: list[Future[object]] = []
    with ThreadPoolExecutor(_THREADS) as pool:

        def put(key: str, data: bytes) -> None:
            if key.startswith(_IMAGES):
                puts.append(pool.submit(archive.put, key.removeprefix(_IMAGES), data))
            else:
                write_file(out / key, data)
            tick(1)

        made = write_plant(PLANT, put, per_class=0)
        for future in puts:
            future.result()
    return made


@dataclass(frozen=True, slots=True)
class FirstChampion:
    """Numbers of labelled images and golden images, and the result of the training."""

    labelled: int
    golden: int
    result: RetrainResult


def first_champion(settings: Settings, person: Person, tell: Tell) -> FirstChampion:
    """Label the plant's first images, choose a golden set, train and promote."""
    labelled, golden = person.begin(_PER_CLASS), person.choose_golden(_GOLDEN)
    return FirstChampion(labelled, golden, _retrain(settings, "manual", "the first model of this plant", tell))


def review(settings: Settings, person: Person, night: dt.date) -> tuple[int, dict[str, int]]:
    """Label the first images of a night in the queue. Returns their number, and the numbers by reason."""
    wanted = queue(_reader(settings), person.looked_at(), _REVIEWED, dates=[night])
    reasons = dict(wanted.group_by("reason").len().sort("reason").iter_rows())
    return person.review(wanted), reasons


def retrain_for_drift(settings: Settings, night: NightResult, tell: Tell) -> RetrainResult:
    """Retrain for the first reason of the night's drift."""
    return _retrain(settings, "drift", night.drift.reasons[0] if night.drift else "drift", tell)


def accuracies(settings: Settings, person: Person, night: dt.date) -> dict[str, float]:
    """Accuracy of the readable images of each line."""
    return {line: person.accuracy(_reader(settings), night, line) for line in PLANT.lines}


def standing_out(reader: ReportReader) -> list[dict[str, object]]:
    """The coil of each line with the largest share of one class of defects: line, coil, date, label and share."""
    good = reader.summary().filter(pl.col("status") == "ok")
    share = pl.col("images") / pl.col("images").sum().over("date", "line", "coil")
    ranked = (
        good.with_columns(share=share)
        .filter(is_defect())
        .sort("share", descending=True)
        .group_by("line", maintain_order=True)
        .first()
    )
    return ranked.sort("line").to_dicts()


def failures(reader: ReportReader) -> dict[str, int]:
    """How many images could not be judged, by code."""
    codes = reader.failures().with_columns(pl.col("error").str.split(":").list.first())
    return dict(codes.group_by("error").len().sort("error").iter_rows())


def _retrain(settings: Settings, trigger: Trigger, reason: str, tell: Tell) -> RetrainResult:
    return retrain(settings, trigger=trigger, reason=reason, who=WHO, tell=tell)


def _reader(settings: Settings) -> ReportReader:
    return ReportReader(open_store(settings.report.uri, settings.store))
