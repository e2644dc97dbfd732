"""Report files in any place: a night's reports, a hive of files, a folder that `steelflow infer` wrote, one file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import polars as pl

from steelflow.errors import ReportError
from steelflow.records import ObjectInfo, Partition
from steelflow.report.layout import REPORTS, is_report, parse_folder
from steelflow.report.reader import ReportReader, is_asked, path_columns
from steelflow.report.scan import scan
from steelflow.store.base import Store


def scan_place(
    store: Store,
    dates: Collection[dt.date] | None = None,
    lines: Collection[str | None] | None = None,
    file: str | None = None,
) -> pl.LazyFrame:
    """The rows of all report files below ``store``, or of one ``file``.

    ``date`` and ``line`` come from the path. In a file that has no such path they are the columns of the file, and a
    filter by them is a filter of its rows.

    Raises:
        ReportError: there is no report, or none for these nights and lines.
    """
    if file is None and any(True for _ in store.folders(REPORTS)):
        return ReportReader(store).images(dates, lines)
    files: dict[Partition | None, list[ObjectInfo]] = {}
    for info in store.list() if file is None else [store.stat(file)]:
        if is_report(info.key):
            files.setdefault(parse_folder(info.key), []).append(info)
    if not files:
        raise ReportError(
            f"{store.uri}: holds no reports; name a folder that `steelflow.inspect` or `steelflow nightly` wrote"
        )
    frames = []
    for partition, infos in files.items():
        if partition is None:
            frames.append(_matching(scan(store, infos), dates, lines, store.uri))
        elif is_asked(partition, dates, lines):
            frames.append(scan(store, infos).with_columns(*path_columns(partition)))
    if not frames:
        raise ReportError(f"{store.uri}: no reports for these nights and lines; leave `dates` and `lines` out")
    return pl.concat(frames, how="diagonal")


def _matching(
    rows: pl.LazyFrame, dates: Collection[dt.date] | None, lines: Collection[str | None] | None, where: str
) -> pl.LazyFrame:
    for name, wanted in (("date", dates), ("line", lines)):
        if wanted is not None:
            if None not in wanted and not rows.select(pl.col(name).is_not_null().any()).collect().item():
                raise ReportError(
                    f"{where}: its rows have no {name}, since only `steelflow nightly` fills it; leave `{name}s` out"
                )
            rows = rows.filter(pl.col(name).is_in(list(wanted), nulls_equal=True))
    return rows
