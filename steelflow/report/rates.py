"""The rate of defects: per 100 m of strip where lengths are known, else per 1,000 readable images.

A rate of all defects needs a model that knows good classes. A model without them calls every image a defect; then only
the rates of its classes are given. ``report.good`` says which labels are defects.

Metres of strip: several cameras show the same strip, so a coil is as long as its longest sum over one camera and side,
and a night is as long as its coils together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from steelflow.report.good import is_defect

_SHOWN = 6  # classes in a sentence
_COIL = ("date", "line", "coil")


@dataclass(frozen=True, slots=True)
class RateUnit:
    """The unit of rates. With ``metres`` they are per 100 m, otherwise per 1,000 images. ``whole`` says whether a rate
    of all defects has a meaning: every model that judged knows good classes."""

    metres: bool
    whole: bool

    @property
    def per(self) -> str:
        return "per 100 m" if self.metres else "per 1,000 images"

    @property
    def name(self) -> str:
        """Of the rates in tables and charts."""
        return f"defects {self.per}" if self.whole else f"images of a class {self.per}"

    def rate(self, defects: pl.Expr, images: pl.Expr, strip: pl.Expr) -> pl.Expr:
        """The rate of ``defects`` on readable ``images`` or metres of ``strip``; null if there are none."""
        base, factor = (strip, 100) if self.metres else (images, 1000)
        return pl.when(base > 0).then(factor * defects / base)

    def text(self, rate: float | None) -> str:
        """A number: two decimals for small rates, whole numbers for large ones."""
        if rate is None:
            return "–"
        return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 10 else f"{rate:.2f}"


@dataclass(frozen=True, slots=True)
class Rates:
    """The defects of some images.

    Attributes:
        images: readable ones.
        metres: of strip, None if the length is not known.
        defects: regions where the report has them, otherwise images; None if the models know no good classes.
        classes: label, number and rate of each class of defects, the most frequent first.
    """

    unit: RateUnit
    images: int
    metres: float | None
    defects: int | None
    classes: tuple[tuple[str, int, float | None], ...]

    @property
    def rate(self) -> float | None:
        base, factor = (self.metres, 100) if self.unit.metres else (self.images, 1000)
        return factor * self.defects / base if self.defects is not None and base else None

    @property
    def text(self) -> str:
        """One line; empty without readable images."""
        if not self.images:
            return ""
        shown = ", ".join(f"{label} {self.unit.text(rate)}" for label, _, rate in self.classes[:_SHOWN])
        more = f" and {len(self.classes) - _SHOWN} more classes" if len(self.classes) > _SHOWN else ""
        if self.defects is None:
            return f"defects by class {self.unit.per}: {shown}{more} (the model has no good classes: no rate of all)"
        base = f"{self.metres:,.0f} m of strip" if self.unit.metres else f"{self.images:,} images"
        of = f": {shown}{more}" if shown else ""
        return f"defects: {self.unit.text(self.rate)} {self.unit.per} ({self.defects:,} on {base}){of}"

    def to_dict(self) -> dict[str, Any]:
        classes = {label: {"defects": count, "rate": rate} for label, count, rate in self.classes}
        return {
            "per": "100 m" if self.unit.metres else "1000 images",
            "rate": self.rate,
            "defects": self.defects,
            "images": self.images,
            "metres": self.metres,
            "classes": classes,
        }


def rates(summary: pl.DataFrame) -> Rates:
    """The rates of a summary's images; columns ``report.summary.SUMMARY``, and line and date if there are several."""
    readable = summary.filter(pl.col("status") == "ok")
    images = int(readable["images"].sum())
    strips = strip_by(readable.with_columns(all=pl.lit(True)), ["all"])["strip"]
    metres = None if strips.is_empty() else strips[0]
    unit = RateUnit(metres=metres is not None, whole=knows_good(readable))
    of_class = readable.filter(is_defect()).group_by("label").agg(number().sum().alias("defects"))
    told = of_class.with_columns(rate=unit.rate(pl.col("defects"), pl.lit(images), pl.lit(metres, pl.Float64)))
    classes = tuple(told.select("label", "defects", "rate").sort("defects", "label", descending=[True, False]).rows())
    defects = int(of_class["defects"].sum()) if unit.whole else None
    return Rates(unit, images, metres, defects, classes)


def number() -> pl.Expr:
    """Of each row of a summary, the number of defects if its label is one: its regions where a model with good classes
    found some in frames, otherwise its images."""
    regions = pl.when(pl.col("good").is_not_null()).then(pl.col("regions"))
    return pl.coalesce(regions, pl.col("images")).cast(pl.Int64)


def knows_good(rows: pl.DataFrame) -> bool:
    """Whether every model that judged the readable images of a summary knows good classes; False without images."""
    readable = rows.filter(pl.col("status") == "ok")
    return readable.height > 0 and readable["good"].null_count() == 0


def strip_by(summary: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """``keys`` and ``strip``: the metres of strip with readable images. Null if a coil's length is not known."""
    names = [*dict.fromkeys((*keys, *(name for name in _COIL if name in summary.columns)))]
    coils = summary.filter(pl.col("status") == "ok").group_by(names).agg(pl.col("strip").max())
    known = pl.when(pl.col("strip").null_count() == 0).then(pl.col("strip").sum())
    return coils.group_by(keys).agg(known.alias("strip"))
