"""``steelflow demo``: a plant, a model, four nights and the loop, in a few minutes and without any setup."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from steelflow.cli.output import counting, stderr, stdout
from steelflow.config import Settings, load_settings
from steelflow.night.run import NightResult, inspect_night
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.retrain import RetrainResult
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.synth import PlantSummary
from steelflow.synth.demo import (
    DATES,
    PLANT,
    WHO,
    Tell,
    accuracies,
    begin,
    failures,
    first_champion,
    make_plant,
    retrain_for_drift,
    review,
    standing_out,
)
from steelflow.synth.person import Person

_T = TypeVar("_T")


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that the demo makes.")] = Path(".demo"),
) -> None:
    """Make a synthetic plant in an embedded S3, train a model on its labels, inspect its nights, and close the loop:
    drift, labels, retraining, promotion, rollback."""
    config = begin(out)
    started = time.perf_counter()
    with serving(load_settings(config)) as settings:
        _chapter(1, "a plant")
        with counting("photographing") as tick:
            made = make_plant(out, settings, tick)
        _tell_plant(made, settings)
        person = Person(settings, PLANT)
        _chapter(2, "a first champion, from labelled images")
        _first_champion(settings, person)
        _chapter(3, "two normal nights, which become the reference")
        for date in DATES[:2]:
            _inspect(settings, person, date)
        _inspect(settings, person, DATES[0], "the same night again")
        _report(settings)
        _chapter(4, "night three: the lamps of L2 have aged, L3 rolls another grade")
        drifted = _inspect(settings, person, DATES[2])
        _tell_drift(drifted)
        _chapter(5, "a person labels images from the queue, and the model is retrained")
        _close_the_loop(settings, person, drifted)
        _chapter(6, "the next night, with the new champion")
        _tell_drift(_inspect(settings, person, DATES[3]))
        _chapter(7, "rollback, and forward again")
        _back_and_forth(settings, person)
    _tell_places(out, config, time.perf_counter() - started)


def _chapter(number: int, title: str) -> None:
    stdout.rule(f"{number}  {title}", align="left")


def _tell_plant(made: PlantSummary, settings: Settings) -> None:
    stdout.print(
        f"{made.images:,} images and {made.broken} broken files: {len(PLANT.lines)} lines, {PLANT.nights} nights, "
        f"{PLANT.coils} coils per line and night\n"
        f"as {made.objects:,} objects (loose images, tar, tar.gz and zip shards) in {settings.archive.uri}, "
        f"{made.bytes / 1e6:.0f} MB"
    )


def _first_champion(settings: Settings, person: Person) -> None:
    first = _training(lambda tell: first_champion(settings, person, tell))
    stdout.print(
        f"{first.labelled} labelled images, and {first.golden} more as the golden set, which is never used for training"
    )
    _tell_retraining(first.result)


def _inspect(settings: Settings, person: Person, date: dt.date, note: str = "") -> NightResult:
    with counting(f"night of {date}") as tick:
        result = inspect_night(settings, date, progress=lambda done: tick(done.counts.found))
    work = f"{result.judged:,} judged in {result.seconds:.1f} s" if result.done_units else "nothing to do"
    stdout.print(
        f"{date}  {result.found:,} found = {result.ok:,} ok + {result.failed} failed; "
        f"{result.done_units} units done, {result.skipped_units} up to date; {work}{f' ({note})' if note else ''}"
    )
    if result.done_units:
        right = "  ".join(f"{line} {share:.1%}" for line, share in accuracies(settings, person, date).items())
        stdout.print(f"            accuracy of {result.model} (the truth is known in a synthetic plant): {right}")
    return result


def _tell_drift(result: NightResult) -> None:
    drift = result.drift
    stdout.print(f"drift: {drift and drift.verdict}")
    for reason in drift.reasons[:6] if drift else ():
        stdout.print(f"  {reason}")


def _close_the_loop(settings: Settings, person: Person, drifted: NightResult) -> None:
    count, reasons = review(settings, person, drifted.date)
    listed = ", ".join(f"{images} {reason}" for reason, images in reasons.items())
    stdout.print(f"{count} images labelled; reasons in the queue: {listed}")
    _tell_retraining(_training(lambda tell: retrain_for_drift(settings, drifted, tell)))


def _back_and_forth(settings: Settings, person: Person) -> None:
    registry = open_registry(settings)
    latest = registry.champion()
    entry = registry.rollback(who=WHO, reason="to demonstrate a rollback")
    stdout.print(f"rolled back from {entry.previous} to {entry.version}; night four again:")
    _inspect(settings, person, DATES[3])
    if latest is not None:
        entry = registry.promote(latest, who=WHO, reason="it was the better model")
    stdout.print(f"promoted {entry.version} again:")
    _inspect(settings, person, DATES[3])


def _report(settings: Settings) -> None:
    reader = ReportReader(open_store(settings.report.uri, settings.store))
    stdout.print("share of the readable images, by night and line")
    stdout.print(_shares(reader))
    for row in standing_out(reader):
        stdout.print(
            f"line {row['line']}: coil {row['coil']} of {row['date']} stands out, "
            f"{row['share']:.0%} of its images show {row['label']}"
        )
    listed = ", ".join(f"{images} {code}" for code, images in failures(reader).items())
    stdout.print(f"images that could not be judged, by reason: {listed}")


def _shares(reader: ReportReader) -> Table:
    counts = reader.defect_counts()
    classes = sorted(counts["label"].unique())
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)  # fits in 80 columns
    for heading in ("night", "line", "images", *(name.replace("_", "\n") for name in classes)):
        table.add_column(heading, justify="left" if heading in ("night", "line") else "right")
    for (night, line), group in counts.group_by("date", "line", maintain_order=True):
        shares = dict(zip(group["label"], group["share"], strict=True))
        cells = [f"{shares.get(name, 0):.1%}" for name in classes]
        table.add_row(f"{night:%d %b}", str(line), f"{group['images'].sum():,}", *cells)
    return table


def _training(train: Callable[[Tell], _T]) -> _T:
    with stderr.status("training") as status:
        return train(lambda text: status.update(text))


def _tell_retraining(result: RetrainResult) -> None:
    stdout.print(f"{result.state} after {result.seconds:.0f} s: {result.text}")


def _tell_places(out: Path, config: Path, seconds: float) -> None:
    stdout.rule("files of the demo", align="left")
    stdout.print(
        f"archive    {out}/objects/plant-images\n"
        f"reports    {out}/objects/plant-reports   (Parquet; any tool can read the folder)\n"
        f"drift      {out}/objects/plant-reports/drift   (a table, and a page that explains each alarm)\n"
        f"labels     {out}/objects/plant-reports/labels; models in .../registry; truth in {out}/truth.csv\n"
        f"settings   {config}   (steelflow --config {config} models log)\n\n"
        f"The demo took {seconds:.0f} s.",
    )
