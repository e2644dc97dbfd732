"""``steelflow demo``: a plant, a model, four nights and the loop, in a few minutes and with nothing but the install."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from steelflow.cli.output import counting, stderr, stdout
from steelflow.config import Settings, load_settings
from steelflow.errors import ConfigError
from steelflow.labels.review import queue
from steelflow.night.run import NightResult, inspect_night
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.retrain import RetrainResult, retrain
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.synth import CLASSES, TEMPLATE, Camera, PlantSpec, PlantSummary, write_plant
from steelflow.synth.month import Person

_DATES = tuple(dt.date(2026, 11, 16) + dt.timedelta(days=night) for night in range(4))
_AGED = Camera(gain=0.3)  # lamps
_RICH = dict.fromkeys(CLASSES, 1.0) | {"scratches": 4.0}
_SPEC = PlantSpec(
    seed=7,
    lines=("L1", "L2", "L3"),
    start=_DATES[0],
    nights=len(_DATES),
    coils=10,
    images=52,
    sharded=0.5,
    broken=3,
    cameras={("L2", date): _AGED for date in _DATES[2:]},
    mixes={("L3", date): _RICH for date in _DATES[2:]},
)
_PER_CLASS = 120
_GOLDEN = 40  # of a class
_REVIEWED = 240
_WHO = "demo"

_CONFIG = """\
# Written by `steelflow demo`. Go on from here: steelflow --config {file} nightly --date {date}
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


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that the demo makes.")] = Path(".demo"),
) -> None:
    """Make a synthetic plant in an embedded S3, train a model on its labels, inspect its nights, and close the loop:
    drift, labels, retraining, promotion, rollback."""
    config = _fresh(out)
    config.write_text(_CONFIG.format(file=config, home=out, date=_DATES[0], template=TEMPLATE))
    started = time.perf_counter()
    with serving(load_settings(config)) as settings:
        _chapter(1, "a plant")
        _tell_plant(_make_plant(out, settings), settings)
        person = Person(settings, _SPEC)
        _chapter(2, "a first champion, from labelled images")
        _first_champion(settings, person)
        _chapter(3, "two nights, from which it learns what is usual")
        for date in _DATES[:2]:
            _inspect(settings, person, date)
        _inspect(settings, person, _DATES[0], "the same night again")
        _report(settings)
        _chapter(4, "night three: the lamps of L2 have aged, L3 rolls another grade")
        drifted = _inspect(settings, person, _DATES[2])
        _drift(drifted)
        _chapter(5, "a person labels what the queue shows, and the loop retrains")
        _close_the_loop(settings, person, drifted)
        _chapter(6, "the next night, by the new champion")
        _drift(_inspect(settings, person, _DATES[3]))
        _chapter(7, "rollback, and forward again")
        _back_and_forth(settings, person)
    stdout.rule("where everything lies", align="left")
    stdout.print(
        f"archive    {out}/objects/plant-images\n"
        f"reports    {out}/objects/plant-reports   (Parquet; any tool can read the folder)\n"
        f"drift      {out}/objects/plant-reports/drift   (its table, and a page that explains each alarm)\n"
        f"labels     {out}/objects/plant-reports/labels, models beside them in registry; truth {out}/truth.csv\n"
        f"settings   {config}   (steelflow --config {config} models log)\n\n"
        f"All of it took {time.perf_counter() - started:.0f} s.",
    )


def _chapter(number: int, title: str) -> None:
    stdout.rule(f"{number}  {title}", align="left")


def _fresh(out: Path) -> Path:
    config = out / "steelflow.toml"
    if out.exists() and any(out.iterdir()):
        if not config.is_file() or "steelflow demo" not in config.read_text():
            raise ConfigError(f"{out}: is not empty and not made by the demo; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    return config


def _make_plant(out: Path, settings: Settings) -> PlantSummary:
    archive = open_store(settings.archive.uri, settings.store)
    puts: list[Future[object]] = []
    with counting("photographing") as tick, ThreadPoolExecutor(8) as pool:

        def put(key: str, data: bytes) -> None:
            if key.startswith("images/"):
                puts.append(pool.submit(archive.put, key.removeprefix("images/"), data))
            else:
                path = out / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            tick(1)

        made = write_plant(_SPEC, put, per_class=0)
        for future in puts:
            future.result()
    return made


def _tell_plant(made: PlantSummary, settings: Settings) -> None:
    stdout.print(
        f"{made.images:,} images and {made.broken} broken files: {len(_SPEC.lines)} lines, {_SPEC.nights} nights, "
        f"{_SPEC.coils} coils a line and night\n"
        f"as {made.objects:,} objects (loose images, tar, tar.gz and zip shards) in {settings.archive.uri}, "
        f"{made.bytes / 1e6:.0f} MB"
    )


def _first_champion(settings: Settings, person: Person) -> None:
    count = person.begin(_SPEC, _PER_CLASS, CLASSES)
    golden = person.choose_golden(_SPEC, _GOLDEN)
    stdout.print(f"{count} labelled images, and {golden} more as the golden set, on which no model is ever trained")
    _tell_retraining(_retrain(settings, "manual", "the first model of this plant"))


def _retrain(settings: Settings, trigger: str, reason: str) -> RetrainResult:
    with stderr.status("training") as status:
        return retrain(settings, trigger=trigger, reason=reason, who=_WHO, tell=status.update)  # type: ignore[arg-type]


def _tell_retraining(result: RetrainResult) -> None:
    stdout.print(f"{result.state} after {result.seconds:.0f} s: {result.text}")


def _inspect(settings: Settings, person: Person, date: dt.date, note: str = "") -> NightResult:
    with counting(f"night of {date}") as tick:
        result = inspect_night(settings, date, progress=lambda done: tick(done.counts.found))
    work = f"{result.judged:,} judged in {result.seconds:.1f} s" if result.done_units else "nothing to do"
    stdout.print(
        f"{date}  {result.found:,} found = {result.ok:,} ok + {result.failed} failed; "
        f"{result.done_units} units done, {result.skipped_units} up to date; {work}{f' ({note})' if note else ''}"
    )
    if result.done_units:
        reader = ReportReader(open_store(settings.report.uri, settings.store))
        right = "  ".join(f"{line} {person.accuracy(reader, date, line):.1%}" for line in _SPEC.lines)
        stdout.print(
            f"            against the truth, which only a synthetic plant knows, {result.model} has right: {right}"
        )
    return result


def _drift(result: NightResult) -> None:
    drift = result.drift
    stdout.print(f"drift: {drift and drift.verdict}")
    for reason in drift.reasons[:6] if drift else ():
        stdout.print(f"  {reason}")


def _close_the_loop(settings: Settings, person: Person, drifted: NightResult) -> None:
    reader = ReportReader(open_store(settings.report.uri, settings.store))
    wanted = queue(reader, person.looked_at(), _REVIEWED, dates=[drifted.date])
    reasons = ", ".join(f"{count} {name}" for name, count in wanted.group_by("reason").len().sort("reason").iter_rows())
    stdout.print(f"{person.review(wanted)} images labelled, chosen by the queue as {reasons}")
    why = drifted.drift.reasons[0] if drifted.drift else "drift"
    _tell_retraining(_retrain(settings, "drift", why))


def _back_and_forth(settings: Settings, person: Person) -> None:
    registry = open_registry(settings)
    latest = registry.champion()
    entry = registry.rollback(who=_WHO, reason="to show that it can be done")
    stdout.print(f"rolled back from {entry.previous} to {entry.version}; night four again:")
    _inspect(settings, person, _DATES[3])
    if latest is not None:
        entry = registry.promote(latest, who=_WHO, reason="it was the better one")
    stdout.print(f"promoted {entry.version} again:")
    _inspect(settings, person, _DATES[3])


def _report(settings: Settings) -> None:
    reader = ReportReader(open_store(settings.report.uri, settings.store))
    counts = reader.defect_counts()
    classes = sorted(counts["label"].unique())
    stdout.print("share of the readable images, by night and line")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)  # fits into 80 columns
    for heading in ("night", "line", "images", *(name.replace("_", "\n") for name in classes)):
        table.add_column(heading, justify="left" if heading in ("night", "line") else "right")
    for (night, line), group in counts.group_by("date", "line", maintain_order=True):
        shares = dict(zip(group["label"], group["share"], strict=True))
        cells = [f"{shares.get(name, 0):.1%}" for name in classes]
        table.add_row(f"{night:%d %b}", str(line), f"{group['images'].sum():,}", *cells)
    stdout.print(table)
    for text in _coils(reader):
        stdout.print(text)
    reasons = reader.failures().with_columns(pl.col("error").str.split(":").list.first()).group_by("error").len()
    listed = ", ".join(f"{row['len']} {row['error']}" for row in reasons.sort("error").to_dicts())
    stdout.print(f"images that could not be judged, each with its reason: {listed}")


def _coils(reader: ReportReader) -> Iterator[str]:
    """The coil that stands out most on each line: the largest share of one class."""
    good = reader.summary().filter(pl.col("status") == "ok")
    share = pl.col("images") / pl.col("images").sum().over("date", "line", "coil")
    ranked = good.with_columns(share=share).sort("share", descending=True).group_by("line", maintain_order=True).first()
    for row in ranked.sort("line").to_dicts():
        yield (
            f"line {row['line']}: coil {row['coil']} of {row['date']} stands out, "
            f"{row['share']:.0%} of its images show {row['label']}"
        )
