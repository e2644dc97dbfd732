"""The plant of `steelflow demo`: its settings, its archive, and what the cameras could have seen.

It has two lines and three nights of strip, most of it good. On the third night the lamps of L2 have aged.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steelflow.config import Settings
from steelflow.report.marks import read_marks
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store
from steelflow.synth.camera import Camera
from steelflow.synth.coils import Coil, coils
from steelflow.synth.folders import fresh_folder, write_file
from steelflow.synth.frame_spec import FRAME_TEMPLATE, FramePlantSpec
from steelflow.synth.frame_truth import truth_files
from steelflow.synth.frames import coil_objects
from steelflow.synth.score import Score, score

DATES = tuple(dt.date(2026, 11, 16) + dt.timedelta(days=night) for night in range(3))
PLANT = FramePlantSpec(
    seed=7,
    lines=("L1", "L2"),
    start=DATES[0],
    nights=len(DATES),
    coils=6,
    frames=22,
    marked=0.4,
    rolls={"pinch roll": 100.0, "leveller": 160.0},
    cameras={("L2", date): Camera(gain=0.6) for date in DATES[2:]},
)
WHO = "demo"
_THREADS = 2
_BACKGROUND = 24  # grey level: the pit beside the strip is darker
_EPOCHS = 25  # about 400 steps for the frames that the person labels
_VIEW = 256  # pixels; a view as high as a frame, so that one row of views covers it
_CONFIG = """\
# Written by `steelflow demo`. Look into the plant with these settings:
#   steelflow --config {file} dashboard
#   steelflow --config {file} rolls --date {date}
home = "{home}"

[archive]
uri = "s3://plant-images"
template = "{template}"

[report]
uri = "s3://plant-reports"

[frame]
view = {view}
mm_across = {mm}
mm_along = {mm}
background = {background}

{cameras}{rolls}[drift]
reference_nights = 2

[retrain]
epochs = {epochs}
"""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What ``make_plant`` wrote: objects and bytes of the archive, and the lists of frames and of defects."""

    objects: int
    bytes: int
    frames: pl.DataFrame
    truth: pl.DataFrame


def begin(out: Path, plant: FramePlantSpec = PLANT) -> Path:
    """Empty the folder ``out`` and write the plant's configuration file there. Returns its path.

    Raises:
        ConfigError: the folder is not empty and was not made by the demo.
    """
    config = out / "steelflow.toml"
    fresh_folder(out, config.name, "steelflow demo", "the demo")
    cameras = {camera: plant.across_mm(camera) for camera, _ in plant.eyes}
    config.write_text(
        _CONFIG.format(
            file=config,
            home=out,
            date=plant.dates[0],
            template=FRAME_TEMPLATE,
            view=_VIEW,
            mm=plant.mm,
            background=_BACKGROUND,
            epochs=_EPOCHS,
            rolls="".join(
                f'[[rolls]]\nname = "{name}"\ndiameter_mm = {size:g}\n\n' for name, size in plant.rolls.items()
            ),
            cameras="".join(f"[frame.cameras.{name}]\nacross_mm = {place:g}\n\n" for name, place in cameras.items()),
        )
    )
    return config


def make_plant(out: Path, settings: Settings, tick: Callable[[int], None], plant: FramePlantSpec = PLANT) -> Made:
    """Write the frames to the archive of the settings, and ``truth/`` and ``frames/`` to ``out``."""
    archive = open_store(settings.archive.uri, settings.store, create=True)

    def make(coil: Coil) -> tuple[int, int]:
        objects = size = 0
        for key, data in coil_objects(plant, coil):
            archive.put(key, data)
            objects, size = objects + 1, size + len(data)
        tick(1)
        return objects, size

    with ThreadPoolExecutor(_THREADS) as pool:
        counts = list(pool.map(make, coils(plant)))
    tables: dict[str, list[pl.DataFrame]] = {"frames": [], "truth": []}
    for path, data in truth_files(plant):
        write_file(out / path, data)
        tables[path.partition("/")[0]].append(pl.read_parquet(io.BytesIO(data)))
    return Made(
        objects=sum(objects for objects, _ in counts),
        bytes=sum(size for _, size in counts),
        frames=pl.concat(tables["frames"]),
        truth=pl.concat(tables["truth"]),
    )


def scored(settings: Settings, made: Made, dates: Iterable[dt.date]) -> Score:
    """The regions of some nights against the truth."""
    nights = list(dates)
    regions = RegionReader(open_store(settings.report.uri, settings.store)).regions(nights).collect()
    frames = made.frames.filter(pl.col("date").is_in(nights))
    return score(regions, made.truth.filter(pl.col("date").is_in(nights)), frames, metres_of(frames))


def metres_of(frames: pl.DataFrame) -> float:
    """Metres of strip in a list of frames. Strip that several cameras or both sides show counts once."""
    once = frames.unique(["line", "date", "coil", "frame"])
    return float(once["length"].sum())


def marks(settings: Settings, made: Made, date: dt.date) -> tuple[pl.DataFrame, list[tuple[str, str, str]]]:
    """The roll marks that a night's report has, and line, coil and roll of those that are there."""
    found = read_marks(open_store(settings.report.uri, settings.store), [date])
    real = made.truth.filter(pl.col("date") == date, pl.col("roll_mark").is_not_null())
    return found, sorted(real.select("line", "coil", "roll_mark").unique().rows())


def failures(reader: ReportReader) -> dict[str, int]:
    """How many images could not be judged, by code."""
    codes = reader.failures().with_columns(pl.col("error").str.split(":").list.first())
    return dict(codes.group_by("error").len().sort("error").iter_rows())
