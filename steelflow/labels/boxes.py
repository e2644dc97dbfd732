"""Labels of regions beside labels of whole images: which of them count.

A label with a box is of that region of the image; several regions of one image count. The last label of a box counts. A
person who calls a whole frame good overrules the regions labelled before; a defect labelled later overrules that.
"""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

BOX = ("x", "y", "width", "height")
Verdict = Literal["confirmed", "relabelled", "good", "drawn"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""What a person said of a region of the model: its class is right, it has another class, or it is no defect; or that
the person drew the box. ``good`` without a box: the whole frame is good."""

MAX_SIDE = 1_000_000  # pixels

Box = tuple[int, int, int, int]


def of_whole_images(rows: pl.DataFrame) -> pl.DataFrame:
    """The last label of every whole image; withdrawn ones included.

    Args:
        rows: labels in their order, columns of a batch.
    """
    rows = rows.with_row_index("order")
    last = _whole(rows)
    later = (
        _regions(rows)
        .filter(pl.col("label").is_not_null(), pl.col("verdict").ne_missing("good"))
        .group_by("image")
        .agg(defect=pl.col("order").max())
    )
    said = last.join(later, on="image", how="left", maintain_order="left")
    overruled = pl.col("verdict").eq_missing("good") & (pl.col("defect") > pl.col("order")).fill_null(False)
    return said.filter(~overruled).drop("defect", "order")


def of_regions(rows: pl.DataFrame) -> pl.DataFrame:
    """The last label of every box; withdrawn ones included, those before a frame was called good left out.

    Args:
        rows: as for ``of_whole_images``.
    """
    rows = rows.with_row_index("order")
    good = _whole(rows).filter(pl.col("verdict").eq_missing("good")).select("image", good="order")
    said = _regions(rows).join(good, on="image", how="left", maintain_order="left")
    return said.filter((pl.col("order") > pl.col("good")).fill_null(True)).drop("good", "order")


def problem_of_box(box: tuple[int | None, ...], verdict: str | None) -> str | None:
    """What is invalid in the box and verdict of a label. None if nothing is."""
    if verdict is not None and verdict not in VERDICTS:
        return f"the verdict is one of {', '.join(VERDICTS)}, not {verdict[:20]!r}"
    known = [side for side in box if side is not None]
    if not known:
        return None if verdict in (None, "good") else f"the verdict {verdict} needs a box"
    if len(known) < len(BOX):
        return f"a box needs {', '.join(BOX)}, all of them"
    x, y, width, height = known
    if min(x, y) < 0 or min(width, height) < 1 or max(x + width, y + height) > MAX_SIDE:
        return f"the box {width}×{height} at {x}, {y} is not within an image; give pixels of the image"
    return None


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("x").is_null()).unique("image", keep="last", maintain_order=True)


def _regions(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("x").is_not_null()).unique(["image", *BOX], keep="last", maintain_order=True)
