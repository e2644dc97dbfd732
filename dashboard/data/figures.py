"""The figures that pages show, from the frames of ``sources``: Polars in, Polars out, no Streamlit.

The unit of a rate follows from the night (``unit``): defects per 100 m of strip where lengths are known, else per 1,000
images. A model without good classes has no rate of all defects, only those of its classes; see ``report.rates``.

Filters by class and confidence choose the images that are counted as defects (``picked``). Filters by night, line, coil
and model choose the images that they are compared with.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import cast

import polars as pl

from steelflow.report.good import is_defect
from steelflow.report.rates import RateUnit, knows_good, number

HISTORY = 28  # nights for the usual value
LEAST = 3  # nights that a usual value needs
_FLOOR = 0.01  # smallest standard deviation, as a share of the usual rate


def unit(daily: pl.DataFrame) -> RateUnit:
    """The unit of the rates on a page: that of the latest night in ``daily``."""
    latest = daily.filter(pl.col("date") == pl.col("date").max(), pl.col("status") == "ok")
    return _unit(latest, "night_strip")


def unit_of_coils(summary: pl.DataFrame) -> RateUnit:
    """The unit of the rates of a night's coils."""
    return _unit(summary.filter(pl.col("status") == "ok"), "strip")


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


def nightly(daily: pl.DataFrame, unit: RateUnit, by: Sequence[str] = ()) -> pl.DataFrame:
    """``date``, ``by``, ``found``, ``ok``, ``failed``, ``coils``, ``strip`` (metres), ``defects`` and ``rate``,
    ascending. ``by`` is empty or ``line``. ``defects`` and ``rate`` are null on nights of a model without good
    classes."""
    keys = ["date", *by]
    images, readable = pl.col("images"), pl.col("status") == "ok"
    whole = pl.lit(unit.whole) & pl.col("good").filter(readable).is_not_null().all()
    counted = daily.group_by(keys).agg(
        images.sum().alias("found"),
        images.filter(readable).sum().alias("ok"),
        images.filter(pl.col("status") == "failed").sum().alias("failed"),
        pl.when(whole).then(number().filter(is_defect() & _chosen(daily)).sum()).alias("defects"),
    )
    joined = counted.join(_bases(daily, keys), on=keys, nulls_equal=True, how="left")
    rate = unit.rate(pl.col("defects"), pl.col("ok"), pl.col("strip"))
    return joined.with_columns(rate=rate).sort(keys, nulls_last=True)


def by_class(daily: pl.DataFrame, unit: RateUnit, by: Sequence[str] = ("date",)) -> pl.DataFrame:
    """``by``, ``label``, ``defect``, ``images``, ``coils``, ``confidence`` and ``rate`` of the chosen readable images.

    Every group has every class, with zeros. ``by`` has ``date``, ``line``, both or none; with none, there is one row
    per class. ``defect`` is False for good classes. ``coils`` counts coils with an image of the class in any band and
    of any model: it ignores these two filters.
    """
    keys = [*by] or ["all"]
    daily = daily if by else daily.with_columns(all=pl.lit(True))
    readable = daily.filter(pl.col("status") == "ok")
    chosen = readable.filter(_chosen(daily))
    # The aggregates count a coil once per class, line and night, and repeat this count in each row of a band and model.
    coils = chosen.unique(["date", "line", "label"]).group_by(*keys, "label").agg(pl.col("coils").sum())
    counted = chosen.group_by(*keys, "label").agg(
        pl.col("images").sum(),
        pl.when(is_defect()).then(number()).otherwise(pl.col("images")).sum().alias("number"),
        (pl.col("confidence").cast(pl.Float64) * pl.col("images")).sum() / pl.col("images").sum(),
    )
    bases = readable.group_by(keys).agg(pl.col("images").sum().alias("ok"))
    bases = bases.join(_bases(daily, keys), on=keys, nulls_equal=True, how="left")
    full = bases.join(chosen.group_by("label").agg(defect=is_defect().any()), how="cross")
    for known in (counted, coils):
        full = full.join(known, on=[*keys, "label"], how="left", nulls_equal=True, suffix=" of class")
    return full.select(
        *by,
        "label",
        "defect",
        pl.col("images").fill_null(0),
        pl.col("coils of class").fill_null(0).alias("coils"),
        "confidence",
        unit.rate(pl.col("number").fill_null(0), pl.col("ok"), pl.col("strip")).alias("rate"),
    ).sort(*by, "label", nulls_last=True)


def usual(rates: pl.DataFrame, night: dt.date, nights: int) -> float | None:
    """The mean rate of the ``nights`` days before a night. None if fewer than ``LEAST`` of them were inspected."""
    before = _before(rates, night, nights).drop_nulls("rate")
    return None if before["date"].n_unique() < LEAST else cast(float | None, before["rate"].mean())


def changes(daily: pl.DataFrame, night: dt.date, unit: RateUnit, most: int = 6) -> pl.DataFrame:
    """The largest changes against the history: ``line``, ``label``, ``rate``, ``usual``, ``change`` (a share of the
    usual rate), ``surprise`` and ``history`` (the rates of the nights, this night last). The most surprising come
    first.

    ``surprise`` is the difference in standard deviations of the nights, but at least of the counting statistics.
    """
    window = daily.filter(pl.col("date").is_between(night - dt.timedelta(days=HISTORY), night))
    rates = by_class(window, unit, ("date", "line")).filter("defect")
    bases = nightly(window, unit, ("line",)).select("date", "line", "strip", "ok")
    base = pl.col("strip") / 100 if unit.metres else pl.col("ok") / 1000  # the rate is a number of defects on this
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


def coils(summary: pl.DataFrame, unit: RateUnit) -> pl.DataFrame:
    """A night's coils, worst first: ``line``, ``coil``, ``found``, ``failed``, ``strip`` (metres), ``defects``,
    ``rate``, ``worst`` (the most frequent defect) and ``of_it`` (their number). Without good classes ``defects`` and
    ``rate`` are null, and the worst coil is the one with most images of one class."""
    images, readable = pl.col("images"), pl.col("status") == "ok"
    counted = summary.group_by("line", "coil").agg(
        images.sum().alias("found"),
        images.filter(readable).sum().alias("ok"),
        images.filter(pl.col("status") == "failed").sum().alias("failed"),
        pl.col("strip").max(),
        pl.when(unit.whole).then(number().filter(is_defect()).sum()).alias("defects"),
        pl.col("label").filter(is_defect()).sort_by(number().filter(is_defect())).last().alias("worst"),
        number().filter(is_defect()).max().fill_null(0).alias("of_it"),
    )
    rate = unit.rate(pl.col("defects"), pl.col("ok"), pl.col("strip"))
    order = pl.col("defects" if unit.whole else "of_it")
    ranked = counted.with_columns(rate=rate, order=order).sort(
        ["order", "of_it", "line", "coil"], descending=[True, True, False, False], nulls_last=True
    )
    return ranked.drop("order", "ok")


def judged_by(rows: pl.DataFrame) -> dict[str, int]:
    """The readable images of each model, most first. Rows of summaries that do not know their model are left out.

    Args:
        rows: has ``model``, ``images`` and ``status``.
    """
    known = rows.filter(pl.col("status") == "ok").drop_nulls("model")
    counted = known.group_by("model").agg(pl.col("images").sum())
    return dict(counted.sort("images", "model", descending=[True, False]).iter_rows())


def since(drift: pl.DataFrame, night: dt.date) -> dict[str | None, dt.date]:
    """For each line that drifts on a night: the first night of the warnings and alarms that lead up to it.

    Args:
        drift: has ``date``, ``line`` and ``verdict``, of this night and of earlier ones.
    """
    found: dict[str | None, dt.date] = {}
    order = drift.filter(pl.col("date") <= night).unique(["date", "line"], keep="first").sort("date", descending=True)
    for (line,), rows in order.group_by("line", maintain_order=True):
        for date, verdict in rows.select("date", "verdict").iter_rows():
            if verdict not in ("warn", "alarm") or (date != night and line not in found):
                break
            found[line] = date
    return found


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


def _unit(readable: pl.DataFrame, strip: str) -> RateUnit:
    metres = readable.height > 0 and readable[strip].null_count() == 0
    return RateUnit(metres=metres, whole=knows_good(readable))


def _bases(daily: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """``keys``, ``coils`` and ``strip``: metres, null unless they are known for every line and night with readable
    images."""
    coils = daily.unique(["date", "line"]).group_by(keys).agg(pl.col("night_coils").sum().alias("coils"))
    nights = daily.filter(pl.col("status") == "ok").unique(["date", "line"])
    known = pl.when(pl.col("night_strip").null_count() == 0).then(pl.col("night_strip").sum())
    strips = nights.group_by(keys).agg(known.alias("strip"))
    return coils.join(strips, on=keys, how="left", nulls_equal=True)


def _chosen(daily: pl.DataFrame) -> pl.Expr:
    return pl.col("chosen") if "chosen" in daily.columns else pl.lit(True)


def _before(rates: pl.DataFrame, night: dt.date, nights: int) -> pl.DataFrame:
    return rates.filter(pl.col("date").is_between(night - dt.timedelta(days=nights), night - dt.timedelta(days=1)))
