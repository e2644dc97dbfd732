"""What a night misses: lines without images, folders that the template does not fit, shards that were not opened."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise

from steelflow.archive.names import is_open, kind_of
from steelflow.archive.unlisted import Unlisted
from steelflow.report.layout import REPORTS, parse_folder
from steelflow.report.reader import ReportReader
from steelflow.report.unit_notes import Notes
from steelflow.report.writer import Counts
from steelflow.store import Store
from steelflow.store.foreign import foreign_objects

_DATE = re.compile(r"(?<!\d)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")
_LOOKED_AT = 1000  # objects of a folder that the template does not fit
_NAMED = 5
_THREADS = 8


def reported_lines(report: Store, date: dt.date) -> set[str | None]:
    """The lines that have reports of a night."""
    names = (f"date={date.isoformat()}/{name}" for name in report.folders(f"{REPORTS}date={date.isoformat()}/"))
    return {partition.line for name in names if (partition := parse_folder(name)) is not None}


def usual_lines(report: Store, date: dt.date, nights: int) -> set[str]:
    """The lines that should have images on a night, by the latest ``nights`` nights before it that have reports.

    A line that is away is expected back, unless it was away as long twice before: it runs seldom.

    Raises:
        StoreError: the reports cannot be listed.
    """
    before = [night for night in ReportReader(report).nights() if night < date][-nights:] if nights else []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="coverage") as pool:
        ran = list(pool.map(lambda night: reported_lines(report, night), before))
    return {line for line in set().union(*ran) if line is not None and _is_expected([line in one for one in ran])}


def _is_expected(ran: list[bool]) -> bool:
    """Whether a line that ran on these nights, oldest first, is expected on the next one."""
    nights = [number for number, there in enumerate(ran) if there]
    gaps = sorted((after - before for before, after in pairwise(nights)), reverse=True)
    usual = gaps[1] if len(gaps) > 1 else 1
    return len(ran) - nights[-1] >= usual


def strange_folders(archive: Store, strangers: Iterable[str], date: dt.date) -> Iterator[str]:
    """A sentence for each folder that the template does not fit, if it may hold images of the night.

    An image belongs to the dates in its folders, else in its name. An image without a date may be of any night, and so
    may one in a folder that cannot be read.
    """
    for folder in strangers:
        unlisted = Unlisted()
        keys = (info.key for info in islice(foreign_objects(archive, folder, unlisted.add), _LOOKED_AT))
        for key in keys:
            if not (kind_of(key) in ("image", "shard") or is_open(key)):
                continue
            above = _DATE.findall(key[: key.rfind("/")])  # the folders decide: a night has images from after midnight
            dates = {"-".join(found) for found in above or _DATE.findall(key)}
            if not dates or date.isoformat() in dates:
                yield (
                    f"{folder}: the template does not fit this folder, its images were not inspected; rename it, or "
                    "change archive.template"
                )
                break
        else:
            yield from unlisted.sentences()


def line_problems(
    counts: Mapping[str | None, Counts], most: float, missing: Collection[str], date: dt.date
) -> Iterator[str]:
    """A sentence for each line that has no images, or mostly unreadable ones."""
    for absent in sorted(missing):
        yield f"line {absent}: no images on {date}; check its cameras and the copying to the archive"
    for line, found in sorted(counts.items(), key=str):
        if found.found and found.failed / found.found > most:
            name = "all images" if line is None else f"line {line}"
            yield (
                f"{name}: {found.failed:,} of {found.found:,} images cannot be read; see their errors on the page Runs,"
                " or in the column `error` of the report"
            )


def ghosts(lines: Collection[str | None], date: dt.date) -> Iterator[str]:
    """A sentence for each line whose reports are of images that the archive no longer has."""
    for line in sorted(one for one in lines if one is not None):
        yield (
            f"line {line}: the archive no longer has the images of its reports on {date}; if the line was renamed or "
            f"the date was wrong: steelflow nights drop --date {date} --line {shlex.quote(line)}"
        )


def shard_problems(notes: Iterable[Notes]) -> Iterator[str]:
    """A sentence for each shard that was not read to its end."""
    told = [name for one in notes for name in one.unopened]
    for name in told[:_NAMED]:
        yield f"shard not read to its end: {name}"
    if len(told) > _NAMED:
        yield f"{len(told) - _NAMED} more shards not read to their end"


def refused_objects(notes: Iterable[Notes]) -> Iterator[str]:
    """A sentence for the objects that the store lists and did not give."""
    count, told = 0, dict[str, str]()
    for one in notes:
        count += one.refused
        told.update(one.refused_sample)
    if count:
        named = ", ".join(f"{key} ({why})" for key, why in list(told.items())[:_NAMED])
        more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
        yield f"{count:,} objects were refused by the store: {named}{more}; run the night again when they can be read"


def misplaced(line: str | None, count: int, folders: Iterable[str]) -> str:
    """A sentence for images in folders of the line that the template does not fit: their coil is not known."""
    of, where = "" if line is None else f"line {line}: ", ", ".join(folders)
    return f"{of}{count:,} objects are in folders that the template does not fit, their coil is not known: {where}"
