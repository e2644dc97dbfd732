"""The footer of a report file, read without its rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.errors import ObjectNotFound
from steelflow.records import ObjectInfo
from steelflow.report.notes import NO_NOTES, Notes
from steelflow.report.writer import COUNTS, FINGERPRINT, NOTES, Counts
from steelflow.store.base import Store

_GUESS = 64 * 1024
_THREADS = 16


@dataclass(frozen=True, slots=True)
class Footer:
    """``fingerprint`` is empty if the file is damaged or not a report of steelflow. Such a report is written again."""

    fingerprint: str
    counts: Counts
    schema: pa.Schema
    notes: Notes = NO_NOTES


_NONE = Footer("", Counts(), pa.schema([]))


def read_footers(store: Store, files: Iterable[ObjectInfo]) -> dict[str, Footer]:
    """The footers of these files, by key, read concurrently with one or two ranged gets each."""
    infos = list(files)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="footer") as pool:
        return dict(zip((info.key for info in infos), pool.map(lambda info: _read(store, info), infos), strict=True))


def _read(store: Store, info: ObjectInfo) -> Footer:
    try:
        tail = store.get(info.key, max(0, info.size - _GUESS))
        length = int.from_bytes(tail[-8:-4], "little") + 8
        if tail[-4:] != b"PAR1" or length > info.size:
            return _NONE
        if length > len(tail):
            tail = store.get(info.key, info.size - length)
        # The reader also needs the magic bytes at the start. It does not follow the footer's offsets.
        metadata = pq.read_metadata(pa.BufferReader(b"PAR1" + tail[-length:]))
        kept = metadata.metadata or {}
        counts = Counts(*json.loads(kept[COUNTS]))
        notes = Notes.from_json(kept.get(NOTES, b"{}"))
        return Footer(kept[FINGERPRINT].decode(), counts, metadata.schema.to_arrow_schema(), notes)
    except (ObjectNotFound, pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError):
        return _NONE
