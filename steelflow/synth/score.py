"""Reported regions against the truth of a frame plant: recall, false alarms, and coils that were judged rightly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

CELL = 16  # pixels: a model places a region on a grid of cells, so it may be a cell beside the defect
_IOU = 0.1
_IMAGE = ("object_key", "member", "ordinal")
_BOX = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True)
class Found:
    """Defects of a class: how many were found, of how many there are, and how many of the found had the right label."""

    found: int
    total: int
    named: int

    @property
    def recall(self) -> float | None:
        return self.found / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Score:
    """How well the defects of some nights were found.

    Attributes:
        classes: by class. A defect that is in several frames counts once.
        false_alarms: regions that overlap no defect.
        metres: of strip inspected.
        coils, coils_right: coils with at least one frame; those that were held, or let pass, as the truth says.
    """

    classes: Mapping[str, Found]
    false_alarms: int
    metres: float
    coils: int
    coils_right: int

    @property
    def found(self) -> int:
        return sum(one.found for one in self.classes.values())

    @property
    def total(self) -> int:
        return sum(one.total for one in self.classes.values())

    @property
    def recall(self) -> float | None:
        """Share of the defects that were found; None if there are none."""
        return self.found / self.total if self.total else None

    @property
    def false_alarms_per_100m(self) -> float:
        return 100 * self.false_alarms / self.metres


def score(
    regions: pl.DataFrame,
    truth: pl.DataFrame,
    frames: pl.DataFrame,
    metres: float,
    *,
    hold: int = 3,
    cell: int = CELL,
) -> Score:
    """Compare regions with the truth.

    A region and a defect of the same frame belong together if their boxes have an intersection over union above 0.1,
    or if the centre of one is in the other's box, which is enlarged by ``cell`` pixels on each side.

    Args:
        regions: rows of ``schema.region_schema``, with line and date.
        truth: rows of ``synth.frame_truth.DEFECTS``.
        frames: rows of ``synth.frame_truth.FRAMES``: the frames that were inspected. They name the coils.
        metres: of strip inspected, above 0; ``strip_metres`` gives those of a plant. Frames of several cameras and
            both sides show the same metres.
        hold: a coil is held if it has at least this many regions, reported ones or those of the truth. A defect in
            two frames is two regions.
        cell: tolerance in pixels.
    """
    pairs = matched(regions, truth, cell)
    each = (
        truth.with_columns(_coil_key())
        .with_row_index("row")
        .join(pairs.group_by("row").agg(named=(pl.col("region_label") == pl.col("label")).any()), on="row", how="left")
        .group_by("coil_key", "defect", "label")
        .agg(found=pl.col("named").is_not_null().any(), named=pl.col("named").fill_null(False).any())
    )
    counts = each.group_by("label").agg(pl.col("found").sum(), total=pl.len(), named=pl.col("named").sum())
    right, coils = _coils(regions, truth, frames, hold)
    return Score(
        classes={
            label: Found(found, total, named)
            for label, found, total, named in counts.sort("label")
            .select("label", "found", "total", "named")
            .iter_rows()
        },
        false_alarms=regions.height - pairs["region_row"].n_unique(),
        metres=metres,
        coils=coils,
        coils_right=right,
    )


def matched(regions: pl.DataFrame, truth: pl.DataFrame, cell: int = CELL) -> pl.DataFrame:
    """The pairs of a defect and a region that belong together, as ``score`` says.

    Returns:
        ``row`` (of ``truth``, from 0) and ``label``; ``region_row`` (of ``regions``) and ``region_label``.
    """
    reported = regions.with_row_index("region_row").select(
        *_IMAGE, "region_row", region_label="label", **{f"r_{name}": pl.col(name).cast(pl.Float64) for name in _BOX}
    )
    real = truth.with_row_index("row").select(
        *_IMAGE, "row", "label", *(pl.col(name).cast(pl.Float64) for name in _BOX)
    )
    both = real.join(reported, on=_IMAGE, how="inner", nulls_equal=True)
    ours, theirs = _box(""), _box("r_")
    shared = _length(ours[0], ours[2], theirs[0], theirs[2]) * _length(ours[1], ours[3], theirs[1], theirs[3])
    area = pl.col("width") * pl.col("height") + pl.col("r_width") * pl.col("r_height") - shared
    near = shared / area > _IOU
    return both.filter(near | _holds(ours, theirs, cell) | _holds(theirs, ours, cell)).select(
        "row", "label", "region_row", "region_label"
    )


def _box(prefix: str) -> tuple[pl.Expr, pl.Expr, pl.Expr, pl.Expr]:
    """Left, top, right and bottom."""
    x, y, width, height = (pl.col(prefix + name) for name in _BOX)
    return x, y, x + width, y + height


def _length(start: pl.Expr, end: pl.Expr, other_start: pl.Expr, other_end: pl.Expr) -> pl.Expr:
    shared = pl.min_horizontal(end, other_end) - pl.max_horizontal(start, other_start)
    return shared.clip(lower_bound=0)


def _holds(box: tuple[pl.Expr, ...], other: tuple[pl.Expr, ...], cell: int) -> pl.Expr:
    """Whether a box, enlarged by ``cell``, has the centre of the other in it."""
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    across = (x >= box[0] - cell) & (x <= box[2] + cell)
    return across & (y >= box[1] - cell) & (y <= box[3] + cell)


def _coils(regions: pl.DataFrame, truth: pl.DataFrame, frames: pl.DataFrame, hold: int) -> tuple[int, int]:
    """Coils that were judged rightly, and all coils."""
    all_coils = frames.select(_coil_key()).unique()
    real = truth.select(_coil_key()).group_by("coil_key").agg(defects=pl.len())
    reported = regions.select(_coil_key()).group_by("coil_key").agg(regions=pl.len())
    joined = all_coils.join(real, on="coil_key", how="left").join(reported, on="coil_key", how="left").fill_null(0)
    right = joined.filter((pl.col("defects") >= hold) == (pl.col("regions") >= hold))
    return right.height, all_coils.height


def _coil_key() -> pl.Expr:
    return pl.struct("line", "date", "coil").alias("coil_key")
