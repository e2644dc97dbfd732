"""The severity of regions by the rules in force, whatever the rules were when the night was inspected.

The files of regions have a ``severity`` too. It is by the rules of that run, and without the rules that count the
regions of a coil: a file holds only a part of a coil. Whoever shows regions grades them with ``graded``.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from steelflow.config import SeverityRule
from steelflow.strip.severity import coil_severity, ranks

_COIL = ("date", "line", "coil")


def graded(regions: pl.DataFrame, summary: pl.DataFrame, rules: Sequence[SeverityRule]) -> pl.DataFrame:
    """Regions with ``severity`` by ``rules``; null if none holds. Their order is kept.

    Args:
        regions: all regions of their coils, the columns of ``schema.region_schema``.
        summary: has the length of each coil; columns of ``report.summary.SUMMARY``, with line and date.
        rules: of the settings. Without any, the severities of the files stay.
    """
    if not rules or regions.is_empty():
        return regions
    lengths = summary.group_by(_COIL).agg(pl.col("strip").max())
    known = regions.with_row_index("place").join(lengths, on=_COIL, how="left", nulls_equal=True)
    coils = []
    for coil in known.partition_by(_COIL):
        metres = None if coil["coil"][0] is None else coil["strip"][0]
        coils.append(coil.with_columns(severity=coil_severity(coil, rules, metres)))
    return pl.concat(coils).sort("place").select(regions.columns)


def severities_of(regions: pl.DataFrame, rules: Sequence[SeverityRule]) -> dict[str, int]:
    """Graded regions counted by severity, the most severe first; severities without regions are left out."""
    counts = dict(regions.drop_nulls("severity").group_by("severity").len().iter_rows())
    order = ranks(rules)
    return {name: counts[name] for name in sorted(counts, key=lambda name: (order.get(name, len(order)), name))}
