"""Manifests with places: CSV or Parquet with ``path`` and ``label``, and at will a box, a mask or a group.

``x``, ``y``, ``width`` and ``height`` are a box in pixels; a picture with several boxes has several rows. ``mask`` is
the path of a mask, relative as ``path`` is. ``group`` names the frame, tile or coil. A cell may be empty.
"""

from __future__ import annotations

import math

from steelflow.errors import LONG_NAME, DataError, shown
from steelflow.training.annotations.item import Box
from steelflow.training.annotations.shapes import enclosing
from steelflow.training.annotations.source import Draft, Found, Source
from steelflow.training.manifest import MANIFESTS, inside, read_manifest

NAME = "manifest"
TITLE = "manifest"
EXPECTS = f"a {' or '.join(MANIFESTS)} file with the columns path and label"
_BOX = ("x", "y", "width", "height")
_CORNERS = ("xmin", "ymin", "xmax", "ymax", "x_min", "y_min", "x_max", "y_max", "x1", "y1", "x2", "y2", "bbox")


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    return source.given.name if source.given.suffix.lower() in MANIFESTS else None


def read(source: Source) -> Found:
    """Raises ``DataError`` for the first row that is wrong."""
    if clue(source) is None:
        raise DataError(f"{source.given}: is not a manifest; expected {EXPECTS}")
    drafts: dict[str, Draft] = {}
    rows = read_manifest(source.given, (*_BOX, *_CORNERS, "mask", "group"))
    if corners := [name for name in _CORNERS if name in rows.columns]:
        raise DataError(
            f"{source.given}: has the columns {', '.join(corners)}, which are not read; give a box as "
            f"{', '.join(_BOX)} (width = xmax - xmin), or remove them"
        )
    for number, row in enumerate(rows.iter_rows(named=True), 1):
        where = f"{source.given}: row {number}"
        own = _draft(where, source, row)
        boxes: tuple[Box, ...] = ()
        before = drafts.get(own.path)
        if before is not None:
            if not (own.boxes and before.boxes):
                raise DataError(f"{where} lists {own.path!r} again; only a picture with boxes may have several rows")
            if (own.mask, own.group) != (before.mask, before.group):
                raise DataError(f"{where} has another mask or group than an earlier row of {own.path!r}")
            boxes = before.boxes
        drafts[own.path] = Draft(own.path, own.label, (*boxes, *own.boxes), own.mask, own.group)
    found = Found()
    for draft in drafts.values():
        found.drafts.append(Draft(draft.path, None, draft.boxes, None, draft.group) if draft.boxes else draft)
    return found


def _draft(where: str, source: Source, row: dict[str, str | None]) -> Draft:
    path, label = row["path"] or "", (row["label"] or "").strip()
    if not label:
        raise DataError(f"{where} has no label; fill it in or remove the row")
    mask = row.get("mask") or None
    given = [row.get(name) for name in _BOX]
    boxes: tuple[Box, ...] = ()
    if any(value not in (None, "") for value in given):
        try:
            x, y, width, height = (float(value or "") for value in given)
            if not all(math.isfinite(v) and abs(v) < 1e6 for v in (x, y, width, height)) or min(width, height) <= 0:
                raise ValueError
        except ValueError as exc:
            raise DataError(
                f"{where} has the box {shown(given, LONG_NAME)}; give x, y, width and height in pixels, or none"
            ) from exc
        boxes = (Box(label, *enclosing(x, y, x + width, y + height)),)
    if boxes and mask:
        raise DataError(f"{where} has a box and a mask; give one of them")
    return Draft(
        inside(path, where),
        label,
        boxes,
        None if mask is None else source.root / inside(mask, where),
        (row.get("group") or "").strip() or None,
    )
