"""Drop the reports of a line's night whose images left the archive: a renamed line, a date that was put right."""

from __future__ import annotations

import datetime as dt
import json

from steelflow.drift.check import forget_line
from steelflow.drift.references import forget_night
from steelflow.errors import ReportError
from steelflow.records import Partition
from steelflow.report.daily import write_daily
from steelflow.report.layout import REGIONS, REPORTS, folder, marks_key, night_lock_key, summary_key
from steelflow.report.runs import records_of
from steelflow.store import Store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

DROPPED = "dropped/"


def reports_of(report: Store, date: dt.date, line: str | None) -> list[str]:
    """The keys of a line's reports of a night.

    Raises:
        ReportError: there are none.
    """
    found = sorted(info.key for info in report.list(REPORTS + folder(Partition(line, date))))
    if not found:
        raise ReportError(f"{report.uri}: no reports of line {line} on {date}; nothing to drop")
    return found


def drop(report: Store, date: dt.date, line: str | None, *, who: str, reason: str) -> int:
    """Delete a line's reports of a night, with all that was made from them, its verdict in the drift table, and its
    images in the drift references. Who did it and why is kept below ``dropped/``; the run records of the night say that
    the line was dropped. Images of the archive stay. Returns the number of reports.

    Raises:
        ReportError: there are no reports.
        LockHeld: the night is being inspected.
    """
    partition = Partition(line, date)
    with locked(report, night_lock_key(date), f"the night of {date}"):
        keys = reports_of(report, date, line)
        at = store_time(report)
        number = 1 + sum(1 for _ in report.list(f"{DROPPED}{folder(partition)}"))
        about = {"date": str(date), "line": line, "who": who, "reason": reason, "at": at.isoformat(), "reports": keys}
        report.put_new(
            f"{DROPPED}{folder(partition)}{number:06d}-{at:%Y%m%dT%H%M%SZ}.json", json.dumps(about, indent=1).encode()
        )
        for key in (marks_key(partition), summary_key(partition), *keys):
            report.delete(key)
        for info in list(report.list(REGIONS + folder(partition))):
            report.delete(info.key)
        write_daily(report, [date])
        forget_line(report, date, line)
        forget_night(report, date, line)
        for key, record in list(records_of(report, date)):
            if line in record.lines and line not in record.dropped:
                report.put(key, record.model_copy(update={"dropped": (*record.dropped, line)}).to_json())
    return len(keys)
