"""How severe a region is, by the rules of the settings. The first rule that holds gives the severity.

A rule with ``per_100m`` needs all regions of a coil, but a report file may hold only a part of a coil. So the column
``severity`` of the files comes from the rules without a density, and ``coil_severity`` applies all rules when a coil is
read. A condition on an unknown figure (a length without a scale) does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from steelflow.config import SeverityRule

DENSITY = "regions per 100 m"
"""The number of regions of the same class on the same side of the coil, in 100 m of strip."""


def severities(regions: pl.DataFrame, rules: Sequence[SeverityRule]) -> pl.Series:
    """The severity of each region by the rules that need no density; null if none holds.

    Args:
        regions: columns of ``schema.region_schema`` with ``line``.
    """
    return _first(regions, [rule for rule in rules if rule.per_100m is None])


def severity_column(regions: pa.Table, rules: Sequence[SeverityRule], line: str | None) -> pa.Array:
    """The same for the regions of one report file, whose ``line`` is in its path: the column ``severity``."""
    frame = pl.DataFrame(regions.drop_columns([name for name in ("line", "date") if name in regions.column_names]))
    found = severities(frame.with_columns(line=pl.lit(line, pl.String)), rules)
    return pa.array(found.to_list(), pa.string())


def coil_severity(regions: pl.DataFrame, rules: Sequence[SeverityRule], metres: float | None) -> pl.Series:
    """The severity of each region of one coil by all rules.

    Args:
        regions: all regions of the coil, columns of ``schema.region_schema`` with ``line``.
        metres: length of the coil that was inspected. None: unknown, so no rule with a density holds.
    """
    if metres is None or metres <= 0:
        return severities(regions, rules)
    density = pl.len().over("side", "label") * (100 / metres)
    return severities_at(regions.with_columns(density.alias(DENSITY)), rules)


def severities_at(regions: pl.DataFrame, rules: Sequence[SeverityRule]) -> pl.Series:
    """The severity of each region by all rules; ``regions`` has their density on the coil as the column ``DENSITY``,
    null where the length of the coil is not known."""
    return _first(regions, rules)


def side_of() -> pl.Expr:
    """The side of a region as the rules of the settings write it: an archive may call it ``Top``."""
    return pl.col("side").cast(pl.String).str.strip_chars().str.to_lowercase()


def ranks(rules: Sequence[SeverityRule]) -> dict[str, int]:
    """The severities from the most severe, 0, on: in the order of the rules."""
    return {name: rank for rank, name in enumerate(dict.fromkeys(rule.severity for rule in rules))}


def _first(regions: pl.DataFrame, rules: Sequence[SeverityRule]) -> pl.Series:
    found = [pl.when(_holds(rule)).then(pl.lit(rule.severity, pl.String)) for rule in rules]
    severity = pl.coalesce(found) if found else pl.lit(None, pl.String)
    return regions.with_columns(severity.alias("severity"))["severity"]


def _holds(rule: SeverityRule) -> pl.Expr:
    conditions = [pl.lit(True)]
    for value, allowed in ((pl.col("label"), rule.classes), (pl.col("line"), rule.lines), (side_of(), rule.sides)):
        if allowed:
            conditions.append(value.is_in(list(allowed)))
    for name, least in (
        ("score", rule.min_score),
        ("length_mm", rule.min_length_mm),
        ("width_mm", rule.min_width_mm),
        ("area_mm2", rule.min_area_mm2),
        ("area", rule.min_area_px),
        (DENSITY, rule.per_100m),
    ):
        if least is not None:
            # Files hold float32: a score of 0.8 in a file is a little more or less than the 0.8 of the settings.
            conditions.append(pl.col(name).cast(pl.Float32) >= pl.lit(least, pl.Float32))
    return pl.all_horizontal(conditions)
