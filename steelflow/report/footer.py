"""The footer of a report file, read without its rows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.errors import ObjectNotFound
from steelflow.records import ObjectInfo
from steelflow.report.good import good_classes
from steelflow.report.unit_notes import NO_NOTES, Notes
from steelflow.report.writer import COUNTS, DEPTH, FINGERPRINT, MODEL, NOTES, REGIONS, SUMMARY, Counts
from steelflow.store.base import Store
from steelflow.store.ordered import in_order

_GUESS = 64 * 1024
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Footer:
    """``fingerprint`` is empty if the file is damaged or not a report of steelflow. Such a report is written again.
    ``regions_file`` is the key of the file of its regions, if it has any. ``good`` are the good classes of the model
    that judged; ``model`` is its name, version and digest, None in reports of older versions. ``summary`` is what
    ``unit_summary.read_unit_summary`` reads."""

    fingerprint: str
    counts: Counts
    schema: pa.Schema
    regions_file: str = ""
    good: tuple[str, ...] = ()
    notes: Notes = NO_NOTES
    model: tuple[str, str, str] | None = None
    summary: bytes = b""


_NONE = Footer("", Counts(), pa.schema([]))


def each_footer(store: Store, files: Iterable[ObjectInfo]) -> Iterator[tuple[ObjectInfo, Footer]]:
    """The footers of these files, in their order, read concurrently with one or two ranged gets each."""
    return in_order(lambda info: (info, _read(store, info)), files, _THREADS, name="footer")


def read_footers(store: Store, files: Iterable[ObjectInfo]) -> dict[str, Footer]:
    """The footers of these files, by key, without their summaries: a night has thousands of them."""
    schemas: dict[pa.Schema, pa.Schema] = {}  # one for all files with the same columns
    return {
        info.key: dataclasses.replace(footer, schema=schemas.setdefault(footer.schema, footer.schema), summary=b"")
        for info, footer in each_footer(store, files)
    }


def open_footer(store: Store, info: ObjectInfo) -> pq.ParquetFile | None:
    """The file without its rows; None if it is gone, damaged or no Parquet file."""
    try:
        return _opened(store, info)
    except (ObjectNotFound, pa.ArrowException, OSError, ValueError):
        return None


def _opened(store: Store, info: ObjectInfo) -> pq.ParquetFile | None:
    """The file without its rows. Its ``metadata.schema`` refers to itself, which keeps tens of KiB until Python looks
    for cycles: ``schema_arrow`` does not."""
    tail = store.get(info.key, max(0, info.size - _GUESS))
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if tail[-4:] != b"PAR1" or length > info.size:
        return None
    if length > len(tail):
        tail = store.get(info.key, info.size - length)
    # The reader also needs the magic bytes at the start. It does not follow the footer's offsets.
    return pq.ParquetFile(pa.BufferReader(b"PAR1" + tail[-length:]))


def _read(store: Store, info: ObjectInfo) -> Footer:
    try:
        opened = _opened(store, info)
        if opened is None:
            return _NONE
        kept = opened.metadata.metadata or {}
        found, ok, failed, ignored = json.loads(kept[COUNTS])
        depth = json.loads(kept.get(DEPTH, b"{}"))
        counts = Counts(found, ok, failed, ignored, wide=int(depth.get("images", 0)), bits=int(depth.get("bits", 0)))
        schema = opened.schema_arrow.remove_metadata()
        mark, good = kept[FINGERPRINT].decode(), good_classes(kept)
        told = json.loads(kept.get(REGIONS, b'{"rows": 0, "file": ""}'))
        return Footer(
            mark,
            dataclasses.replace(counts, regions=int(told["rows"])),
            schema,
            str(told["file"]),
            good,
            Notes.from_json(kept.get(NOTES, b"{}")),
            _model(json.loads(kept.get(MODEL, b"null"))),
            kept.get(SUMMARY, b""),
        )
    except (ObjectNotFound, pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError):
        return _NONE


def _model(told: list[str] | None) -> tuple[str, str, str] | None:
    if told is None:
        return None
    name, version, digest = map(str, told)
    return name, version, digest
