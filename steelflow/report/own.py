"""Which files below ``reports/`` are reports. The others are foreign: notes, copies of reports, the output of other
programs. They are not read, not counted and not deleted; housekeeping names them."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq

from steelflow.records import UNIT_ID, ObjectInfo
from steelflow.report.footer import open_footer
from steelflow.report.layout import has_own_name
from steelflow.report.writer import FINGERPRINT
from steelflow.store.base import Store

_COLUMNS = {"object_key", "status"}  # that every report has
_UNIT = "unit_id"
_THREADS = 16


def own_reports(store: Store, files: Iterable[ObjectInfo]) -> list[ObjectInfo]:
    """The reports among these files, in their order. Files with the name of a report are not looked into."""
    listed = [info for info in files if info.key.endswith(".parquet")]
    doubtful = [info for info in listed if not has_own_name(info)]
    if not doubtful:
        return listed
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="own") as pool:
        answers = list(pool.map(lambda info: is_own(store, info), doubtful))
    foreign = {info.key for info, own in zip(doubtful, answers, strict=True) if not own}
    return [info for info in listed if info.key not in foreign]


def is_own(store: Store, info: ObjectInfo) -> bool:
    """Whether the file is a report. One with another name is, if it has the footer or the rows of a report, and is no
    copy of one: a copy has the footer of another unit."""
    if has_own_name(info):
        return True
    opened = open_footer(store, info) if info.key.endswith(".parquet") else None
    if opened is None:
        return False
    if FINGERPRINT not in (opened.metadata.metadata or {}):  # by another program, or a version before fingerprints
        return set(opened.schema_arrow.names) >= _COLUMNS
    unit = _unit(opened.metadata)
    name = info.key.rpartition("/")[2].removesuffix(".parquet")
    return unit is None or unit == name or UNIT_ID.fullmatch(unit) is None


def _unit(metadata: pq.FileMetaData) -> str | None:
    """The unit of the rows, by the statistics of the first group; None if they do not tell it."""
    if metadata.num_row_groups == 0:
        return None
    group = metadata.row_group(0)
    columns = (group.column(index) for index in range(group.num_columns))
    told = next((column.statistics for column in columns if column.path_in_schema == _UNIT), None)
    return str(told.min) if told is not None and told.has_min_max and told.min == told.max else None
