"""The map of a coil: its lanes, what no image shows, its regions at their place with their size, and marks that repeat.

Polars in, Polars out, no Streamlit. ``charts.coil_map`` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dashboard.data import lanes as data_lanes
from dashboard.data.strips import named_marks
from steelflow.config import LineFrame, RollMarkSettings
from steelflow.strip.rolls import DIRT

MOST = 1_200  # regions that are drawn
_TICKS = 300  # of a mark; more would touch each other
_IMAGE = ("object_key", "member", "ordinal")
_MM = 1000.0


@dataclass(frozen=True, slots=True)
class CoilMap:
    """``metres``: whether ``start`` and ``end`` are metres from the head; else they are numbers of images.

    ``lanes``: as from ``lanes.widths``. ``holes``: ``panel``, ``what``, ``start``, ``end``, ``low``, ``high``,
    ``images`` and ``number`` of the first image. ``regions``: those that are drawn, columns ``data.regions.COLUMNS``
    with ``panel``, ``start``, ``end``, ``low``, ``high`` and ``mark``, the name of what repeats. ``ticks``: ``panel``,
    ``name``, ``place``, ``across`` and ``label``, where marks are expected. ``marks``: ``panel``, ``name``, ``told``,
    ``first`` and ``across``. ``images`` has the key of each ``number``.
    """

    metres: bool
    low: float
    high: float
    lanes: pl.DataFrame
    holes: pl.DataFrame
    regions: pl.DataFrame
    total: int
    ticks: pl.DataFrame
    marks: pl.DataFrame
    images: pl.DataFrame

    @property
    def unplaced(self) -> int:
        """Images of the coil that have no position, and are not on the map."""
        return self.images.filter(~pl.col("placed")).height


def coil_map(
    rows: pl.DataFrame,
    regions: pl.DataFrame,
    marks: pl.DataFrame,
    ranks: Mapping[str, int],
    settings: LineFrame | None = None,
    limits: RollMarkSettings | None = None,
    stretch: tuple[float, float] | None = None,
) -> CoilMap:
    """The map of one coil.

    Args:
        rows: all its images in order, columns ``sources.COIL``.
        regions: all its regions, columns ``data.regions.COLUMNS``.
        marks: those that repeat on it, columns ``strip.rolls.MARKS``.
        ranks: the severities, the worst first; if not all regions can be drawn, the worst are.
        settings: of the line's frames.
        stretch: the part of the coil to show, in the unit of the map; all of it if None.
    """
    frames, metres = data_lanes.frames_of(rows)
    low, high = data_lanes.ends(frames, metres)
    known = data_lanes.with_frames(regions, frames)
    lanes = data_lanes.widths(frames, known, settings)
    first, last = stretch or (low, high)
    placed = (
        _marked(_placed(known, lanes, metres), marks, limits or RollMarkSettings())
        if metres
        else _placed(known, lanes, metres).with_columns(mark=pl.lit(None, pl.String()))
    )
    inside = placed.filter(pl.col("end") >= first, pl.col("start") <= last)
    empty = data_lanes.holes(frames, low, high).join(
        lanes.select(*data_lanes.KEYS, "panel", "low", "high"), on=data_lanes.KEYS, how="left", nulls_equal=True
    )
    holes = pl.concat([empty.drop(data_lanes.KEYS), _off_strip(lanes, low, high)], how="diagonal")
    shown = holes.filter(pl.col("end") > first, pl.col("start") < last)
    repeated = _panelled(marks, lanes) if metres else _panelled(marks.clear(), lanes)
    images = rows.select(*_IMAGE).with_row_index("number")
    return CoilMap(
        metres=metres,
        low=first,
        high=last,
        lanes=lanes,
        holes=shown.with_columns(pl.col("start").clip(first, last), pl.col("end").clip(first, last)),
        regions=worst_first(inside, ranks).head(MOST),
        total=inside.height,
        ticks=_ticks(repeated, first, last),
        marks=_told(repeated),
        images=images.with_columns(placed=pl.col("number").is_in(frames["number"].implode())),
    )


def worst_first(regions: pl.DataFrame, ranks: Mapping[str, int]) -> pl.DataFrame:
    """Regions by severity, then by score and area."""
    rank = pl.col("severity").replace_strict(dict(ranks), default=len(ranks), return_dtype=pl.Int64)
    return regions.sort(
        rank, "score", "area", *_IMAGE, "region", descending=[False, True, True, *[False] * 4], nulls_last=True
    )


def _placed(regions: pl.DataFrame, lanes: pl.DataFrame, metres: bool) -> pl.DataFrame:
    """Regions with ``panel`` and their box: ``start`` and ``end`` along, ``low`` and ``high`` across. What the report
    tells in metres and millimetres is taken as it is; the rest follows from the pixels of the frame."""
    turned = pl.col("turned")
    first, size = (pl.when(turned).then(wide).otherwise(tall) for wide, tall in (("x", "y"), ("width", "height")))
    across, breadth = (pl.when(turned).then(tall).otherwise(wide) for wide, tall in (("x", "y"), ("width", "height")))
    pixels = pl.when(turned).then("frame_width").otherwise("frame_height")
    frame = pl.col("end") - pl.col("start")
    begin, reach = pl.col("start") + frame * first / pixels, frame * size / pixels
    told = pl.col("along").is_finite() & pl.col("length_mm").is_finite()
    half = pl.col("length_mm").cast(pl.Float64) / 2 / _MM
    wide = pl.col("width_mm").cast(pl.Float64) / 2
    on_lane = regions.join(
        lanes.rename({"low": "lane_low", "high": "lane_high"}), on=data_lanes.KEYS, how="left", nulls_equal=True
    )
    known = pl.col("across_mm").is_finite() & pl.col("width_mm").is_finite() & pl.col("scale").is_not_null()
    per_pixel = pl.col("scale").fill_null(1.0)
    left = pl.col("lane_low") + across * per_pixel
    exact = told if metres else pl.lit(False)
    return on_lane.with_columns(
        start=pl.when(exact).then(pl.col("along") - half).otherwise(begin),
        end=pl.when(exact).then(pl.col("along") + half).otherwise(begin + reach),
        low=pl.when(known).then(pl.col("across_mm") - wide).otherwise(left),
        high=pl.when(known).then(pl.col("across_mm") + wide).otherwise(left + breadth * per_pixel),
    )


def _marked(regions: pl.DataFrame, marks: pl.DataFrame, limits: RollMarkSettings) -> pl.DataFrame:
    """Regions with ``mark``: the name of the mark at one of whose expected places they lie."""
    name = pl.lit(None, pl.String())
    for row in named_marks(marks).iter_rows(named=True):
        turns = (1000 * (pl.col("along") - row["first"]) / row["period_mm"]).round()
        off = (1000 * (pl.col("along") - row["first"]) - turns * _period(row)).abs()
        on_side = pl.col("side").eq_missing(pl.lit(row["side"], pl.String()))
        beside = (pl.col("across_mm") - row["across_mm"]).abs() <= 2 * limits.across_mm
        within = pl.col("along").is_between(row["first"] - 1e-6, row["last"] + 1e-6)
        here = on_side & beside & within & (off <= 1.5 * limits.position_mm)
        name = pl.when(here.fill_null(False)).then(pl.lit(row["name"])).otherwise(name)
    return regions.with_columns(mark=name)


def _period(row: Mapping[str, float]) -> float:
    """Millimetres from a mark to the next, so that the first and the last one are at a place: a period is known to a
    fraction of a millimetre, and a coil has hundreds."""
    turns = max(1, round(1000 * (row["last"] - row["first"]) / row["period_mm"]))
    return 1000 * (row["last"] - row["first"]) / turns or row["period_mm"]


def _panelled(marks: pl.DataFrame, lanes: pl.DataFrame) -> pl.DataFrame:
    """Marks with ``name`` and ``panel``; those of a panel without millimetres are left out."""
    sides = lanes.filter(pl.col("scale").is_not_null()).group_by("side").agg(pl.col("panel").first())
    return named_marks(marks).join(sides, on="side", how="inner", nulls_equal=True)


def _ticks(marks: pl.DataFrame, first: float, last: float) -> pl.DataFrame:
    rows: list[tuple[str, str, float, float, str]] = []
    for row in marks.iter_rows(named=True):
        period = _period(row) / _MM
        turns = round((row["last"] - row["first"]) / period) if period > 0 else 0
        places = [row["first"] + turn * period for turn in range(turns + 1)]
        inside = [place for place in places if first <= place <= last]
        every = -(-len(inside) // _TICKS) or 1
        rows += [(row["panel"], row["name"], place, row["across_mm"], row["label"]) for place in inside[::every]]
    names = ("panel", "name", "place", "across", "label")
    return pl.DataFrame(rows, orient="row", schema=dict(zip(names, _TYPES, strict=True)))


_TYPES = (pl.String, pl.String, pl.Float64, pl.Float64, pl.String)


def _told(marks: pl.DataFrame) -> pl.DataFrame:
    """What is written beside each mark: its roll, the period, and how sure it is."""
    rows: list[tuple[str, str, str, float, float, float]] = []
    for row in marks.iter_rows(named=True):
        sure = "> 99.9 %" if row["confidence"] > 0.999 else f"{100 * row['confidence']:.1f} %"
        period = "each frame" if row["cause"] == DIRT else f"every {row['period_mm']:,.0f} mm"
        who = row["name"] if row["roll"] or row["cause"] == DIRT else "no roll fits"
        rows.append(
            (row["panel"], row["name"], f"{who}, {period}, {sure}", row["first"], row["last"], row["across_mm"])
        )
    schema = {"panel": pl.String, "name": pl.String, "told": pl.String}
    return pl.DataFrame(rows, orient="row", schema={**schema, **dict.fromkeys(("first", "last", "across"), pl.Float64)})


def _off_strip(lanes: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """What a camera sees beside the edge of the strip, from which millimetres count."""
    outside = lanes.filter(pl.col("scale").is_not_null(), pl.col("low") < 0)
    return outside.select(
        "panel",
        what=pl.lit(data_lanes.OFF),
        start=pl.lit(low),
        end=pl.lit(high),
        low=pl.col("low"),
        high=pl.min_horizontal(pl.col("high"), pl.lit(0.0)),
    )


def targets(made: CoilMap) -> Sequence[int | None]:
    """The image of each thing that can be clicked, as its number: the drawn regions, then the holes."""
    numbers = [*made.regions["number"], *made.holes["number"]]
    return [None if one is None else int(one) for one in numbers]
