"""Batches of labels: Parquet files that are written once, never changed, and read as one table.

A batch is one object, so it is complete or missing. ``compacted.parquet`` is a copy of many batches, for fast reading.
It is used only for batches whose etag is unchanged, so the batches stay the truth.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from steelflow.errors import LabelError, ObjectNotFound, StoreError
from steelflow.labels.boxes import BOX, Box
from steelflow.labels.names import nfc
from steelflow.store.base import Store

SCHEMA = pl.Schema(
    {
        "image": pl.String(),  # SHA-256 of the bytes, in hex
        "object_key": pl.String(),  # these three locate it in the archive; null if it came from a folder
        "member": pl.String(),
        "ordinal": pl.Int32(),
        "line": pl.String(),
        "date": pl.Date(),
        "coil": pl.String(),
        "label": pl.String(),  # null: the label was withdrawn, or the image is not usable
        "who": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "source": pl.String(),  # import | review | …
        "note": pl.String(),
        **dict.fromkeys(BOX, pl.Int32()),  # pixels of the region; null for the whole image
        "verdict": pl.String(),  # see ``boxes.VERDICTS``
    }
)
_ADDED = (*BOX, "verdict")  # since 0.2.0: null in earlier batches
_PLACE = {"batch": pl.String(), "row": pl.UInt32()}  # the place of a row; the names of batches sort by time
_FULL = pl.Schema({**SCHEMA, **_PLACE})

_FOLDER = "batches/"
_COMPACTED = "compacted.parquet"
_LOOSE = 256  # batches that are read one by one, before they are compacted
_WAITS = (0.05, 0.2, 1.0)  # seconds, before a batch that is listed and missing is read again
_SHARE = 8  # … or an eighth of the compacted batches, if that is more: so the total cost of compacting is linear


@dataclass(frozen=True, slots=True)
class Label:
    """One label of one person for one image, or for the region of it at ``x``, ``y`` (``boxes.VERDICTS`` says how it
    came about). ``at`` is now by default, by the clock of the store. A label of None withdraws earlier labels of the
    image or region."""

    image: str
    label: str | None
    who: str
    source: str
    at: dt.datetime | None = None
    note: str | None = None
    object_key: str | None = None
    member: str | None = None
    ordinal: int | None = None
    line: str | None = None
    date: dt.date | None = None
    coil: str | None = None
    x: int | None = None
    y: int | None = None
    width: int | None = None
    height: int | None = None
    verdict: str | None = None

    @property
    def box(self) -> Box | None:
        """x, y, width and height in pixels; None for the whole image."""
        if self.x is None or self.y is None or self.width is None or self.height is None:
            return None
        return self.x, self.y, self.width, self.height


class Batches:
    """The batches of one store. Read batches are cached, so a second read loads only new ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._etags: dict[str, str] = {}
        self._rows = pl.DataFrame(schema=_FULL)
        self._loose = 0

    def read(self) -> pl.DataFrame:
        """All labels ever given, ordered by ``at``, batch and row: a later one counts more.

        Raises:
            LabelError: a batch is damaged.
        """
        there = {info.key: info.etag for info in self._store.list(_FOLDER) if info.key.endswith(".parquet")}
        etags, rows, loose = self._etags, self._rows, self._loose
        if not etags.items() <= there.items():  # one was deleted or replaced by hand
            etags, rows, loose = {}, pl.DataFrame(schema=_FULL), 0
        if not etags and len(there) > _LOOSE:
            etags, rows = self._compacted(there)
        new = sorted(there.keys() - etags.keys())
        if new or rows is not self._rows:
            read = [self._parse(key, data) for key, data in self._fetched(new)]
            rows = pl.concat([rows, *read]).sort("at", "batch", "row")
            etags = etags | {key: there[key] for key in new}
            self._etags, self._rows, self._loose = etags, rows, loose + len(new)
        return self._rows

    def _fetched(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        """The listed batches. A store can list an object a moment before it gives it, while others write beside it, so
        one that is missing is asked for again."""
        for wait in _WAITS:
            late = []
            for key, data in self._store.get_many(keys):
                if isinstance(data, ObjectNotFound):
                    late.append(key)
                else:
                    yield key, data
            if not late:
                return
            time.sleep(wait)
            keys = late
        yield from self._store.get_many(keys)

    def write(self, rows: pl.DataFrame, now: dt.datetime) -> str:
        """Add a batch of rows with ``SCHEMA``, at the time ``now``. Returns its key."""
        key = f"{_FOLDER}{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.parquet"
        self._store.put(key, _parquet(rows.select(SCHEMA.names()).cast(SCHEMA)))
        if self._loose > max(_LOOSE, (len(self._etags) - self._loose) // _SHARE):
            with contextlib.suppress(StoreError):  # the batch is stored; the next write compacts
                etags = pl.col("batch").replace_strict(self._etags, return_dtype=pl.String())
                self._store.put(_COMPACTED, _parquet(self._rows.with_columns(etag=etags)))
                self._loose = 0
        return key

    def _compacted(self, there: dict[str, str]) -> tuple[dict[str, str], pl.DataFrame]:
        """The rows of the batches that are unchanged since they were compacted."""
        with contextlib.suppress(ObjectNotFound, pl.exceptions.PolarsError):
            found = pl.read_parquet(io.BytesIO(self._store.get(_COMPACTED)))
            present = pl.DataFrame(
                {"batch": there.keys(), "etag": there.values()}, {"batch": pl.String, "etag": pl.String}
            )
            rows = _complete(found.join(present, on=["batch", "etag"], how="semi")).select(_FULL.names()).cast(_FULL)
            return {key: there[key] for key in rows["batch"].unique()}, rows
        return {}, pl.DataFrame(schema=_FULL)

    def _parse(self, key: str, data: bytes | StoreError) -> pl.DataFrame:
        try:
            if isinstance(data, StoreError):
                raise data
            rows = _complete(pl.read_parquet(io.BytesIO(data))).select(SCHEMA.names()).cast(SCHEMA)
        except (pl.exceptions.PolarsError, ObjectNotFound) as exc:
            raise LabelError(
                f"{self._store.uri}/{key}: is not a batch of labels ({_first_line(exc)}); restore it from a backup"
            ) from exc
        return rows.with_columns(pl.lit(key).alias("batch"), pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"))


def composed(label: Label) -> Label:
    """The label with one spelling of its names, see ``names.nfc``. The key stays as the archive has it."""
    return replace(label, label=None if label.label is None else nfc(label.label), who=nfc(label.who))


def frame_of(labels: list[Label], now: dt.datetime, history: pl.DataFrame) -> pl.DataFrame:
    """Labels as rows of ``SCHEMA``, in the same order.

    A label without a time comes after all that ``history`` knows of its image: whoever gives it has seen those, and a
    clock that was wrong when they were given does not outdate it.
    """
    columns = {name: [getattr(label, name) for label in labels] for name in SCHEMA}
    known = history.filter(pl.col("image").is_in(columns["image"])).group_by("image").agg(pl.col("at").max())
    after = {image: at + dt.timedelta(microseconds=1) for image, at in known.iter_rows()}
    columns["at"] = [
        max(now, after.get(label.image, now)) if label.at is None else label.at.astimezone(dt.UTC) for label in labels
    ]
    return pl.DataFrame(columns, SCHEMA)


def _complete(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the columns that an earlier version did not write, and one spelling of names."""
    rows = rows.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in _ADDED if name not in rows.columns)
    return rows.with_columns(pl.col("label", "who").cast(pl.String).str.normalize("NFC"))


def _parquet(rows: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    rows.write_parquet(file)
    return file.getvalue()


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0]
