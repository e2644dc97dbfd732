"""``steelflow labels``: import and export labels, the review queue, the golden set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from steelflow.archive.template import KeyTemplate
from steelflow.cli.label_classes import add_class_commands
from steelflow.cli.label_texts import queue_text, regions_text, retired_text, stats_text
from steelflow.cli.output import Json, emit, settings, user
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.errors import ConfigError, LabelError
from steelflow.labels import Golden, LabelStore, Snapshot, open_labels, queue, region_queue
from steelflow.labels.boxes_export import BoxFormat, counted, write_boxes
from steelflow.labels.export import left_out, new, write_labels
from steelflow.labels.intake import Intake, choose_golden, import_labels
from steelflow.labels.showable import Showable
from steelflow.labels.stats import stats as stats_of
from steelflow.registry import open_registry, resolved
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.store.embedded import serving

app = typer.Typer(help="Import, export and review labels; choose the golden set.", no_args_is_help=True)
add_class_commands(app)

NewClass = Annotated[list[str] | None, typer.Option("--new-class", help="Allow a new class; repeatable.")]
Who = Annotated[str | None, typer.Option("--who", help="Who gives the labels; by default your login name.")]
Given = Annotated[
    Path,
    typer.Argument(metavar="DIR|CSV", help="One folder per class, or a CSV with the columns path (or key) and label."),
]


@app.command("import")
def import_command(
    source: Given,
    new_class: NewClass = None,
    who: Who = None,
    kind: Annotated[str, typer.Option("--source", help="What kind of labels these are.")] = "import",
    note: Annotated[str | None, typer.Option("--note", help="A note to keep with each label.")] = None,
    as_json: Json = False,
) -> None:
    """Import labels and their images. If anything is wrong, nothing is imported."""
    with _serving() as current:
        labels = open_labels(current)
        intake = _intake(source, labels, current, new_class or [])
        result = import_labels(labels, intake, user(who), kind, note)
        standing = result.added.added - sum(one.labels for one in result.added.not_counted)
    added = result.added
    said = [f"{added.added:,} labels added" + (f", {standing:,} of them count" if added.not_counted else "")]
    said += [f"{added.unchanged:,} already present"] * bool(added.unchanged)
    said += [f"{added.overruled:,} not added, because other people changed them later"] * bool(added.overruled)
    said += [f"{result.repeated:,} rows repeat an image"] * bool(result.repeated)
    said += [f"{result.ignored:,} other files ignored"] * bool(result.ignored)
    said += [f"new classes: {', '.join(added.new_classes)}"] * bool(added.new_classes)
    emit(asdict(result), as_json, "\n".join([f"{result.rows:,} rows: {'; '.join(said)}", *added.remarks]))


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="A new folder; with csv or parquet, a new file.")],
    kind: Annotated[
        Literal["folders", "csv", "parquet", "coco", "voc"],
        typer.Option("--format", help="coco and voc: frames with boxes of their labelled regions."),
    ] = "folders",
    part: Annotated[
        Literal["training", "evaluation", "golden"] | None,
        typer.Option("--part", help="Only this part; by default all but the golden set."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the current labels: images in one folder per class, a table with a reference to each image, or frames with
    boxes."""
    with _serving() as current:
        labels = open_labels(current)
        if kind == "coco" or kind == "voc":
            _export_boxes(labels, current, out, kind, part, as_json)
            return
        chosen: Snapshot | Golden = _golden(labels) if part == "golden" else labels.snapshot()
        if isinstance(chosen, Snapshot) and part is not None and part != "golden":
            chosen = chosen.only(part)
        write_labels(labels, chosen, out, kind)
        retired = counted(left_out(labels, chosen, part))
    counts = counted(chosen.frame)
    figures = {"images": chosen.frame.height, "classes": counts, "hash": chosen.hash, "retired": retired}
    result = {"out": str(out), **figures}
    text = f"{chosen.frame.height:,} labelled images of {len(counts)} classes in {out}"
    emit(result, as_json, text + retired_text(retired))


def _export_boxes(
    labels: LabelStore,
    current: Settings,
    out: Path,
    kind: BoxFormat,
    part: Literal["training", "evaluation", "golden"] | None,
    as_json: bool,
) -> None:
    if part == "golden":
        raise ConfigError("--part golden: the golden set has no boxes; use --format folders, csv or parquet")
    good = open_engine(resolved(current)[0], "onnxruntime").spec.good
    with new(out) as draft:
        draft.mkdir()
        found = write_boxes(labels, draft, kind, part, good, current.limits)
    text = f"{found.images:,} images, {sum(found.boxes.values()):,} boxes of {len(found.boxes)} classes in {out}"
    if found.left_out:
        text += f"\n{found.left_out:,} images with a class but without a box are left out; `--format folders` has them"
    emit({"out": str(out), **asdict(found)}, as_json, text + retired_text(found.retired))


@app.command()
def stats(
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="Also count new labels since this snapshot (its hash); by default the champion's."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count the labels in the label store by class, person and source."""
    with _serving() as current:
        labels = open_labels(current)
        champion = open_registry(current).champion()
        before = labels.read_snapshot(since or (None if champion is None else champion.data_hash))
        if since and before is None:
            raise LabelError(f"--since {since}: no such snapshot in {labels.uri}; give the full hash")
        result = stats_of(labels, before)
    emit(result, as_json, stats_text(result))


@app.command("queue")
def queue_command(
    n: Annotated[int, typer.Option("--n", min=1, max=2000, help="How many images.")] = 50,
    night: Annotated[
        list[dt.datetime] | None,
        typer.Option("--night", formats=["%Y-%m-%d"], help="Only this night; repeatable. The latest seven by default."),
    ] = None,
    line: Annotated[list[str] | None, typer.Option("--line", help="Only this line; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """List what a person should label first: regions of defect, one of every kind, if the model finds regions; and
    images without a label that are novel, uncertain or diverse."""
    with _serving() as current:
        reports = open_store(current.report.uri, current.store, create=True)
        known = open_labels(current).references()
        nights = [one.date() for one in night] if night else None
        template = KeyTemplate(current.archive.template, current.night.timezone)
        showable = Showable(open_store(current.archive.uri, current.store), current.limits, template)
        rows = queue(ReportReader(reports), known, n, nights, line, showable)
        regions = region_queue(reports, known, n, nights, line, showable)
    text = queue_text(rows) if regions.is_empty() else regions_text(regions)
    hidden = showable.hidden
    if hidden:
        reasons = ", ".join(f"{why} {count:,}" for why, count in hidden.items())
        text += f"\n{sum(hidden.values()):,} images are left out, because they cannot be shown: {reasons}"
    emit({"images": rows.to_dicts(), "regions": regions.to_dicts(), "hidden": hidden}, as_json, text)


@app.command()
def golden(
    source: Annotated[
        Path | None, typer.Argument(metavar="DIR|CSV", help="Labelled images, as for import; omit with --show.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why these images; the log keeps the reason.")] = "",
    show: Annotated[bool, typer.Option("--show", help="Show the current golden set and verify every image.")] = False,
    new_class: NewClass = None,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Choose the golden set, or show the current one. Models are judged on it and never trained on it."""
    if (source is None) != show:
        raise ConfigError("steelflow labels golden: give DIR|CSV and --reason to choose a golden set, or --show")
    if source is not None and not reason.strip():
        raise ConfigError("steelflow labels golden: models are judged on it; give a --reason for the choice")
    with _serving() as current:
        labels = open_labels(current)
        if source is None:
            chosen = _golden(labels)
            chosen.verify()
        else:
            intake = _intake(source, labels, current, new_class or [])
            chosen = choose_golden(labels, intake, user(who), reason)
    pin = chosen.pin
    of_class = ", ".join(f"{name} {count:,}" for name, count in pin.classes.items())
    text = (
        f"golden set {pin.hash[:12]} (choice {pin.number}): {pin.images:,} images\n{of_class}\n"
        f"chosen by {pin.who} at {pin.at}: {pin.reason}"
    )
    emit(asdict(pin), as_json, f"{text}\nall images verified" if show else text)


@app.command()
def conflicts(as_json: Json = False) -> None:
    """List images with different labels, and all labels of each. The last label counts."""
    with _serving() as current:
        rows = open_labels(current).conflicts().drop("batch", "row").sort("image", "at", maintain_order=True)
    lines = [
        f"{row['image'][:16]}  {'*' if row['stands'] else ' '} {row['label'] or '(withdrawn)':<20} "
        f"{row['at']:%Y-%m-%d %H:%M}  {row['who']} ({row['source']}){_box(row)}"
        for row in rows.iter_rows(named=True)
    ]
    emit({"said": rows.to_dicts()}, as_json, "\n".join(lines) or "no image has different labels")


@app.command()
def withdraw(
    images: Annotated[
        list[str], typer.Argument(help="SHA-256 of an image, or its first digits as `conflicts` shows them.")
    ],
    who: Who = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    as_json: Json = False,
) -> None:
    """Withdraw the label of an image. It is not used for training, and the queue does not show it again."""
    with _serving() as current:
        result = open_labels(current).withdraw(images, user(who), note)
    emit(asdict(result), as_json, "\n".join([f"{result.added:,} labels withdrawn", *result.remarks]))


@contextmanager
def _serving() -> Iterator[Settings]:
    with serving(settings()) as current:
        yield current


def _intake(source: Path, labels: LabelStore, current: Settings, new_classes: list[str]) -> Intake:
    model = open_engine(resolved(current)[0], "onnxruntime").spec.classes
    return Intake(
        source,
        open_store(current.archive.uri, current.store),
        KeyTemplate(current.archive.template, current.night.timezone),
        current.limits,
        {*model, *labels.classes(), *labels.class_names().moved},
        new_classes,
        labels.clock.now,
    )


def _golden(labels: LabelStore) -> Golden:
    chosen = labels.golden()
    if chosen is None:
        raise LabelError(f"{labels.uri}: there is no golden set yet; see `steelflow labels golden --help`")
    return chosen


def _box(row: dict[str, Any]) -> str:
    return "" if row["x"] is None else f"  {row['width']}×{row['height']} at {row['x']}, {row['y']}"
