"""``steelflow labels``: import and export labels, the review queue, the golden set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import typer

from steelflow.archive.template import KeyTemplate
from steelflow.cli.label_classes import add_class_commands
from steelflow.cli.output import Json, emit, settings, user
from steelflow.config import Settings
from steelflow.engine import open_engine
from steelflow.errors import ConfigError, LabelError
from steelflow.labels import Golden, LabelStore, Snapshot, open_labels, queue, region_queue
from steelflow.labels.boxes_export import BoxFormat, counted, write_boxes
from steelflow.labels.export import new, write_labels
from steelflow.labels.intake import Intake, choose_golden, import_labels
from steelflow.labels.showable import Showable
from steelflow.labels.snapshot import part_of
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
        retired = counted(_retired(labels, chosen, part))
    counts = counted(chosen.frame)
    figures = {"images": chosen.frame.height, "classes": counts, "hash": chosen.hash, "retired": retired}
    result = {"out": str(out), **figures}
    text = f"{chosen.frame.height:,} labelled images of {len(counts)} classes in {out}"
    emit(result, as_json, text + _retired_text(retired))


def _retired(labels: LabelStore, chosen: Snapshot | Golden, part: str | None) -> pl.DataFrame:
    """The labels of retired classes that an export leaves out."""
    if isinstance(chosen, Golden):
        return chosen.chosen.join(chosen.frame, on="image", how="anti")
    golden = labels.golden()
    rows = labels.of_retired_classes()
    if golden is not None:
        rows = rows.join(golden.chosen, on="image", how="anti")
    return rows.filter(pl.Series([part in (None, part_of(image)) for image in rows["image"]], dtype=pl.Boolean))


def _retired_text(retired: dict[str, int]) -> str:
    if not retired:
        return ""
    names = ", ".join(f"{name} {count:,}" for name, count in retired.items())
    return f"\nlabels of retired classes are left out: {names}; `steelflow labels restore` brings a class back"


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
    emit({"out": str(out), **asdict(found)}, as_json, text + _retired_text(found.retired))


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
    emit(result, as_json, _stats_text(result))


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
    text = _queue_text(rows) if regions.is_empty() else _regions_text(regions)
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


def _stats_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['images']:,} labelled images, {result['said']:,} labels in all, {result['withdrawn']:,} withdrawn"
    ]
    lines += ["", f"{'class':<24} {'training':>9} {'evaluation':>11} {'golden':>7}"]
    lines += [
        f"{name:<24} {parts['training']:>9,} {parts['evaluation']:>11,} {parts['golden']:>7,}"
        for name, parts in result["classes"].items()
    ]
    if retired := result["retired"]:
        lines += ["", f"retired: {', '.join(retired)} (`steelflow labels restore` brings a class back)"]
    if regions := result["regions"]:
        lines += ["", "regions by class: " + ", ".join(f"{name} {count:,}" for name, count in regions.items())]
    for title in ("who", "source"):
        lines += ["", f"by {title}: " + ", ".join(f"{name} {count:,}" for name, count in result[title].items())]
    lines += ["", "labels by day (UTC):", *(f"  {day} {count:>7,}" for day, count in list(result["days"].items())[-7:])]
    lines += ["", f"conflicts: {result['conflicts']:,} images, {result['disputed']:,} disputed between people"]
    lines += _second_text(result["second_reader"])
    chosen = result["golden"]
    lines.append(
        f"golden set: {chosen['hash'][:12]}, {chosen['images']:,} images" if chosen else "golden set: none yet"
    )
    if "since" in result:
        since = result["since"]
        lines.append(f"new since the snapshot {since['snapshot'][:12]}: {since['images']:,} images")
    return "\n".join(lines)


def _second_text(found: dict[str, Any]) -> list[str]:
    """How far the second readers agree with the first ones, by class."""
    if not found["images"]:
        return ["second reader: no image was labelled twice yet"]
    lines = [
        f"second reader: {found['images']:,} images, {found['agreement']:.1%} with the same label, "
        f"kappa {_kappa(found['kappa'])}"
    ]
    for name, one in found["classes"].items():
        lines.append(f"  {name:<22} {one['images']:>7,} images {one['agreement']:>7.1%}  kappa {_kappa(one['kappa'])}")
    return lines


def _kappa(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _box(row: dict[str, Any]) -> str:
    return "" if row["x"] is None else f"  {row['width']}×{row['height']} at {row['x']}, {row['y']}"


def _queue_text(rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return "the queue is empty: every image of these nights has a label"
    lines = [f"{'reason':<10} {'cluster':<9} {'model says':<22} {'conf.':>5}  image"]
    for row in rows.iter_rows(named=True):
        cluster = f"{row['cluster']} of {row['cluster_size']}" if row["cluster"] else ""
        place = row["object_key"] + (f" : {row['member']}" if row["member"] else "")
        lines.append(f"{row['reason']:<10} {cluster:<9} {row['label']:<22} {row['confidence']:>5.2f}  {place}")
    return "\n".join(lines)


def _regions_text(rows: pl.DataFrame) -> str:
    lines = [f"{'group':<9} {'model says':<22} {'score':>5}  {'box':<22} image"]
    for row in rows.iter_rows(named=True):
        group = f"{row['group']} of {row['group_size']}" if row["group"] else ""
        box = f"{row['width']}×{row['height']} at {row['x']}, {row['y']}"
        place = row["object_key"] + (f" : {row['member']}" if row["member"] else "")
        lines.append(f"{group:<9} {row['label']:<22} {row['score']:>5.2f}  {box:<22} {place}")
    return "\n".join(lines)
