"""What a unit, a picture, a task of Prefect and a summary cost on this machine."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from steelflow.bench.orchestration import NIGHT
from steelflow.bench.sources import originals, write_tars
from steelflow.bench.year import YearSpec, write_year
from steelflow.config import Settings
from steelflow.errors import DataError
from steelflow.night.run import Night
from steelflow.report.daily import daily, write_daily
from steelflow.report.layout import REPORTS, SUMMARIES
from steelflow.report.reader import ReportReader
from steelflow.store import Store
from steelflow.store.local import LocalStore

Say = Callable[[str], None]

_SHARDS = 60
_SMALL, _LARGE = 20, 220  # pictures in a shard
_TASKS = 100
_YEAR_NIGHTS = 30


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of this machine, with all its cores and nothing else to do, and requests to the store."""

    seconds: float
    gets: float = 0.0
    puts: float = 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds are processor time; those of ``unit`` and ``picture`` are divided by the cores. ``unit`` is the cost of a
    small shard beside its pictures, ``picture`` that of one more picture in it. Shards of some megabytes are read in
    blocks, which are further requests."""

    unit: Cost
    picture: Cost
    plan_seconds: float
    plan_again_seconds: float
    finish_unit_seconds: float
    finish_picture_seconds: float
    report_unit_bytes: float
    report_picture_bytes: float
    prefect_task_bytes: float
    prefect_tasks_per_second: float
    summary_seconds: float
    daily_seconds: float
    summary_bytes: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Night(NamedTuple):
    """A night of ``_SHARDS`` units, as measured; seconds, requests and bytes of all of them."""

    plan: float
    inspect: float
    finish: float
    again: float
    gets: float
    puts: float
    report_bytes: float


def measure_costs(settings: Settings, coils: int, say: Say) -> Costs:
    """Raises ``DataError`` if Prefect is installed and does not work."""
    with tempfile.TemporaryDirectory(prefix="steelflow-scale-") as scratch:
        root = Path(scratch)
        say(f"{_SHARDS} shards of {_SMALL} pictures, then of {_LARGE}")
        small, large = (_night(settings, root / str(count), count) for count in (_SMALL, _LARGE))
        say("a month of reports")
        summary, daily_seconds, size = _year(root / "year", coils)
        say(f"{_TASKS} tasks of Prefect")
        task_bytes, rate = _prefect(root / "prefect") if importlib.util.find_spec("prefect") else (0.0, 0.0)

    def fit(name: str) -> tuple[float, float]:
        """Of a unit without pictures, and of a picture."""
        first, second = (float(getattr(one, name)) / _SHARDS for one in (small, large))
        picture = max(0.0, (second - first) / (_LARGE - _SMALL))
        return max(0.0, first - _SMALL * picture), picture

    (unit, picture), finish, report = fit("inspect"), fit("finish"), fit("report_bytes")
    cores = len(os.sched_getaffinity(0))
    return Costs(
        unit=Cost(unit / cores, gets=large.gets / _SHARDS, puts=large.puts / _SHARDS),
        picture=Cost(picture / cores),
        plan_seconds=large.plan / _SHARDS,
        plan_again_seconds=large.again / _SHARDS,
        finish_unit_seconds=finish[0],
        finish_picture_seconds=finish[1],
        report_unit_bytes=report[0],
        report_picture_bytes=report[1],
        prefect_task_bytes=task_bytes,
        prefect_tasks_per_second=rate,
        summary_seconds=summary,
        daily_seconds=daily_seconds,
        summary_bytes=size,
    )


class _Counting:
    """A store that counts its requests."""

    def __init__(self, store: Store, calls: Counter[str]) -> None:
        self._store, self._calls = store, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in ("list", "folders", "stat", "get", "get_many", "put", "put_new", "delete"):
            return found

        def counted(*given: Any, **named: Any) -> Any:
            self._calls[name] += len(given[0]) if name == "get_many" else 1
            return found(*given, **named)

        return counted


def _night(settings: Settings, folder: Path, pictures: int) -> _Night:
    write_tars(folder / "images", originals(None), _SHARDS * pictures, per_tar=pictures)
    own = {
        "archive": settings.archive.model_copy(update={"uri": str(folder / "images")}),
        "report": settings.report.model_copy(update={"uri": str(folder / "report")}),
        "home": folder / "home",
    }
    night = Night(settings.model_copy(update=own), dt.date.fromisoformat(NIGHT))
    calls: Counter[str] = Counter()
    night.archive, night.report = _Counting(night.archive, calls), _Counting(night.report, calls)
    with night.lock():
        (partition,) = night.partitions
        plan, plan_seconds = _timed(lambda: night.plan(partition))
        calls.clear()
        done, inspect_seconds = _timed(lambda: [one.light() for one in night.inspect(plan.todo)])
        gets = calls["get"] + calls["get_many"] + calls["stat"]
        puts = calls["put"]
        _, finish_seconds = _timed(lambda: night.finish([plan.light()], done))
        _, again = _timed(lambda: night.plan(partition))
    size = sum(info.size for info in LocalStore(folder / "report").list(REPORTS))
    return _Night(plan_seconds, inspect_seconds, finish_seconds, again, gets, puts, size)


def _year(folder: Path, coils: int) -> tuple[float, float, float]:
    """Seconds to read a summary, seconds to read a line's night among the figures of a year, bytes of a summary."""
    store = LocalStore(folder, create=True)
    spec = YearSpec(nights=_YEAR_NIGHTS, images=400, coils=coils)
    write_year(store, spec)
    dates = [spec.start + dt.timedelta(days=number) for number in range(spec.nights)]
    write_daily(store, dates)
    partitions = spec.nights * len(spec.lines)
    _, summary = _timed(lambda: ReportReader(store).summary(dates))
    _, figures = _timed(lambda: daily(store))
    sizes = [info.size for info in store.list(SUMMARIES)]
    return summary / partitions, figures / partitions, sum(sizes) / len(sizes)


_FLOW = f"""
import time
from prefect import flow, task

@task
def nothing(number):
    return number

@flow
def many():
    started = time.perf_counter()
    for number in range({_TASKS}):
        nothing(number)
    return time.perf_counter() - started

if __name__ == "__main__":
    many()  # the first run makes the tables
    print("seconds", many())
"""


def _prefect(home: Path) -> tuple[float, float]:
    """Bytes that a task run leaves in the database (SQLite here), and tasks a second."""
    home.mkdir(parents=True)
    (home / "many.py").write_text(_FLOW)
    quiet = {"PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    environment = {
        **os.environ,
        **quiet,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    environment.pop("PREFECT_API_URL", None)
    answer = subprocess.run(  # noqa: S603  our own file
        [sys.executable, home / "many.py"], env=environment, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise DataError(f"benchmark: the flow failed: {answer.stderr.strip()[-300:]}")
    seconds = float(answer.stdout.rsplit("seconds", 1)[1])
    return _task_bytes(home / "prefect.db"), _TASKS / seconds


def _task_bytes(database: Path) -> float:
    """Bytes of the tables that grow with task runs, by their rows."""
    import sqlite3

    query = "SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE name LIKE '%task_run%' OR name LIKE '%event%'"
    with sqlite3.connect(database) as found:
        count = int(found.execute("SELECT COUNT(*) FROM task_run").fetchone()[0])
        try:
            size = int(found.execute(query).fetchone()[0])
        except sqlite3.OperationalError:  # built without dbstat: the file, with what is there from the start
            size = database.stat().st_size
    return size / max(count, 1)


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What the call returns, and its processor time: the clock would also count what else this machine does."""
    started = time.process_time()
    found = call()
    return found, time.process_time() - started
