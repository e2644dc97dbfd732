"""A small synthetic plant on disk or in S3, and settings that point to it."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl

from steelflow.config import ArchiveSettings, ModelSettings, ReportSettings, Settings
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry
from steelflow.report.daily import write_daily
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.synth import PlantSpec, write_plant

NIGHT = dt.date(2026, 11, 1)
SPEC = PlantSpec(seed=3, lines=("L1", "L2"), start=NIGHT, nights=2, coils=4, images=12, broken=3)
# Two lines, four coils of twelve images and three broken files each; two of the four coils are shards.
FOUND = 2 * (4 * 12 + 3)
FAILED = 2 * 3
UNITS = 2 * 3  # per line: one bucket of loose images, two shards
EVIL = "<img src=x onerror=alert(1)>"
IN_S3 = """\
home = "{home}"
[archive]
uri = "s3://images"
[report]
uri = "s3://reports"
[model]
batch_size = 16
workers = 2
[drift]
min_images = 50
[dashboard]
local_user = "anna"
"""


def make_plant(folder: Path) -> Path:
    def put(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    write_plant(SPEC, put, per_class=2)
    return folder / "images"


def local_settings(archive: Path, report: Path, **model: object) -> Settings:
    return Settings(
        home=report.parent / "home",
        archive=ArchiveSettings(uri=str(archive)),
        report=ReportSettings(uri=str(report)),
        model=ModelSettings.model_validate({"batch_size": 16, "workers": 2, **model}),
    )


def work(settings: Settings, images: Path) -> None:
    """Put the plant of ``make_plant`` into the archive, with a coil and a file whose names are HTML; inspect its
    nights, and register two models, of which none is champion."""
    archive = open_store(settings.archive.uri, settings.store)
    for path in sorted(images.rglob("*")):
        if path.is_file():
            archive.put(str(path.relative_to(images)), path.read_bytes())
    some = sorted(images.rglob("*_00001.jpg"))[0]
    # One byte more: a label belongs to an image's bytes, and no other place has these.
    archive.put(f"line=L1/date={NIGHT}/coil={EVIL}/{EVIL}.jpg", some.read_bytes() + b"\0")
    for night in range(SPEC.nights):
        inspect_night(settings, NIGHT + dt.timedelta(days=night))
    write_daily(open_store(settings.report.uri, settings.store))
    for name in ("steelnet", "ssdc_mininet"):
        open_registry(settings).register(name, who="ann", reason=EVIL)


def rows_of(settings: Settings, night: dt.date = NIGHT) -> pl.DataFrame:
    """All rows of a night in a fixed order, without the two columns that tell one run from another."""
    reader = ReportReader(open_store(settings.report.uri, settings.store))
    frame = reader.images([night]).drop("run_id", "inferred_at").collect()
    return frame.select(sorted(frame.columns)).sort("object_key", "member", "ordinal", nulls_last=True)


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file below a folder with what would betray a change."""
    stats = {str(path.relative_to(folder)): path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats.items()}


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to
