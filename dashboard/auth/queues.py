"""What a review session shows: the usual queue, with images for a second reader; or the images that moved a signal."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import polars as pl

from dashboard.auth.labelling import Review, Row, key_of
from dashboard.data import drifting, images, regions, sources
from steelflow.archive.template import KeyTemplate
from steelflow.labels import LabelStore, queue, region_queue
from steelflow.labels.second import due
from steelflow.labels.showable import Showable
from steelflow.report.reader import ReportReader

AT_ONCE = 60  # images in a queue
MOVED = 40  # images that moved a signal
_REGIONS = 2 / 3  # share of the queue, if there are regions
_UNSURE = 0.5  # margin
_REFERENCE = ["object_key", "member", "ordinal"]
_SHOWN = (*_REFERENCE, "line", "coil", "position", "label", "confidence")


def begin(store: LabelStore, line: str | None, who: str = "") -> Review:
    """A new queue from the latest nights: regions of frames, if the newest model finds some, and images without a
    label; and images that one other person than ``who`` has labelled. Raises ``ReportError`` without reports."""
    lines = None if line is None else [line]
    labelled = store.references()
    showable = _showable()
    found = region_queue(sources.report(), labelled, AT_ONCE, None, lines, showable)
    single = queue(ReportReader(sources.report()), labelled, AT_ONCE, None, lines, showable)
    meaning = store.class_names()
    boxes: list[Row] = [_as_item(row) for row in meaning.today(found).iter_rows(named=True)]
    whole: list[Row] = list(meaning.today(single).iter_rows(named=True))
    most = round(_REGIONS * AT_ONCE) if boxes else 0
    boxes = boxes[: max(most, AT_ONCE - len(whole))]
    rows = _mixed(boxes, whole[: AT_ONCE - len(boxes)])
    again = _second(store, line, who) if who else []
    rows = _mixed(again, rows[: AT_ONCE - len(again)])
    return Review(rows, hidden=sum(showable.hidden.values()), second={key_of(row) for row in again})


def moved(store: LabelStore, night: dt.date, line: str | None, signal: str) -> Review:
    """The images of a night and line that moved a signal of drift most, without those that have a label.

    Raises:
        DriftError: there is no such signal, or the line has no reference.
    """
    found = drifting.movers(sources.report(), sources.registry(), night, line, signal)
    found = found.join(store.references().cast({"ordinal": pl.Int32}), on=_REFERENCE, how="anti", nulls_equal=True)
    showable = _showable()
    chosen = showable.choose(store.class_names().today(found), lambda pool: pool.head(MOVED))
    rows: list[Row] = [
        {**row, "reason": "moved", "cluster": None, "cluster_size": None} for row in chosen.iter_rows(named=True)
    ]
    words = signal.replace("_", " ")
    about = f"{len(rows)} images of {line or 'the night'}, {night:%a %d %b}, that moved the signal {words} most"
    return Review(rows, hidden=sum(showable.hidden.values()), about=about)


def _second(store: LabelStore, line: str | None, who: str) -> list[Row]:
    """Images and regions that wait for a second label of ``who``, as the reports show them. Nothing says that they
    are labelled."""
    share = sources.settings().labels.second_reader
    rows = due(store.history(), share, who).drop_nulls("date")
    rows = rows if line is None else rows.filter(pl.col("line") == line)
    most = math.ceil(share * AT_ONCE)
    chosen = _showable().choose(rows, lambda pool: pool.head(most))
    reader = ReportReader(sources.report())
    found = [
        _region_again(row) if regions.box(row) else _image_again(reader, row) for row in chosen.iter_rows(named=True)
    ]
    meaning = store.class_names()
    return [{**row, "label": meaning.now(row["label"])} for row in found if row is not None]


def _image_again(reader: ReportReader, row: Row) -> Row | None:
    """A labelled image as the report shows it; None if the report does not have it any more."""
    judged = images.one(reader, row["date"], row["line"], images.reference(row))
    if judged is None or judged["status"] != "ok":
        return None
    why = "novel" if judged.get("novel") else "uncertain" if judged["margin"] < _UNSURE else "diverse"
    shown = {name: judged.get(name) for name in _SHOWN} | {"date": row["date"], "line": row["line"]}
    return {**shown, "reason": why, "cluster": None, "cluster_size": None}


def _region_again(row: Row) -> Row | None:
    """A labelled region as the model found it; None if the night was inspected again and it found another one."""
    for found in sources.regions_of(row["date"], row["line"], images.reference(row)).iter_rows(named=True):
        if regions.box(found) == regions.box(row):
            return {**found, "reason": "region", "confidence": found["score"], "cluster": None, "cluster_size": None}
    return None


def _showable() -> Showable:
    current = sources.settings()
    template = KeyTemplate(current.archive.template, current.night.timezone)
    return Showable(sources.archive(), current.limits, template)


def _as_item(row: Row) -> Row:
    """A row of the queue of regions with the names of the queue of images."""
    told = {"reason": "region", "confidence": row["score"], "cluster": row["group"], "cluster_size": row["group_size"]}
    return {**row, **told}


def _mixed(some: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Both in their order, evenly mixed; of equal numbers one of ``some`` comes first."""
    places = [((i + 0.4) / len(some), row) for i, row in enumerate(some)]
    places += [((i + 0.6) / len(others), row) for i, row in enumerate(others)]
    return [row for _, row in sorted(places, key=lambda one: one[0])]
