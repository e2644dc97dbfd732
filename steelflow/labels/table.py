"""The table of an import: a CSV of references and labels, with the problems of its rows."""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from steelflow.archive.fetch import ImageRef
from steelflow.archive.names import kind_of
from steelflow.errors import LONG_NAME, LabelError, shown
from steelflow.labels.names import nfc, spellings
from steelflow.report.sheets import original

_IMAGE = ("path", "image", "key", "object_key")
_COLUMNS = ("member", "ordinal", "label", "who", "at")
_SHOWN = 5
_SHOWN_COLUMNS = 12
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_ -]{0,29}")  # anything else is no header, but a file that is not meant for us
_LONGEST_KEY = 1024  # of S3


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an import. ``where`` names it for people. If ``local``, the reference is a file on this machine."""

    where: str
    column: str
    local: bool
    reference: ImageRef
    label: str
    who: str | None = None
    at: dt.datetime | None = None
    image: str = ""  # SHA-256, after the bytes were read


@dataclass(slots=True)
class Problems:
    """The problems of an import, in words. The error shows the first few."""

    given: Path
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, where: str, column: str, what: str) -> None:
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(f"{where}, {column}: {what}")

    def check(self) -> None:
        if self.count:
            rest = f"; and {self.count - len(self.first):,} more" if self.count > len(self.first) else ""
            noun = "problem" if self.count == 1 else "problems"
            raise LabelError(
                f"{self.given}: {self.count:,} {noun}, nothing was imported: {'; '.join(self.first)}{rest}"
            )


def table(file: Path, zone: ZoneInfo, problems: Problems) -> Iterator[Row]:
    """The valid rows of a CSV. The faults of the other rows are added to ``problems``."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            image = _header(file, header)
            for number, cells in enumerate(reader, 2):
                if not cells:
                    continue
                if len(cells) != len(header):
                    fewer = len(cells) < len(header)
                    column = f"column {header[len(cells)]}" if fewer else f"column {len(header) + 1}"
                    what = f"the row has {len(cells)} fields, the header {len(header)}; is a comma or a quote missing?"
                    problems.add(f"row {number}", column, what)
                    continue
                found = dict(zip(header, (original(cell.strip()) for cell in cells), strict=True))
                if (row := _row(file.parent, number, image, found, zone, problems)) is not None:
                    yield row
    except csv.Error as exc:
        problems.add(f"line {reader.line_num}", "every column", f"is not valid CSV: {exc}; save it again")
    except UnicodeDecodeError as exc:
        raise LabelError(f"{file}: is not UTF-8 (byte {exc.start:,}: {exc.reason}); save it as UTF-8") from exc
    except OSError as exc:
        raise LabelError(f"{file}: cannot be read: {exc.strerror}; name a folder or a CSV file") from exc


def _header(file: Path, header: list[str]) -> str:
    """The column that names the image."""
    named = [name for name in header if name in _IMAGE]
    wrong = None
    if len(named) != 1:
        wrong = f"{'two columns name' if named else 'no column names'} the image; use one of {', '.join(_IMAGE)}"
    elif "label" not in header:
        wrong = "no column label"
    elif doubled := next((name for name in (*_IMAGE, *_COLUMNS) if header.count(name) > 1), None):
        wrong = f"column {doubled} occurs twice"
    if wrong:
        names = ", ".join(name for name in header[:_SHOWN_COLUMNS] if _COLUMN_NAME.fullmatch(name))
        raise LabelError(f"{file}: row 1: {wrong}; it has {names or 'no names of columns'}")
    return named[0]


def _row(base: Path, number: int, image: str, found: dict[str, str], zone: ZoneInfo, problems: Problems) -> Row | None:
    where = f"row {number}"
    path, member = found[image], found.get("member") or None
    ordinal = at = None
    before = problems.count
    if not path:
        problems.add(where, f"column {image}", "is empty; name the image")
    elif ".." in (slashed := path.replace("\\", "/")).split("/") or slashed.startswith("/") or "\0" in path:
        problems.add(
            where,
            f"column {image}",
            f"{shown(path, LONG_NAME)}: use a path relative to the CSV, or a key of the archive",
        )
    elif len(path.encode()) > _LONGEST_KEY:
        problems.add(where, f"column {image}", f"is too long; a key has at most {_LONGEST_KEY:,} bytes")
    if text := found.get("ordinal"):
        if text.isdecimal() and text.isascii() and len(text) < 9:
            ordinal = int(text)
        else:
            problems.add(where, "column ordinal", f"{shown(text)} is not a place in a shard; use 0, 1, 2, …")
    if text := found.get("at"):
        try:
            moment = dt.datetime.fromisoformat(text)
            at = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
        except ValueError:
            problems.add(where, "column at", f"{shown(text)} is not a time; use the form 2026-11-18T06:30:00Z")
    if problems.count > before:
        return None
    here = next((one for one in (path, *spellings(path)) if os.path.isfile(base / one)), None)  # noqa: PTH113  Path.is_file raises if a name is too long
    local, path = here is not None, here or path
    if kind_of(path) != "shard" and ordinal is None:
        ordinal = 0
    return Row(
        where=where,
        column=f"column {image}",
        local=local,
        reference=ImageRef(path, member, ordinal),
        label=nfc(found["label"]),
        who=nfc(found["who"]) if found.get("who") else None,
        at=at,
    )
