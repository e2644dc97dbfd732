"""One Parquet object per work unit, written complete or not at all."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.errors import ReportError
from steelflow.report.judged import Judged, Origin, joined, rows
from steelflow.report.notes import NO_NOTES, Notes
from steelflow.schema import SCHEMA_VERSION, report_schema
from steelflow.store.base import Store
from steelflow.store.leftovers import clear, own_name

FINGERPRINT = b"steelflow.fingerprint"
COUNTS = b"steelflow.counts"
NOTES = b"steelflow.notes"
ROW_GROUP = 4096
_DRAFT = "steelflow-draft-"


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a report: ``found`` = ``ok`` + ``failed`` rows. ``ignored`` counts files that were neither image
    nor shard."""

    found: int = 0
    ok: int = 0
    failed: int = 0
    ignored: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.found + other.found, self.ok + other.ok, self.failed + other.failed, self.ignored + other.ignored
        )


class UnitWriter:
    """Collects the results of one unit in a temporary file, and puts it at ``key`` on ``commit``.

    One row group is in memory at a time. Without a commit, nothing remains when the context ends.
    """

    def __init__(self, store: Store, key: str, *, origin: Origin, fingerprint: str, hive: bool) -> None:
        self._store, self._key, self._origin, self._fingerprint = store, key, origin, fingerprint
        schema = report_schema(origin.spec.classes, origin.spec.embedding_dims)
        if hive:  # line and date are in the path: readers refuse a column that is in both
            schema = pa.schema([field for field in schema if field.name not in ("line", "date")])
        self._schema = schema.with_metadata(
            {
                b"steelflow.schema_version": str(SCHEMA_VERSION).encode(),
                b"steelflow.spec": origin.spec.model_dump_json().encode(),
            }
        )
        folder = Path(tempfile.gettempdir())
        clear(folder, _DRAFT)
        self._file = folder / own_name(_DRAFT)
        with _disk():
            self._parquet = pq.ParquetWriter(
                self._file, self._schema, compression="zstd", use_dictionary=_repeating(self._schema)
            )
        self._pending: list[Judged] = []
        self._ok = self._failed = self._written = 0

    def append(self, judged: Judged) -> None:
        self._pending.append(judged)
        self._ok += len(judged.good)
        self._failed += len(judged.failures)
        if self._ok + self._failed - self._written >= ROW_GROUP:
            self._flush()

    def commit(self, found: int, ignored: int, notes: Notes = NO_NOTES) -> Counts:
        """Put the report at its key. ``found`` is the reader's count. If the rows do not add up to it, raises
        ``ReportError`` and puts nothing."""
        self._flush()
        if not found == self._ok + self._failed == self._written:
            raise ReportError(
                f"{self._key}: {found} images found, but {self._ok} ok + {self._failed} failed, {self._written} rows; "
                "nothing was written; this is a bug of steelflow, please report it"
            )
        counts = Counts(found, self._ok, self._failed, ignored)
        told = {
            FINGERPRINT: self._fingerprint.encode(),
            COUNTS: json.dumps([counts.found, counts.ok, counts.failed, counts.ignored]).encode(),
        }
        self._parquet.add_key_value_metadata(told if notes == NO_NOTES else told | {NOTES: notes.to_json()})
        with _disk():
            self._parquet.close()
        self._store.put(self._key, self._file)
        return counts

    def _flush(self) -> None:
        if self._pending:
            table = rows(joined(self._pending), self._origin).select(self._schema.names)
            with _disk():
                self._parquet.write_table(table, row_group_size=ROW_GROUP)
            self._written += table.num_rows
            self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk: the incomplete file is deleted anyway
            if self._parquet.is_open:
                self._parquet.close()
        self._file.unlink(missing_ok=True)


def _repeating(schema: pa.Schema) -> list[str]:
    """The columns that become smaller with a dictionary. For numbers and unique names it costs time and bytes."""
    single = ("object_key", "member", "error")
    return [field.name for field in schema if pa.types.is_string(field.type) and field.name not in single]


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ReportError(
            f"{tempfile.gettempdir()}: {exc.strerror or exc}; free space there, or set TMPDIR to another folder"
        ) from exc
