"""The drift of a night that was inspected, measured against the reference of its model."""

from __future__ import annotations

import datetime as dt
import hashlib

from steelflow.config import Settings
from steelflow.drift import check_night, write_explanation
from steelflow.errors import DriftError, RegistryError, ReportError
from steelflow.registry import open_registry, resolved
from steelflow.registry.version import REFERENCE
from steelflow.report.reader import ReportReader
from steelflow.report.record import NightDrift
from steelflow.store import Store, open_store


def check_drift(settings: Settings, date: dt.date) -> NightDrift:
    """Compare a night with the reference of the current model again, and write its drift table again.

    Raises:
        ReportError: the night has no reports.
        ConfigError, ModelError, RegistryError, StoreError: as ``Night``.
    """
    report = open_store(settings.report.uri, settings.store, create=True)
    archive = open_store(settings.archive.uri, settings.store)
    path, version = resolved(settings)
    if date not in ReportReader(report).nights():
        raise ReportError(f"{report.uri}: no reports of {date}; run `steelflow nightly --date {date}` first")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return measure_drift(settings, report, archive, date, digest=digest, version=version)


def measure_drift(
    settings: Settings, report: Store, archive: Store, date: dt.date, *, digest: str, version: str | None
) -> NightDrift:
    """Write the drift table and the explanation of a night, and return the verdict.

    If the reference is damaged, the verdict is insufficient and says so: the night is recorded all the same.

    Args:
        digest: of the model that inspected the night.
        version: its name in the registry, None if it is not from there.
    """
    try:
        reference = _reference(settings, version)
        found = check_night(report, date, settings.drift, digest, reference)
        write_explanation(report, archive, found, settings.drift, settings.limits, reference)
    except (DriftError, RegistryError) as exc:
        return NightDrift(date=date, verdict="insufficient", model=digest, reasons=(str(exc),))
    return NightDrift.model_validate(found.to_dict())


def _reference(settings: Settings, version: str | None) -> bytes | None:
    """The reference that a version of the registry brings; None if it brings none."""
    if version is None:
        return None
    registry = open_registry(settings)
    known = registry.version(version)
    return registry.read(known, REFERENCE) if REFERENCE in known.files else None
