"""A small synthetic plant on disk, and settings that point to it."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl

from steelflow.config import ArchiveSettings, ModelSettings, ReportSettings, Settings
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.synth import PlantSpec, write_plant

NIGHT = dt.date(2026, 11, 1)
SPEC = PlantSpec(seed=3, lines=("L1", "L2"), start=NIGHT, nights=2, coils=4, images=12, broken=3)
# Two lines, four coils of twelve images and three broken files each; two of the four coils are shards.
FOUND = 2 * (4 * 12 + 3)
FAILED = 2 * 3
UNITS = 2 * 3  # per line: one bucket of loose images, two shards


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
