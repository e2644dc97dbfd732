"""The rows of one unit, counted when they are written, and kept in the footer of its report.

A night is summarised from these tables: nobody has to read its rows again. ``report.summary`` adds them up.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelflow.schema import QUALITY

BANDS = (0.5, 0.7, 0.9, 0.99)
"""Lower bounds of the confidence bands 1 to 4. Band 0 is below the first bound."""

GROUP = ("coil", "status", "label", "band", "camera", "side")
SUMS = ("images", "novel", "regions", "defect_area", "length")
MEANS = ("confidence", *QUALITY)
KNOWN = tuple(f"{name} known" for name in MEANS)

Texts = Sequence[str | None]
Columns = dict[str, list[Any]]
"""A row for each ``GROUP`` of a unit. ``SUMS`` and ``MEANS`` are sums over its images; ``SUMS`` are null if no image
has the figure. ``KNOWN`` counts the images that have a mean. ``defect_area`` is in pixels, ``length`` in metres.
Regions are counted at their own label, and at the band of their score."""

_FIGURES = (*SUMS, *MEANS)
_COUNTS = SUMS[:-1]
_VERSION = 1  # raise it with every change of the columns: those of another version are not read
_MOST = 1024  # rows of some 60 bytes: more do not belong into a footer
_LARGEST = 4 * 1024**2  # bytes of JSON that are unpacked
_DIGITS = 9  # of sums that are no counts: a night's summary has seven


class UnitSummary:
    """Counts the rows of a unit as they are written."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Any, ...], int] = {}
        self._sums = np.zeros((2, 0, len(_FIGURES)))  # and of how many images each is

    def add(self, rows: pa.Table) -> None:
        """Count rows of ``schema.report_schema``. Their regions are rows of their own: here they count as none, or as
        unknown where nobody looked for them."""
        read = _figures(rows)
        none = {name: 0 * read[name] for name in ("regions", "defect_area")}
        figures = {**read, **none, "images": np.ones(rows.num_rows)}
        self._count(rows, _texts(rows, "status"), bands(_numbers(rows, "confidence")), figures)

    def add_regions(self, rows: pa.Table) -> None:
        """Count rows of ``schema.region_schema``."""
        ones, unknown = np.ones(rows.num_rows), np.full(rows.num_rows, math.nan)
        told = {"images": 0 * ones, "regions": ones, "defect_area": _numbers(rows, "area")}
        figures = {name: told.get(name, unknown) for name in _FIGURES}
        self._count(rows, ["ok"] * rows.num_rows, bands(_numbers(rows, "score")), figures)

    def _count(
        self, rows: pa.Table, status: Texts, band: Iterable[int | None], figures: dict[str, npt.NDArray[Any]]
    ) -> None:
        coil, label, camera, side = (_texts(rows, name) for name in ("coil", "label", "camera", "side"))
        keys = zip(coil, status, label, band, camera, side, strict=True)
        groups = self._groups
        codes = np.fromiter((groups.setdefault(key, len(groups)) for key in keys), np.intp, rows.num_rows)
        grown = np.zeros((2, len(groups), len(_FIGURES)))
        grown[:, : self._sums.shape[1]] = self._sums
        for column, name in enumerate(_FIGURES):
            known = ~np.isnan(figures[name])
            grown[0, :, column] += np.bincount(codes, np.where(known, figures[name], 0), len(groups))
            grown[1, :, column] += np.bincount(codes, known, len(groups))
        self._sums = grown

    def columns(self) -> Columns:
        """What was counted until now."""
        found: Columns = {name: [key[i] for key in self._groups] for i, name in enumerate(GROUP)}
        for column, name in enumerate(_FIGURES):
            sums, known = self._sums[:, :, column].tolist()
            kept = [int(total) if name in _COUNTS else float(f"{total:.{_DIGITS}g}") for total in sums]
            if name in SUMS:
                found[name] = [total if count else None for total, count in zip(kept, known, strict=True)]
            else:
                found[name] = kept
                found[f"{name} known"] = [int(count) for count in known]
        return found

    def to_bytes(self) -> bytes:
        """For the footer, whose values are text; empty if there are too many groups for it."""
        if len(self._groups) > _MOST:
            return b""
        told = json.dumps({"version": _VERSION, "columns": self.columns()}, separators=(",", ":"))
        return base64.b64encode(zlib.compress(told.encode()))


def read_unit_summary(kept: bytes) -> Columns | None:
    """What ``UnitSummary.to_bytes`` wrote; None if it is empty, damaged or of another version."""
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(kept, validate=True), _LARGEST)
        told = json.loads(unpacked)
        return dict(told["columns"]) if told["version"] == _VERSION else None
    except (ValueError, TypeError, KeyError, zlib.error):
        return None


def bands(confidence: npt.NDArray[Any]) -> Iterable[int | None]:
    """The band of each confidence, see ``BANDS``; None where it is not known (NaN)."""
    found = np.searchsorted(np.array(BANDS, np.float32), confidence.astype(np.float32), side="right")
    return (None if unknown else band for band, unknown in zip(found.tolist(), np.isnan(confidence), strict=True))


def _figures(rows: pa.Table) -> dict[str, npt.NDArray[Any]]:
    return {name: _numbers(rows, name) for name in _FIGURES}


def _numbers(rows: pa.Table, name: str) -> npt.NDArray[Any]:
    """A column (N,) as float64; NaN where it is null or not there."""
    if name not in rows.column_names:
        return np.full(rows.num_rows, math.nan)
    return np.array(rows[name].to_pylist(), np.float64)  # ``to_numpy`` imports pandas


def _texts(rows: pa.Table, name: str) -> Texts:
    return rows[name].to_pylist() if name in rows.column_names else [None] * rows.num_rows
