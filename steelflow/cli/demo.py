"""``steelflow demo``: a plant, a model without labels, a first classifier, in a few minutes and without any setup."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from steelflow.cli.first_models import first_classifier, model_of_good_strip
from steelflow.cli.output import counting, stderr, stdout, stepping
from steelflow.config import Settings, load_settings
from steelflow.night.run import NightResult, inspect_night
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.synth.demo import DATES, PLANT, WHO, Made, begin, failures, make_plant, marks, metres_of, scored
from steelflow.synth.reviewer import review
from steelflow.synth.score import Score

_MOST_SIGNALS = 3
_VERDICTS = {"alarm": "drift alarm", "warn": "drift warning", "none": "no drift", "insufficient": "no verdict"}


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that the demo makes.")] = Path(".demo"),
) -> None:
    """Make a synthetic plant of strip in an embedded S3, fit a model of good strip without labels, let a person mark
    what it points to, train a first classifier, and compare both with the truth."""
    config = begin(out)
    started = time.perf_counter()
    with serving(load_settings(config)) as settings:
        _chapter(1, "a plant: frames of strip, most of them good")
        with counting("photographing coils of") as tick:
            made = make_plant(out, settings, tick)
        _tell_plant(made, settings)
        _chapter(2, "day one: a model of good strip, without labels")
        with stepping("learning good strip") as show:
            version = model_of_good_strip(settings, DATES[0], out / "good-strip", show)
        stdout.print(f"{version.version} promoted: it knows good strip, and calls everything else an unknown defect")
        for date in DATES[:2]:
            _inspect(settings, date)
        _tell_failures(settings)
        before = _tell_score(settings, made, DATES[1])
        _chapter(3, "a person looks at what the model points to, and the first classifier is trained")
        _first_labels(settings, made)
        _chapter(4, "both nights again, with the classifier")
        for date in DATES[:2]:
            _inspect(settings, date)
        after = _tell_score(settings, made, DATES[1])
        _tell_difference(before, after)
        _tell_marks(settings, made, DATES[1])
        _chapter(5, "night three: the lamps of L2 have aged")
        _tell_drift(_inspect(settings, DATES[2]))
        _chapter(6, "rollback, and forward again")
        _back_and_forth(settings)
    _tell_places(out, config, time.perf_counter() - started)


def _chapter(number: int, title: str) -> None:
    stdout.rule(f"{number}  {title}", align="left")


def _tell_plant(made: Made, settings: Settings) -> None:
    defective = made.truth.select("object_key", "member", "ordinal").n_unique()
    stdout.print(
        f"{len(PLANT.lines)} lines, {PLANT.nights} nights, {PLANT.coils} coils per line and night: "
        f"{metres_of(made.frames):.0f} m of strip, {len(PLANT.eyes)} cameras per line\n"
        f"{made.frames.height:,} frames of {PLANT.width}×{PLANT.height} pixels, {defective:,} of them with a defect, "
        f"and {PLANT.broken * len(PLANT.lines) * PLANT.nights} broken files\n"
        f"{made.objects:,} objects (loose images and shards) in {settings.archive.uri}, {made.bytes / 1e6:.0f} MB"
    )


def _inspect(settings: Settings, date: dt.date) -> NightResult:
    with counting(f"night of {date}") as tick:
        result = inspect_night(settings, date, progress=lambda done: tick(done.counts.found))
    work = f"judged in {result.seconds:.0f} s" if result.done_units else "up to date, nothing to do"
    stdout.print(
        f"night of {date}, {result.model}: {result.found:,} found = {result.ok:,} ok + {result.failed} failed; "
        f"{result.regions} regions; {work}"
    )
    return result


def _tell_score(settings: Settings, made: Made, date: dt.date) -> Score:
    found = scored(settings, made, [date])
    stdout.print(
        f"against the truth: {found.found} of {found.total} defects found ({_share(found.recall)}), "
        f"{found.false_alarms} false alarms on {found.metres:.0f} m of strip "
        f"({found.false_alarms_per_100m:.0f} per 100 m)"
    )
    return found


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _tell_difference(before: Score, after: Score) -> None:
    """What the labels changed on the same night, by class."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for heading in ("defect", "there are", "found without labels", "with labels", "right class"):
        table.add_column(heading, justify="left" if heading == "defect" else "right")
    for label, one in after.classes.items():
        earlier = before.classes[label]
        table.add_row(label, f"{one.total}", f"{earlier.found}", f"{one.found}", f"{one.named}")
    stdout.print(table)
    stdout.print(
        f"recall {_share(before.recall)} without labels, {_share(after.recall)} with labels; false alarms per 100 m "
        f"of strip: {before.false_alarms_per_100m:.0f} without labels, {after.false_alarms_per_100m:.0f} with labels"
    )


def _tell_marks(settings: Settings, made: Made, date: dt.date) -> None:
    found, real = marks(settings, made, date)
    there = "; ".join(f"{line} {coil} {roll}" for line, coil, roll in real) or "none"
    stdout.print(f"marks that repeat along a coil ({there} by the truth):")
    for row in found.iter_rows(named=True):
        stdout.print(
            f"  {row['line']} {row['coil']} {row['side'] or ''} at {row['across_mm']:.0f} mm across: {row['count']} of "
            f"{row['expected']} marks, period {row['period_mm']:.1f} mm, {row['roll'] or 'no roll of the settings'}"
        )


def _first_labels(settings: Settings, made: Made) -> None:
    regions = RegionReader(open_store(settings.report.uri, settings.store)).regions([DATES[0]]).collect()
    truth, frames = (table.filter(pl.col("date") == DATES[0]) for table in (made.truth, made.frames))
    seen = review(settings, regions, truth, frames)
    stdout.print(
        f"{seen.frames} frames seen, {seen.labels} labels: {seen.confirmed} regions confirmed, {seen.rejected} called "
        f"good, {seen.drawn} defects drawn that the model had missed; {seen.good} frames are good"
    )
    with stderr.status("retraining") as status:
        result = first_classifier(settings, lambda text: status.update(text))
    stdout.print(f"{result.state} after {result.seconds:.0f} s: {result.text}")


def _tell_drift(result: NightResult) -> None:
    drift = result.drift
    assert drift is not None, "the night is complete"
    for line in drift.lines:
        stdout.print(f"{_VERDICTS[line.verdict]} on {line.line}: {line.reason}")
        moved = [one for one in drift.signals if one["line"] == line.line and one["breach"]]
        for one in moved[:_MOST_SIGNALS]:
            stdout.print(f"  {one['text']}")


def _tell_failures(settings: Settings) -> None:
    reader = ReportReader(open_store(settings.report.uri, settings.store))
    listed = ", ".join(f"{images} {code}" for code, images in failures(reader).items())
    stdout.print(f"images that could not be judged, by reason: {listed}")


def _back_and_forth(settings: Settings) -> None:
    registry = open_registry(settings)
    latest = registry.champion()
    entry = registry.rollback(who=WHO, reason="to demonstrate a rollback")
    stdout.print(f"rolled back from {entry.previous} to {entry.version}")
    if latest is not None:
        entry = registry.promote(latest, who=WHO, reason="it was the better model")
        stdout.print(f"promoted {entry.version} again")
    _inspect(settings, DATES[2])


def _tell_places(out: Path, config: Path, seconds: float) -> None:
    stdout.rule("files of the demo", align="left")
    stdout.print(
        f"archive    {out}/objects/plant-images\n"
        f"reports    {out}/objects/plant-reports   (Parquet; any tool can read the folder; regions beside them)\n"
        f"labels     {out}/objects/plant-reports/labels; models in {out}/objects/plant-reports/registry\n"
        f"truth      {out}/truth (defects with masks), {out}/frames (all frames)\n"
        f"settings   {config}   (steelflow --config {config} models log)\n\n"
        f"The demo took {seconds:.0f} s.",
    )
