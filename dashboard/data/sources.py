"""Settings, stores and readers, opened once for all users; and the queries of the pages, cached for a short time.

The caches are bounded in number and age: memory does not grow with the archive or with the running time of the
dashboard. This module only reads.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime as dt

import polars as pl
import streamlit as st

from dashboard.data import regions as data_regions
from steelflow.archive.by_line import ImageLimits
from steelflow.archive.fetch import ImageRef
from steelflow.config import LimitSettings, Settings, load_settings
from steelflow.drift.check import drift_table
from steelflow.errors import ReportError
from steelflow.models.shipped import SHIPPED
from steelflow.registry import Registry, open_registry
from steelflow.report import daily as report_daily
from steelflow.report.coil_index import coil_index
from steelflow.report.marks import read_marks
from steelflow.report.progress import NightProgress, under_way
from steelflow.report.reader import ReportReader
from steelflow.report.record import RunRecord
from steelflow.report.regions import RegionReader
from steelflow.report.runs import run_nights, run_records
from steelflow.report.severity import graded
from steelflow.retrain.record import RetrainResult, records
from steelflow.store import Store, open_store
from steelflow.store.embedded import serving

_NOW = 3.0  # seconds that the progress of a running night is cached
FRESH = 20.0  # seconds that an answer about running work is cached
STALE = 60.0  # seconds that data of finished nights is cached
_PATIENCE = {"retries": 1, "connect_timeout": 3.0, "read_timeout": 8.0}  # upper limits for the store's settings
_FEW = 16  # entries of a cache: nights, coils and filters of several users

_open = contextlib.ExitStack()
atexit.register(_open.close)


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """The settings, with storage that can be reached. Time-outs are shorter than those of a night: a person waits."""
    found = load_settings()
    reached = _open.enter_context(serving(found))
    store = reached.store
    soon = {name: min(most, getattr(store, name)) for name, most in _PATIENCE.items()}
    return reached.model_copy(update={"store": store.model_copy(update=soon)})


def forget_addresses() -> None:
    """Open the stores again after the storage did not answer: the embedded server may have another address, or must be
    started."""
    _open.close()
    for made in (settings, report, archive, _image_limits, registry):
        made.clear()


@st.cache_resource(show_spinner=False)
def report() -> Store:
    return open_store(settings().report.uri, settings().store, create=True)


@st.cache_resource(show_spinner=False)
def archive() -> Store:
    return open_store(settings().archive.uri, settings().store)


@st.cache_resource(show_spinner=False)
def _image_limits() -> ImageLimits:
    return ImageLimits.of_archive(settings())


def limits_of(image: ImageRef) -> LimitSettings:
    """How an image of the archive is decoded."""
    return _image_limits().of(image.key, image.member)


@st.cache_resource(show_spinner=False)
def registry() -> Registry:
    return open_registry(settings())


@st.cache_data(ttl=FRESH, max_entries=1, show_spinner=False)
def nights() -> list[dt.date]:
    """The dates that have reports, ascending."""
    return ReportReader(report()).nights()


@st.cache_resource(ttl=STALE, max_entries=4, show_spinner=False, refresh_mode="background")
def daily(latest: dt.date | None) -> pl.DataFrame:
    """All nights by line, status and label: ``report.daily.SCHEMA``. ``latest`` is the last night that it must have."""
    del latest  # part of the cache key: a new night is read at once, not when the old answer expires
    return report_daily.daily(report())


@st.cache_resource(ttl=STALE, max_entries=4, show_spinner=False, refresh_mode="background")
def coils_of_all(latest: dt.date | None) -> pl.DataFrame:
    """The coils of all nights and lines, columns ``report.coil_index.COILS``; ``latest`` as of ``daily``."""
    del latest
    return coil_index(report())


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def summary(date: dt.date) -> pl.DataFrame:
    """One night by line, coil, status and label, see ``ReportReader.summary``."""
    return ReportReader(report()).summary([date])


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def drift(first: dt.date, last: dt.date) -> pl.DataFrame:
    """The drift table of these nights, columns ``drift.check.TABLE``."""
    days = (last - first).days + 1
    return drift_table(report(), {first + dt.timedelta(days=day) for day in range(days)})


@st.cache_data(ttl=FRESH, max_entries=_FEW, show_spinner=False)
def runs(nights: int, before: dt.date | None = None) -> list[RunRecord]:
    """Run records of the latest nights, latest first."""
    return run_records(report(), nights, before)


@st.cache_data(ttl=FRESH, max_entries=1, show_spinner=False)
def recorded_nights() -> list[dt.date]:
    """The nights that have run records, ascending."""
    return run_nights(report())


@st.cache_data(ttl=_NOW, max_entries=1, show_spinner=False)
def nights_under_way() -> list[NightProgress]:
    """The nights that have begun and are not recorded."""
    return list(under_way(report()))


@st.cache_data(ttl=FRESH, max_entries=1, show_spinner=False)
def retrains() -> list[RetrainResult]:
    """The records of the retrainings, latest first."""
    return records(registry().store)


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def failures(date: dt.date, most: int) -> pl.DataFrame:
    """At most ``most`` unreadable images of a night, with the reason."""
    columns = ("line", "coil", "object_key", "member", "ordinal", "error")
    asked = ReportReader(report()).images([date]).filter(pl.col("status") == "failed").select(columns)
    return asked.head(most).collect()


@st.cache_data(ttl=STALE, max_entries=_FEW * 4, show_spinner=False)
def failed_in(date: dt.date, run_id: str) -> int:
    """The number of a night's images that a run found unreadable; 0 if its reports are gone."""
    try:
        found = ReportReader(report()).images([date])
    except ReportError:
        return 0
    rows = found.filter(pl.col("status") == "failed", pl.col("run_id") == run_id)
    return int(rows.select(pl.len()).collect().item())


COIL = (
    *("object_key", "member", "ordinal", "coil", "position", "status", "error", "label", "confidence", "captured_at"),
    *("model_name", "model_version", "camera", "side", "length", "width", "height"),
)


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def coil(date: dt.date, line: str, name: str) -> pl.DataFrame:
    """The images of a coil along its length, columns ``COIL``. Columns that an older report lacks are null."""
    images = ReportReader(report()).images([date], [line])
    there = images.collect_schema().names()
    rows = images.select(pl.col(column) if column in there else pl.lit(None).alias(column) for column in COIL)
    return rows.filter(pl.col("coil") == name).collect().sort("position", "object_key", "ordinal", nulls_last=True)


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def positions(date: dt.date, line: str, coils: tuple[str, ...]) -> pl.DataFrame:
    """The images of these coils with a position: ``coil``, ``position``, ``label``."""
    images = ReportReader(report()).images([date], [line])
    if "position" not in images.collect_schema().names():
        return pl.DataFrame(schema={"coil": pl.String, "position": pl.Float64, "label": pl.String})
    asked = images.filter(pl.col("coil").is_in(coils)).select("coil", "position", "label")
    return asked.drop_nulls("position").collect()


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def marks(date: dt.date, line: str) -> pl.DataFrame:
    """The marks that repeat along the coils of a line, see ``report.marks.read_marks``."""
    return read_marks(report(), [date], [line])


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def regions(date: dt.date, line: str | None = None) -> pl.DataFrame:
    """The regions of defect of a night (and line), columns ``data.regions.COLUMNS``, with the severities of the rules
    in force. Empty for images judged whole."""
    found = RegionReader(report()).regions([date], None if line is None else [line])
    return graded(found.select(data_regions.COLUMNS).collect(), summary(date), settings().severity)


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def regions_of(date: dt.date, line: str | None, image: ImageRef) -> pl.DataFrame:
    """The regions of one frame, the worst first."""
    found = graded(
        RegionReader(report()).regions([date], [line]).select(data_regions.COLUMNS).collect(),  # None is a line too
        summary(date),
        settings().severity,
    )
    here = (
        (pl.col("object_key") == image.key)
        & pl.col("member").eq_missing(pl.lit(image.member, pl.String()))
        & (pl.col("ordinal") == image.ordinal)
    )
    return found.filter(here).sort("region")


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def good_classes(date: dt.date) -> tuple[str, ...]:
    """The classes of the night's model that are no defect."""
    record = next((one for one in runs(1, date) if one.date == date), None)
    return () if record is None else tuple(getattr(record.model, "good", None) or ())


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def is_framed(date: dt.date, line: str | None) -> bool:
    """Whether the images of a line and night are frames that were judged in views."""
    return "regions" in ReportReader(report()).images([date], [line]).collect_schema().names()


@st.cache_data(ttl=STALE, max_entries=_FEW, show_spinner=False)
def model_named(digest: str) -> str:
    """Name and version of a model, as the reports have them; a part of its digest if the registry does not have it."""
    version = next((one for one in registry().versions() if one.digest == digest), None)
    if version is not None:
        return f"{version.name} {version.version}"
    return next((name for name, known in SHIPPED.items() if known == digest), digest[:8])


@st.cache_data(ttl=STALE, max_entries=1, show_spinner=False)
def champion() -> str | None:
    """The champion's version. None if no version was promoted."""
    found = registry().champion()
    return None if found is None else found.version


@st.cache_data(ttl=STALE, max_entries=1, show_spinner=False)
def versions() -> list[tuple[str, str]]:
    """The versions of the registry with the name of their model, the latest first."""
    return [(one.version, one.name) for one in reversed(registry().versions())]
