"""``steelflow demo``: a plant, a model and three nights, in a few minutes and with nothing but the install."""

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

from steelflow.cli.output import counting, stdout, stepping
from steelflow.config import Settings, load_settings
from steelflow.errors import ConfigError
from steelflow.night import inspect_night
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.store.embedded import serving
from steelflow.synth import PlantSpec, PlantSummary, write_plant

_SPEC = PlantSpec(
    seed=7, lines=("L1", "L2", "L3"), start=dt.date(2026, 11, 16), nights=3, coils=6, images=60, sharded=0.5, broken=3
)
_PER_CLASS = 120
_EPOCHS = 80
_MODEL = "champion"

_CONFIG = """\
# Written by `steelflow demo`. Go on from here: steelflow --config {file} nightly --date {date}
home = "{home}"

[archive]
uri = "s3://plant-images"

[report]
uri = "s3://plant-reports"

[model]
ref = "{model}"
"""


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that the demo makes.")] = Path(".demo"),
) -> None:
    """Make a synthetic plant in an embedded S3, train a model on its labels, and inspect three nights."""
    config = _fresh(out)
    model = out / "model" / f"{_MODEL}.onnx"
    config.write_text(_CONFIG.format(file=config, home=out, model=model, date=_SPEC.dates[0]))
    settings = load_settings(config)
    started = time.perf_counter()
    stdout.rule("1  a plant", align="left")
    with serving(settings) as reached:
        made = _make_plant(out, reached)
        per_night = f"{len(_SPEC.lines)} lines, {_SPEC.nights} nights, {_SPEC.coils} coils a line and night"
        stdout.print(
            f"{made.images:,} images and {made.broken} broken files: {per_night}\n"
            f"as {made.objects:,} objects (loose images, tar, tar.gz and zip shards) in {settings.archive.uri}, "
            f"{made.bytes / 1e6:.0f} MB"
        )
        stdout.rule("2  a first champion", align="left")
        _train(out, settings.selection.arch)
        stdout.rule("3  three nights", align="left")
        for date in _SPEC.dates:
            _inspect(reached, date)
        stdout.rule("4  the same night again", align="left")
        _inspect(reached, _SPEC.dates[0])
        stdout.rule("5  the morning report", align="left")
        _report(reached, out)
    stdout.rule("where everything lies", align="left")
    stdout.print(
        f"archive    {out}/objects/plant-images\n"
        f"reports    {out}/objects/plant-reports   (Parquet; any tool can read the folder)\n"
        f"model      {model}   (its card: {model.with_suffix('.md')})\n"
        f"labels     {out}/labelled, truth {out}/truth.csv\n"
        f"settings   {config}   (steelflow --config {config} nightly --date {_SPEC.dates[0]})\n\n"
        f"All of it took {time.perf_counter() - started:.0f} s.",
    )


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

        made = write_plant(_SPEC, put, _PER_CLASS)
        for future in puts:
            future.result()
    return made


def _train(out: Path, arch: str) -> None:
    from steelflow.training.train import train

    with stepping(f"training on {6 * _PER_CLASS} labelled images") as step:
        result = train(
            out / "labelled",
            arch,
            out / "model",
            epochs=_EPOCHS,
            name=_MODEL,
            on_epoch=lambda progress: step(progress.epoch, progress.epochs),
        )
    figures = result.evaluation
    stdout.print(
        f"{arch}, {_EPOCHS} epochs on {result.trained_on} labelled images in {result.seconds:.0f} s: "
        f"{figures.accuracy:.1%} of {figures.images} held-out images right"
    )


def _inspect(settings: Settings, date: dt.date) -> None:
    with counting(f"night of {date}") as tick:
        result = inspect_night(settings, date, progress=lambda done: tick(done.counts.found))
    work = f"{result.judged:,} judged in {result.seconds:.1f} s" if result.done_units else "nothing to do"
    stdout.print(
        f"{date}  {result.found:,} found = {result.ok:,} ok + {result.failed} failed; "
        f"{result.done_units} units done, {result.skipped_units} up to date; {work}"
    )


def _report(settings: Settings, out: Path) -> None:
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
    for line in _coils(reader):
        stdout.print(line)
    reasons = reader.failures().with_columns(pl.col("error").str.split(":").list.first()).group_by("error").len()
    listed = ", ".join(f"{row['len']} {row['error']}" for row in reasons.sort("error").to_dicts())
    stdout.print(f"images that could not be judged, each with its reason: {listed}")
    stdout.print(f"against the truth, which only a synthetic plant knows: {_accuracy(reader, out):.1%} right")


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


def _accuracy(reader: ReportReader, out: Path) -> float:
    truth = pl.read_csv(out / "truth.csv").rename({"label": "truth"})
    judged = reader.images().filter(pl.col("status") == "ok").select("object_key", "member", "label").collect()
    both = judged.join(
        truth, left_on=["object_key", "member"], right_on=["key", "member"], nulls_equal=True, validate="1:1"
    )
    return both.filter(pl.col("label") == pl.col("truth")).height / max(1, both.height)
