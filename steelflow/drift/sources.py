"""Read reports night by night, in any layout: a report's root, a hive of files, or a folder of single files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import polars as pl

from steelflow.archive.template import Fields, KeyTemplate
from steelflow.drift.check import MOST_ROWS
from steelflow.drift.reference_profile import Profile, profile_of
from steelflow.drift.sample import Sample, read_report, sample
from steelflow.errors import DriftError
from steelflow.report.layout import REPORTS, parse_folder
from steelflow.report.own import own_reports
from steelflow.store.base import Store

Samples = dict[str | None, Sample]


def nights_in(store: Store, template: KeyTemplate) -> Iterator[tuple[dt.date | None, Samples]]:
    """Each night of the Parquet reports below ``store``, oldest first, with a sample of every line's rows.

    Line and date come from the report's path or its columns, or else from the keys of the images by ``template``.
    Holds the samples of one night in memory. If the files are not laid out by night, it holds those of all nights.

    Raises:
        DriftError: there are no reports with readable images.
    """
    infos = [info for info in store.list() if info.key.endswith(".parquet")]
    reports = own_reports(store, (info for info in infos if info.key.startswith(REPORTS)))
    keys = sorted(info.key for info in reports or infos)
    by_date: dict[dt.date | None, list[str]] = {}
    for key in keys:
        partition = parse_folder(key)
        by_date.setdefault(partition.date if partition else None, []).append(key)
    found = False
    for date in sorted(by_date, key=str):
        parts: dict[dt.date | None, Samples] = {}
        for key in by_date[date]:
            rows = read_report(store, key)
            if rows is None:
                continue
            for (night, line), part in _placed(rows, key, template).partition_by("date", "line", as_dict=True).items():
                held = parts.setdefault(night, {}).get(line, Sample(part.clear(), 0))
                thinned = sample([held.rows, part], MOST_ROWS).rows
                parts[night][line] = Sample(thinned, held.images + part.height)
        for night in sorted(parts, key=str):
            found = True
            yield night, parts[night]
    if not found:
        raise DriftError(f"{store.uri}: no reports with readable images; name a place that has some")


def profile_from(nights: Iterable[tuple[dt.date | None, Samples]], where: str) -> Profile:
    """All nights together as a reference. Raises ``DriftError`` if they were made by several models."""
    rows = pl.concat([part.rows for _, samples in nights for part in samples.values()])
    digests = sorted(rows["model_digest"].unique())
    if len(digests) != 1:
        raise DriftError(
            f"{where}: made by {len(digests)} models ({', '.join(digest[:12] for digest in digests)}), whose figures "
            "cannot be compared; give reports of one model"
        )
    return profile_of(rows, digests[0])


def _placed(rows: pl.DataFrame, key: str, template: KeyTemplate) -> pl.DataFrame:
    """The rows with their line and date, as ``nights_in`` finds them."""
    partition = parse_folder(key)
    if partition is not None:
        return rows.with_columns(line=pl.lit(partition.line, pl.String()), date=pl.lit(partition.date, pl.Date()))
    if rows["line"].null_count() + rows["date"].null_count() == 0:
        return rows
    said = [template.match(name) or Fields() for name in rows["object_key"]]
    return rows.with_columns(
        line=pl.coalesce("line", pl.Series([one.line for one in said], dtype=pl.String())),
        date=pl.coalesce("date", pl.Series([one.date for one in said], dtype=pl.Date())),
    )
