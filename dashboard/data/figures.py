"""The figures that pages show, from the frames of ``sources``: Polars in, Polars out, no Streamlit.

If some classes are not defects (``dashboard.good_classes``), the defect rate is the share of defects in the readable
images. If every class is a defect (cameras that save suspicious images only), that share is always one. Then the rate
is defects per coil.

Filters by class and confidence choose the images that are counted as defects (``picked``). Filters by night, line, coil
and model choose the images that they are compared with.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl

HISTORY = 28  # nights for the usual value
LEAST = 3  # nights that a usual value needs
_FLOOR = 0.01  # smallest standard deviation, as a share of the usual rate


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of the defect rate. ``good`` are the classes that are not defects."""

    good: tuple[str, ...]

    @property
    def per_coil(self) -> bool:
        return not self.good

    @property
    def name(self) -> str:
        return "defects per coil" if self.per_coil else "share of defects"

    @property
    def format(self) -> str:
        """For charts (d3)."""
        return ".2f" if self.per_coil else ".1%"

    def text(self, rate: float | None) -> str:
        if rate is None:
            return "–"
        return f"{rate:.2f}" if self.per_coil else f"{rate:.1%}"

    @property
    def is_defect(self) -> pl.Expr:
        return (pl.col("status") == "ok") & ~pl.col("label").is_in(list(self.good))


def known(daily: pl.DataFrame, band: bool, model: bool) -> pl.DataFrame:
    """The rows of lines and nights whose band (and model) are known: all except those with older summaries."""
    lacks_band = (pl.col("status") == "ok") & pl.col("band").is_null()
    lacks = (pl.lit(band) & lacks_band) | (pl.lit(model) & pl.col("model").is_null())
    return daily.filter(~lacks.any().over("date", "line"))


def picked(
    daily: pl.DataFrame, labels: Collection[str] = (), bands: Collection[int] = (), models: Collection[str] = ()
) -> pl.DataFrame:
    """The rows of these models, with ``chosen``: whether the row has one of these classes and bands. An empty filter
    means all.

    The counts of coils stay: those of every line and night in which one of the models inspected an image.
    """
    chosen = pl.lit(True)
    if labels:
        chosen &= pl.col("label").is_in(list(labels))
    if bands:
        chosen &= pl.col("band").is_in(list(bands))
    looked = daily.filter(pl.col("model").is_in(list(models))) if models else daily
    return looked.with_columns(chosen=chosen.fill_null(False))


def nightly(daily: pl.DataFrame, unit: Unit, by: Sequence[str] = ()) -> pl.DataFrame:
    """``date``, ``by``, ``found``, ``ok``, ``failed``, ``coils``, ``defects`` and ``rate``, ascending. ``by`` is empty
    or ``line``."""
    keys = ["date", *by]
    coils = daily.unique(["date", "line"]).group_by(keys).agg(pl.col("night_coils").sum().alias("coils"))
    images = pl.col("images")
    counted = daily.group_by(keys).agg(
        images.sum().alias("found"),
        images.filter(pl.col("status") == "ok").sum().alias("ok"),
        images.filter(pl.col("status") == "failed").sum().alias("failed"),
        images.filter(unit.is_defect & _chosen(daily)).sum().alias("defects"),
    )
    joined = counted.join(coils, on=keys, nulls_equal=True)
    base = pl.col("coils" if unit.per_coil else "ok")
    return joined.with_columns(rate=pl.when(base > 0).then(pl.col("defects") / base)).sort(keys, nulls_last=True)


def by_class(daily: pl.DataFrame, unit: Unit, by: Sequence[str] = ("date",)) -> pl.DataFrame:
    """``by``, ``label``, ``images``, ``coils``, ``confidence`` and ``rate`` of the chosen readable images.

    Every group has every class, with zeros. ``by`` has ``date``, ``line``, both or none; with none, there is one row
    per class. ``coils`` counts coils with an image of the class in any band and of any model: it ignores these two
    filters.
    """
    keys = [*by] or ["all"]
    daily = daily if by else daily.with_columns(all=pl.lit(True))
    readable = daily.filter(pl.col("status") == "ok")
    chosen = readable.filter(_chosen(daily))
    # The aggregates count a coil once per class, line and night, and repeat this count in each row of a band and model.
    coils = chosen.unique(["date", "line", "label"]).group_by(*keys, "label").agg(pl.col("coils").sum())
    counted = chosen.group_by(*keys, "label").agg(
        pl.col("images").sum(),
        (pl.col("confidence").cast(pl.Float64) * pl.col("images")).sum() / pl.col("images").sum(),
    )
    groups = (
        daily.unique(["date", "line"]).group_by(keys).agg(pl.col("night_coils").sum()),
        readable.group_by(keys).agg(pl.col("images").sum().alias("ok")),
    )
    grid = groups[0].join(groups[1], on=keys, nulls_equal=True).join(chosen.select("label").unique(), how="cross")
    full = grid
    for known in (counted, coils):
        full = full.join(known, on=[*keys, "label"], how="left", nulls_equal=True)
    base = pl.col("night_coils" if unit.per_coil else "ok")
    return full.select(
        *by,
        "label",
        pl.col("images", "coils").fill_null(0),
        "confidence",
        pl.when(base > 0).then(pl.col("images").fill_null(0) / base).alias("rate"),
    ).sort(*by, "label", nulls_last=True)


def usual(rates: pl.DataFrame, night: dt.date, nights: int) -> float | None:
    """The mean rate of the ``nights`` days before a night. None if fewer than ``LEAST`` of them were inspected."""
    before = _before(rates, night, nights)
    return None if before["date"].n_unique() < LEAST else cast(float | None, before["rate"].mean())


def changes(daily: pl.DataFrame, night: dt.date, unit: Unit, most: int = 6) -> pl.DataFrame:
    """The largest changes against the history: ``line``, ``label``, ``rate``, ``usual``, ``change`` (a share of the
    usual rate), ``surprise`` and ``history`` (the rates of the nights, this night last). The most surprising come
    first.

    ``surprise`` is the difference in standard deviations of the nights, but at least of the counting statistics.
    """
    window = daily.filter(pl.col("date").is_between(night - dt.timedelta(days=HISTORY), night))
    rates = by_class(window, unit, ("date", "line")).filter(~pl.col("label").is_in(list(unit.good)))
    bases = nightly(window, unit, ("line",)).select("date", "line", "coils", "ok")
    base = pl.col("coils") if unit.per_coil else pl.col("ok")
    rates = rates.drop("coils").join(bases, on=["date", "line"], nulls_equal=True).with_columns(base=base)
    before = pl.col("date") < night
    grouped = rates.sort("date").group_by("line", "label")
    told = grouped.agg(
        pl.col("rate").filter(~before).last(),
        pl.col("rate").filter(before).mean().alias("usual"),
        pl.col("rate").filter(before).std().alias("spread"),
        pl.col("base").filter(~before).last(),
        before.sum().alias("nights"),
        pl.col("rate").alias("history"),
    ).filter((pl.col("nights") >= LEAST) & pl.col("rate").is_not_null() & (pl.col("base") > 0))
    counting = (pl.max_horizontal("usual", "rate") / pl.col("base")).sqrt()
    spread = pl.max_horizontal("spread", counting, pl.col("usual") * _FLOOR)
    return (
        told.with_columns(
            surprise=(pl.col("rate") - pl.col("usual")) / spread,
            change=pl.when(pl.col("usual") > 0).then(pl.col("rate") / pl.col("usual") - 1),
        )
        .filter(pl.col("surprise").is_finite())
        .sort(pl.col("surprise").abs(), descending=True)
        .head(most)
        .select("line", "label", "rate", "usual", "change", "surprise", "history")
    )


def coils(summary: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """A night's coils, worst first: ``line``, ``coil``, ``found``, ``failed``, ``defects``, ``share`` of the readable
    images, ``worst`` (the most frequent defect) and ``of_it`` (its images)."""
    images = pl.col("images")
    counted = summary.group_by("line", "coil").agg(
        images.sum().alias("found"),
        images.filter(pl.col("status") == "ok").sum().alias("ok"),
        images.filter(pl.col("status") == "failed").sum().alias("failed"),
        images.filter(unit.is_defect).sum().alias("defects"),
        pl.col("label").filter(unit.is_defect).sort_by(images.filter(unit.is_defect)).last().alias("worst"),
        images.filter(unit.is_defect).max().fill_null(0).alias("of_it"),
    )
    share = pl.when(pl.col("ok") > 0).then(pl.col("defects") / pl.col("ok"))
    order = pl.col("of_it") if unit.per_coil else pl.col("defects")
    ranked = counted.with_columns(share=share, order=order).sort(
        ["order", "defects", "line", "coil"], descending=[True, True, False, False], nulls_last=True
    )
    return ranked.drop("order", "ok")


def totals(daily: pl.DataFrame) -> tuple[int, int, int]:
    """Images found, readable and failed."""
    ok = int(daily.filter(pl.col("status") == "ok")["images"].sum())
    found = int(daily["images"].sum())
    return found, ok, found - ok


def chosen(
    daily: pl.DataFrame,
    first: dt.date | None = None,
    last: dt.date | None = None,
    lines: Collection[str] = (),
) -> pl.DataFrame:
    """The rows of these nights and lines. An empty filter means all."""
    frame = daily
    if first is not None:
        frame = frame.filter(pl.col("date") >= first)
    if last is not None:
        frame = frame.filter(pl.col("date") <= last)
    return frame.filter(pl.col("line").is_in(list(lines))) if lines else frame


def _chosen(daily: pl.DataFrame) -> pl.Expr:
    return pl.col("chosen") if "chosen" in daily.columns else pl.lit(True)


def _before(rates: pl.DataFrame, night: dt.date, nights: int) -> pl.DataFrame:
    return rates.filter(pl.col("date").is_between(night - dt.timedelta(days=nights), night - dt.timedelta(days=1)))
