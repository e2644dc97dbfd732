"""Lanes of a coil: what each camera sees, along and across the strip, and what it does not. No Streamlit.

A lane is one camera on one side. Along, its frames lie at their positions in metres; a coil without positions is shown
by the number of the frame. Across, a lane lies where the regions or the settings say, in millimetres from the strip's
edge; else it has its pixels, apart from the other lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

import polars as pl

from steelflow.config import LineFrame

KEYS = ("side", "camera")
MOST_HOLES = 400  # of each kind and lane; the longest
_LONGEST = 10_000.0  # metres. Larger positions count the line's metres, not the coil's
_NEEDED = {
    **dict.fromkeys(("object_key", "member", "camera", "side", "status"), pl.String()),
    **dict.fromkeys(("ordinal", "width", "height"), pl.Int32()),
    **dict.fromkeys(("position", "length"), pl.Float64()),
}

UNREADABLE, MISSING, OFF = "unreadable", "no image", "off the strip"


def frames_of(rows: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """The images of a coil with ``start`` and ``end`` along it, and whether these are metres.

    An image whose length is not known reaches to the next one: the median distance of its camera. If no image has a
    position, they are counted per camera, and each has the length 1 around its number. Otherwise those without one are
    left out.

    Args:
        rows: columns ``sources.COIL``, in the order of the coil.
    """
    frames = rows.select(pl.col(name).cast(kind) for name, kind in _NEEDED.items()).with_row_index("number")
    known = frames.filter(pl.col("position").is_finite())
    if known.is_empty():
        place = pl.int_range(1, pl.len() + 1).over(KEYS).cast(pl.Float64)
        return frames.with_columns(start=place - 0.5, end=place + 0.5), False
    apart = pl.col("position").sort().diff()
    step = apart.filter(apart > 0).median().over(KEYS)
    length = pl.coalesce("length", pl.col("length").median().over(KEYS), step, pl.lit(1.0))
    return known.sort("position", maintain_order=True).with_columns(
        start=pl.col("position"), end=pl.col("position") + length
    ), True


def ends(frames: pl.DataFrame, metres: bool) -> tuple[float, float]:
    """From the head of the coil to the end of its last image."""
    low, high = cast(float, frames["start"].min()), cast(float, frames["end"].max())
    return (min(0.0, low) if metres and high < _LONGEST else low), high


def widths(frames: pl.DataFrame, regions: pl.DataFrame, settings: LineFrame | None) -> pl.DataFrame:
    """Where each lane lies across the strip: ``side``, ``camera``, ``low``, ``high``, ``scale`` (millimetres per pixel)
    and ``panel``.

    Lanes with the same panel are drawn over one axis. Without a scale, ``low`` and ``high`` are pixels.

    Args:
        regions: of the coil, with ``turned`` from ``with_frames``.
        settings: of the line, for lanes without a region that tells its place.
    """
    turned = bool(regions["turned"].any()) if regions.height else settings is not None and settings.along == "width"
    pixels = pl.col("height" if turned else "width").median()
    lanes = frames.group_by(KEYS).agg(pixels.fill_null(1.0).alias("pixels"))
    first, size = ("y", "height") if turned else ("x", "width")
    scale = pl.col("width_mm").cast(pl.Float64) / pl.col(size)
    told = (
        regions.filter(pl.col("across_mm").is_not_null(), pl.col("width_mm") > 0)
        .with_columns(scale=scale)
        .with_columns(low=pl.col("across_mm") - (pl.col(first) + pl.col(size) / 2) * pl.col("scale"))
        .group_by(KEYS)
        .agg(pl.col("scale").median(), pl.col("low").median())
    )
    joined = lanes.join(told, on=KEYS, how="left", nulls_equal=True)
    if settings is not None and settings.mm_across is not None:
        joined = _by_settings(joined, settings)
    named = pl.concat_str("side", "camera", separator=" ", ignore_nulls=True)
    known = pl.col("scale").is_not_null()
    panel = (
        pl.when(known)
        .then(pl.col("side").fill_null("strip"))
        .otherwise(pl.when(named == "").then(pl.lit("strip")).otherwise(named))
    )
    low = pl.col("low").fill_null(0.0)
    return joined.select(
        *KEYS,
        "scale",
        low.alias("low"),
        (low + pl.col("pixels") * pl.col("scale").fill_null(1.0)).alias("high"),
        panel=panel,
    ).sort(*KEYS, nulls_last=True)


def _by_settings(lanes: pl.DataFrame, settings: LineFrame) -> pl.DataFrame:
    """Lanes whose place no region tells, at the place of the settings."""
    places = {name: camera.across_mm for name, camera in settings.cameras.items()}
    own = pl.col("camera").replace_strict(places, default=None, return_dtype=pl.Float64) if places else pl.lit(0.0)
    unknown = pl.col("scale").is_null() & own.is_not_null()
    return lanes.with_columns(
        low=pl.when(unknown).then(own).otherwise("low"),
        scale=pl.when(unknown).then(pl.lit(settings.mm_across)).otherwise("scale"),
    )


def holes(frames: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """Stretches of each lane between ``low`` and ``high`` without a readable image: ``side``, ``camera``, ``what``
    (``UNREADABLE`` or ``MISSING``), ``start``, ``end``, ``images`` and ``number``, the first of them.

    Stretches of less than half an image are none: positions may be rounded. An unreadable image makes no hole where a
    readable one shows the strip as well.
    """
    rows: list[tuple[object, ...]] = []
    for (side, camera), lane in frames.sort("start", maintain_order=True).group_by(KEYS, maintain_order=True):
        least = cast(float, (lane["end"] - lane["start"]).median()) / 2
        readable = lane.filter(pl.col("status") == "ok")
        unseen = _gaps(readable, low, high, least)
        made: list[tuple[object, ...]] = [(UNREADABLE, *one) for one in _longest(_within(_runs(lane), unseen, least))]
        made += [(MISSING, *one, 0, None) for one in _longest(_gaps(lane, low, high, least))]
        rows += [(side, camera, *one) for one in made]
    return pl.DataFrame(rows, schema=_HOLES, orient="row")


_HOLES = pl.Schema(
    {"side": pl.String(), "camera": pl.String(), "what": pl.String()}
    | {"start": pl.Float64(), "end": pl.Float64(), "images": pl.UInt32(), "number": pl.UInt32()}
)
Span = tuple[float, float]
Run = tuple[float, float, int, int]  # start, end, images, number of the first


def _gaps(ordered: pl.DataFrame, low: float, high: float, least: float) -> list[Span]:
    """Stretches that no image shows."""
    before = pl.concat([pl.Series([low]), ordered["end"].cum_max()])
    after = pl.concat([ordered["start"], pl.Series([high])])
    spans = pl.DataFrame({"start": before, "end": after})
    return list(spans.filter(pl.col("end") - pl.col("start") > least).iter_rows())


def _runs(ordered: pl.DataFrame) -> list[Run]:
    """Unreadable images that follow each other."""
    failed = pl.col("status") != "ok"
    numbered = ordered.with_columns(run=(failed != failed.shift()).fill_null(True).cum_sum())
    runs = numbered.filter(failed).group_by("run", maintain_order=True)
    found = runs.agg(pl.col("start").min(), pl.col("end").max(), pl.len(), pl.col("number").first())
    return list(found.drop("run").iter_rows())


def _within(runs: Sequence[Run], spans: Sequence[Span], least: float) -> list[Run]:
    """The parts of runs that lie in spans. Both ascend."""
    found, place = [], 0
    for start, end, images, number in runs:
        while place < len(spans) and spans[place][1] <= start:
            place += 1
        for first, last in spans[place:]:
            if first >= end:
                break
            if min(end, last) - max(start, first) > least:
                found.append((max(start, first), min(end, last), images, number))
    return found


_Span = TypeVar("_Span", Span, Run)


def _longest(spans: Sequence[_Span]) -> list[_Span]:
    longest = sorted(spans, key=lambda span: span[0] - span[1])[:MOST_HOLES]
    return sorted(longest)


def with_frames(regions: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """Regions with what is known of their frame: ``number``, ``start`` and ``end`` of the frame along the coil, its
    pixels, and ``turned``, whether the strip moves along its width. Regions without a frame are left out."""
    keys = ["object_key", "member", "ordinal"]
    of_frame = frames.select(*keys, "number", "start", "end", "length", frame_width="width", frame_height="height")
    joined = regions.join(of_frame, on=keys, how="inner", nulls_equal=True)

    # A region's length in millimetres is in proportion to the frame's along the strip only.
    def off(size: str) -> pl.Expr:
        return (1000 * pl.col("length") * pl.col(size) / pl.col(f"frame_{size}") - pl.col("length_mm")).abs().sum()

    return joined.with_columns(turned=(off("width") < off("height")).fill_null(False))


def panels(lanes: pl.DataFrame) -> Sequence[str]:
    """The panels from top to bottom: the top side above the bottom one."""
    return sorted(lanes["panel"].unique(), key=lambda name: (not name.startswith("top"), name))
