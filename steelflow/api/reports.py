"""Inspect a source to a report, and open reports."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl

from steelflow.api.arguments import Place, Progress, chosen, told
from steelflow.api.stores import reached
from steelflow.config import EngineName, Settings, load_settings
from steelflow.errors import ConfigError
from steelflow.report.places import scan_place
from steelflow.store import open_store
from steelflow.store.embedded import serving

if TYPE_CHECKING:
    from steelflow.inspection.infer import InspectionResult

Dates = dt.date | str | Iterable[dt.date | str]
Lines = str | Iterable[str]


def inspect(
    source: Place,
    *,
    out: Place,
    model: Place | None = None,
    engine: EngineName | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> InspectionResult:
    """Classify every image of a source and write a Parquet report.

    Run it again after an interruption or with new images: only new and changed images are inspected. Several sources
    can share one ``out``. The columns ``line`` and ``date`` stay empty: nights and lines are known to
    `steelflow nightly` only.

    Args:
        source: a folder (with all folders below it), a tar, tar.gz or zip file, or ``s3://bucket/prefix``.
        out: where the report goes: a folder, made if needed, or ``s3://bucket/prefix``.
        model: a shipped name (``steelnet``, ``ssdc_mininet``), an ONNX file that ``steelflow.train`` wrote, a version
            of the registry (``v3``) or ``champion``. Default: ``model.ref`` of the settings.
        engine: ``auto``, ``onnxruntime``, ``openvino`` or ``torch``. Default: ``model.engine`` of the settings.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``.
        progress: called with the number of images inspected since the last call, such as ``tqdm().update``.

    Returns:
        The counts: ``images`` = ``ok`` + ``failed``; ``judged`` of them were inspected in this call;
        ``images_per_second``; ``files``, the Parquet files of the report; ``failed_units``, the parts that could not be
        read or written: run it again for them. ``steelflow.open_report(out)`` reads the rows.

    Raises:
        ConfigError: the source does not exist, or holds no images.
        ModelError, EngineError: the model is unknown or damaged, or cannot run here.
        StoreError: the storage cannot be reached. Files of the report are whole or absent.

    Example:
        result = steelflow.inspect("photos", out="report")
        print(result.images, "images,", result.failed, "unreadable")
    """
    from steelflow.executor import open_executor
    from steelflow.inspection.infer import inspect_source

    where, dest = os.fspath(source), os.fspath(out)
    tell = told(progress)
    with serving(chosen(settings, model, engine), where, dest) as current, open_executor(current) as executor:
        return inspect_source(where, dest, current, lambda done: tell(done.counts.found), executor.inspect)


def open_report(
    place: Place, *, dates: Dates | None = None, lines: Lines | None = None, settings: Settings | None = None
) -> pl.LazyFrame:
    """Open a report as a lazy Polars frame with one row for each image.

    Only the columns and rows that a query needs are read, when it is collected. A report in S3 is read through
    steelflow's own client, with its retries.

    Args:
        place: the folder or ``s3://bucket/prefix`` that ``steelflow.inspect`` or ``steelflow nightly`` wrote to, or
            one of its files. Paths such as ``date=2026-11-18/line=L1/`` give the columns ``date`` and ``line``.
        dates: only these nights: a date, or several, each a ``datetime.date`` or ``"2026-11-18"``.
        lines: only these lines: a name, or several.
        settings: as ``load_settings`` returns them, for reports in S3. Default: ``load_settings()``.

    Returns:
        A LazyFrame with these columns among others: ``object_key`` and ``member``, which name the image; ``date``,
        ``line``, ``coil`` and ``position`` (metres from the coil's head), null if unknown; ``status`` (``ok`` or
        ``failed``) and ``error``, the reason; ``label``, ``confidence`` and ``p_<class>`` (0 to 1); ``novelty`` (1 is
        the limit) and ``novel``; ``brightness`` and ``contrast`` (grey levels, 0 to 255), ``sharpness``,
        ``saturation`` (0 to 1); ``width`` and ``height`` (pixels). The predictions are null in a row that failed.

    Raises:
        ReportError: there is no report, or none for these nights and lines.
        ConfigError: a date is not a date.
        StoreError: the storage cannot be reached.

    Example:
        import polars as pl

        rows = steelflow.open_report("report")
        rows.filter(pl.col("status") == "ok").group_by("label").len().collect()
    """
    uri = os.fspath(place)
    current = reached(settings or load_settings(), uri)
    root, file = uri, None
    if uri.endswith(".parquet"):
        root, _, file = uri.rpartition("/")
    return scan_place(open_store(root or ".", current.store), _dates(dates), _lines(lines), file)


def _dates(dates: Dates | None) -> set[dt.date] | None:
    if dates is None:
        return None
    try:
        several = [dates] if isinstance(dates, (dt.date, str)) else dates
        return {dt.date.fromisoformat(one) if isinstance(one, str) else one for one in several}
    except ValueError as exc:
        raise ConfigError(f"dates: {exc}; write a date as 2026-11-18") from exc


def _lines(lines: Lines | None) -> set[str | None] | None:
    if lines is None:
        return None
    return {lines} if isinstance(lines, str) else set(lines)
