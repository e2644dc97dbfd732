"""How time and memory grow with the images of a night, and with the nights of reports."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steelflow.bench import sources
from steelflow.bench.child import ran
from steelflow.bench.year import YearSpec, write_year
from steelflow.config import Settings
from steelflow.store.local import LocalStore
from steelflow.store.private import own_folder

SIZES = (10_000, 100_000, 1_000_000)
NIGHTS = (1, 30, 365)
NIGHT = dt.date(2026, 11, 1)  # the date in the layout of ``sources``
_YEAR_IMAGES = 300  # per line and night of the reports: their number decides, not their rows
_TAR = 600  # images: a night of a million has 1,667 of them

Say = Callable[[str], None]


def run_growth(
    settings: Settings, data: Path | None, sizes: Sequence[int], nights: Sequence[int], say: Say
) -> dict[str, Any]:
    """Nights of ``sizes`` images from tars and from loose files, each twice in processes of their own, and ``nights``
    of reports.

    ``runs`` has seconds by the clock and of the processor, the seconds of a second night over the same archive, and the
    peak of memory. ``exponents`` are the slopes of log processor time over log images, from the plan
    on: 1.00 is proportional. ``years`` has seconds for planning a night, for what Tonight says of it, for
    drift and for housekeeping.
    """
    images = sources.originals(data)
    runs = [_night(settings, kind, images, size, say) for size in sizes for kind in ("tars", "loose")]
    exponents = {
        kind: _exponent([(one["images"], one["inspecting"]) for one in runs if one["source"] == kind])
        for kind in ("tars", "loose")
    }
    return {
        "runs": runs,
        "exponents": {kind: found for kind, found in exponents.items() if found is not None},
        "years": [_year(settings, images, count, say) for count in nights],
    }


def _night(settings: Settings, kind: str, images: list[bytes], size: int, say: Say) -> dict[str, Any]:
    say(f"a night of {size:,} images: {kind}")
    with tempfile.TemporaryDirectory(prefix="steelflow-scale-") as scratch:
        root = Path(scratch)
        if kind == "tars":
            sources.write_linked_tars(root / "archive", images, size, min(_TAR, size))
        else:
            sources.write_loose(root / "archive", images, size)
        own_folder(root / "home")  # the model is measured once
        how = settings.model_dump_json(include={"model"})
        first, second = (ran(["-m", "steelflow.bench.growth", str(root), how]) for _ in range(2))
        told = json.loads(first.said)
    return {
        "source": kind,
        "images": told["images"],
        "wall": first.wall,
        "cpu": first.cpu,
        "inspecting": told["cpu"],
        "again": second.wall,
        "peak_mib": first.peak_mib,
    }


def _exponent(points: list[tuple[int, float]]) -> float | None:
    """The slope of a line through log-log points by least squares; None for fewer than two sizes."""
    if len({size for size, _ in points}) < 2:
        return None
    logs = np.log([[size, max(seconds, 1e-6)] for size, seconds in points])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def _year(settings: Settings, images: list[bytes], nights: int, say: Say) -> dict[str, Any]:
    say(f"{nights:,} nights of reports")
    with tempfile.TemporaryDirectory(prefix="steelflow-year-") as scratch:
        root = Path(scratch)
        (root / "report").mkdir()
        spec = YearSpec(start=NIGHT - dt.timedelta(days=nights - 1), nights=nights, images=_YEAR_IMAGES)
        write_year(LocalStore(root / "report"), spec)
        sources.write_tars(root / "archive", images[:20], 20)
        how = settings.model_dump_json(include={"model"})
        return {"nights": nights, **json.loads(ran(["-m", "steelflow.bench.growth", str(root), how, "year"]).said)}


def _own(root: Path, how: str) -> Settings:
    places: dict[str, Any] = {"archive": {"uri": str(root / "archive")}, "report": {"uri": str(root / "report")}}
    return Settings(home=root / "home", **places, **json.loads(how))


def _inspect(settings: Settings) -> dict[str, float]:
    """Images of the night, and the processor time of this process from the plan on."""
    from steelflow.inspection.pipeline import load_model
    from steelflow.night.run import inspect_night

    load_model(settings)
    started = time.process_time()
    result = inspect_night(settings, NIGHT)
    return {"images": result.found, "cpu": time.process_time() - started}


def _answers(settings: Settings) -> dict[str, float]:
    """Seconds by the clock of what is done with the reports of many nights."""
    from steelflow.errors import SteelflowError
    from steelflow.morning.trust import trust_of
    from steelflow.night.drift import check_drift
    from steelflow.night.housekeeping import tidy
    from steelflow.night.run import Night

    def plan() -> None:
        night = Night(settings, NIGHT)
        for partition in night.partitions:
            night.plan(partition)

    steps: dict[str, Callable[[], object]] = {
        "plan": plan,
        "tonight": lambda: trust_of(settings, NIGHT),
        "drift": lambda: check_drift(settings, NIGHT),
        "housekeeping": lambda: tidy(settings, NIGHT, dry_run=True),
    }
    seconds = {}
    for name, step in steps.items():
        started = time.perf_counter()
        try:
            step()
        except SteelflowError as exc:
            sys.stderr.write(f"{name}: {exc}\n")
            seconds[name] = math.nan
            continue
        seconds[name] = time.perf_counter() - started
    return seconds


if __name__ == "__main__":
    from steelflow.inspection.runtime import prepare

    prepare()
    given = _own(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.write(json.dumps(_answers(given) if sys.argv[3:] == ["year"] else _inspect(given)))
