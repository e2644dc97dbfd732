"""One Parquet object per work unit, written complete or not at all."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from steelflow.errors import ReportError
from steelflow.report.judged import Judged, Origin, joined, rows
from steelflow.report.layout import regions_key
from steelflow.report.region_rows import region_rows
from steelflow.report.unit_notes import NO_NOTES, Notes
from steelflow.report.unit_summary import UnitSummary
from steelflow.schema import region_schema, report_schema, schema_version
from steelflow.store.base import Store
from steelflow.store.leftovers import clear, own_name

FINGERPRINT = b"steelflow.fingerprint"
COUNTS = b"steelflow.counts"
MODEL = b"steelflow.model"
SUMMARY = b"steelflow.summary"
DEPTH = b"steelflow.depth"
NOTES = b"steelflow.notes"
REGIONS = b"steelflow.regions"
ROW_GROUP = 4096
_DRAFT = "steelflow-draft-"


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a report: ``found`` = ``ok`` + ``failed`` rows. ``ignored`` counts files that were neither image
    nor shard; ``regions`` counts regions of defect. ``wide`` counts the 16-bit images that do not say how many
    bits the camera uses, and ``bits`` is how many the brightest of their values needs."""

    found: int = 0
    ok: int = 0
    failed: int = 0
    ignored: int = 0
    regions: int = 0
    wide: int = 0
    bits: int = 0

    def __add__(self, other: Counts) -> Counts:
        added = Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))
        return replace(added, bits=max(self.bits, other.bits))


class UnitWriter:
    """Collects the results of one unit in temporary files, and puts it at ``key`` on ``commit``.

    One row group is in memory at a time. Without a commit, nothing remains when the context ends. The regions of frames
    are a file of their own. It is put first and is named in the report's footer: a crash between the two leaves the
    report before, with its regions, or none.
    """

    def __init__(
        self, store: Store, key: str, *, origin: Origin, fingerprint: str, hive: bool, framed: bool = False
    ) -> None:
        self._store, self._key, self._origin, self._fingerprint = store, key, origin, fingerprint
        self._hive, self._framed = hive, framed
        folder = Path(tempfile.gettempdir())
        clear(folder, _DRAFT)
        schema = report_schema(origin.spec.classes, origin.spec.embedding_dims, framed)
        self._rows = _Part(folder, self._described(schema))
        try:
            self._regions = _Part(folder, self._described(region_schema())) if framed else None
        except ReportError:
            self._rows.delete()
            raise
        self._summary = UnitSummary()
        self._pending: list[Judged] = []
        self._ok = self._failed = self._wide = self._bits = 0

    def append(self, judged: Judged) -> None:
        self._pending.append(judged)
        self._ok += len(judged.good)
        self._failed += len(judged.failures)
        self._wide += judged.wide
        self._bits = max(self._bits, judged.bits)
        if self._ok + self._failed - self._rows.written >= ROW_GROUP:
            self.flush()

    def commit(self, found: int, ignored: int, notes: Notes = NO_NOTES) -> Counts:
        """Put the regions, then the report at its key. ``found`` is the reader's count. If the rows do not add up to
        it, or the regions to what the rows say, raises ``ReportError`` and puts nothing."""
        self.flush()
        regions = 0 if self._regions is None else self._regions.written
        bug = "nothing was written; this is a bug of steelflow, please report it"
        if not found == self._ok + self._failed == self._rows.written:
            raise ReportError(
                f"{self._key}: {found} images found, but {self._ok} ok + {self._failed} failed, {self._rows.written} "
                f"rows; {bug}"
            )
        if regions != self._rows.regions:
            raise ReportError(f"{self._key}: {regions} regions, but {self._rows.regions} in the rows; {bug}")
        counts = Counts(found, self._ok, self._failed, ignored, regions, self._wide, self._bits)
        file = regions_key(self._key, self._fingerprint)
        told = {
            FINGERPRINT: self._fingerprint.encode(),
            COUNTS: json.dumps([counts.found, counts.ok, counts.failed, counts.ignored]).encode(),
            MODEL: json.dumps([self._origin.spec.name, self._origin.spec.version, self._origin.model_digest]).encode(),
            SUMMARY: self._summary.to_bytes(),
        }
        if counts.wide:
            told[DEPTH] = json.dumps({"images": counts.wide, "bits": counts.bits}).encode()
        if notes != NO_NOTES:
            told[NOTES] = notes.to_json()
        if self._regions is not None:
            told[REGIONS] = json.dumps({"rows": regions, "file": file if regions else ""}).encode()
            self._regions.close({FINGERPRINT: self._fingerprint.encode()})
            if regions:
                self._store.put(file, self._regions.file)
        self._rows.close(told)
        self._store.put(self._key, self._rows.file)
        return counts

    def _described(self, schema: pa.Schema) -> pa.Schema:
        if self._hive:  # line and date are in the path: readers refuse a column that is in both
            schema = pa.schema([field for field in schema if field.name not in ("line", "date")])
        return schema.with_metadata(
            {
                b"steelflow.schema_version": str(schema_version(self._framed)).encode(),
                b"steelflow.spec": self._origin.spec.model_dump_json().encode(),
            }
        )

    def flush(self) -> None:
        """Write the rows that wait for a full row group."""
        if self._pending:
            chunk = joined(self._pending)
            images = rows(chunk, self._origin)
            self._rows.write(images)
            self._summary.add(images)
            if self._regions is not None:
                regions = region_rows(chunk, self._origin)
                self._regions.write(regions)
                self._summary.add_regions(regions)
            self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.delete()
        if self._regions is not None:
            self._regions.delete()


class _Part:
    """A Parquet file in the temporary folder. ``regions`` is the sum of that column, if there is one."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.file = folder / own_name(_DRAFT)
        self.written = self.regions = 0
        self._schema = schema
        try:
            with _disk():
                self._parquet = pq.ParquetWriter(
                    self.file, schema, compression="zstd", use_dictionary=_repeating(schema)
                )
        except ReportError:  # a full disk has room for the name of a file
            self.file.unlink(missing_ok=True)
            raise

    def write(self, table: pa.Table) -> None:
        table = table.select(self._schema.names)
        with _disk():
            self._parquet.write_table(table, row_group_size=ROW_GROUP)
        self.written += table.num_rows
        if "regions" in self._schema.names:
            self.regions += sum(count or 0 for count in table["regions"].to_pylist())

    def close(self, told: dict[bytes, bytes]) -> None:
        self._parquet.add_key_value_metadata(told)
        with _disk():
            self._parquet.close()

    def delete(self) -> None:
        with contextlib.suppress(OSError):  # a full disk: the incomplete file is deleted anyway
            if self._parquet.is_open:
                self._parquet.close()
        self.file.unlink(missing_ok=True)


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
