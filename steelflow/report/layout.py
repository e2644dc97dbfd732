"""The keys of a report below its root. They are derived from the content, without an index.

reports/date=2026-11-18/line=L1/<unit id>.parquet   one file per work unit: the files present are the truth
regions/date=2026-11-18/line=L1/<unit id>-<fingerprint>.parquet   its regions of defect, if it has any
summaries/date=2026-11-18/line=L1.parquet           aggregates of that folder, for dashboards
marks/date=2026-11-18/line=L1.parquet               marks that repeat along its coils, if it has frames
daily/month=2026-11.parquet                         the month's summaries without their coils, a shortcut
runs/date=2026-11-18/<run id>.json                  one record per run that changed something, written last
dropped/date=2026-11-18/line=L1/<number>-<time>.json who dropped its reports, and why
alerts/date=2026-11-18/<event>-<hash>.json          what people were told about the night, see ``service.once``
locks/night-2026-11-18/                             held while a night runs
progress/date=2026-11-18.json                       how far it is; deleted when the night is recorded

The drift room keeps its own files below ``drift/`` (see ``drift.check`` and ``drift.references``), the labels below
``labels/`` and the registry below ``registry/``.
"""

from __future__ import annotations

import datetime as dt
import re
from urllib.parse import quote, unquote

from steelflow.records import UNIT_ID, ObjectInfo, Partition, Unit

REPORTS = "reports/"
REGIONS = "regions/"
RUNS = "runs/"
SUMMARIES = "summaries/"
MARKS = "marks/"
DAILY = "daily/"
PROGRESS = "progress/"
ALERTS = "alerts/"
_NULL = "__HIVE_DEFAULT_PARTITION__"
_OWN = re.compile(rf"{REPORTS}date=[^/]+/line=[^/]+/({UNIT_ID.pattern})\.parquet")


def folder(partition: Partition) -> str:
    """The hive path of a partition, ending in ``/``."""
    date = partition.date.isoformat() if partition.date else _NULL
    return f"date={date}/line={_escape(partition.line)}/"


def report_key(unit: Unit) -> str:
    return f"{REPORTS}{folder(unit.partition)}{unit.id}.parquet"


def regions_key(report: str, fingerprint: str) -> str:
    """The file of regions that belongs to a report. The fingerprint is in its name: until the report is replaced, the
    regions of the report before it stay where they are."""
    return f"{REGIONS}{report.removeprefix(REPORTS).removesuffix('.parquet')}-{fingerprint[:12]}.parquet"


def is_report(key: str) -> bool:
    """Whether a key below a folder of reports is that of a report, and not of the regions beside it."""
    return key.endswith(".parquet") and not key.startswith(REGIONS)


def has_own_name(info: ObjectInfo) -> bool:
    """Whether a file below ``reports/`` has the name that steelflow gives to a report, in a partition's folder."""
    return _OWN.fullmatch(info.key) is not None and parse_folder(info.key) is not None


def summary_key(partition: Partition) -> str:
    return f"{SUMMARIES}{folder(partition).rstrip('/')}.parquet"


def marks_key(partition: Partition) -> str:
    return f"{MARKS}{folder(partition).rstrip('/')}.parquet"


def daily_key(month: str) -> str:
    """``month`` is 2026-11."""
    return f"{DAILY}month={month}.parquet"


def run_key(date: dt.date, run_id: str) -> str:
    return f"{RUNS}date={date.isoformat()}/{run_id}.json"


def progress_key(date: dt.date) -> str:
    return f"{PROGRESS}date={date.isoformat()}.json"


def alert_key(date: dt.date, event: str, cause: str) -> str:
    return f"{ALERTS}date={date.isoformat()}/{event}-{cause}.json"


def night_lock_key(date: dt.date) -> str:
    return f"locks/night-{date.isoformat()}"


def parse_folder(path: str) -> Partition | None:
    """The partition of a key below ``reports/``, or None for a key that steelflow did not write."""
    parts = dict(part.partition("=")[::2] for part in path.split("/") if "=" in part)
    if "date" not in parts or "line" not in parts:
        return None
    line = None if parts["line"] == _NULL else unquote(parts["line"])
    try:
        date = None if parts["date"] == _NULL else dt.date.fromisoformat(parts["date"])
    except ValueError:
        return None
    return Partition(line, date)


def _escape(line: str | None) -> str:
    return _NULL if line is None else quote(line, safe="")
