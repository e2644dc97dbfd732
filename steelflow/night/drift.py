"""The drift of a night that was inspected, measured against the reference of its model."""

from __future__ import annotations

import datetime as dt

from steelflow.config import Settings
from steelflow.drift import NightVerdict, check_night, write_explanation
from steelflow.errors import DriftError, RegistryError, ReportError
from steelflow.night.reference import brought_by
from steelflow.night.soundness import doubts_about, incomplete
from steelflow.registry import resolved
from steelflow.report.reader import ReportReader
from steelflow.report.record import NightDrift
from steelflow.store import Store, open_store


def look(settings: Settings, date: dt.date, digest: str, version: str | None) -> NightVerdict:
    """The verdict that ``check_drift`` gives; nothing is written.

    Raises:
        DriftError, RegistryError: the reference is damaged, or was made with another model.
    """
    report = open_store(settings.report.uri, settings.store, create=True)
    doubt, others = incomplete(report, date), doubts_about(settings, report, date, digest, version)
    reference = brought_by(version, settings)

    def doubts() -> tuple[str, ...]:
        return (*filter(None, [doubt]), *others())

    return check_night(report, date, settings.drift, digest, reference, doubts, keep=False)


def check_drift(settings: Settings, date: dt.date) -> NightDrift:
    """Compare a night with the reference of the current model again, and write its drift table again.

    Raises:
        ReportError: the night has no reports.
        ConfigError, ModelError, RegistryError, StoreError: as ``Night``.
    """
    report = open_store(settings.report.uri, settings.store, create=True)
    archive = open_store(settings.archive.uri, settings.store)
    model = resolved(settings)
    if date not in ReportReader(report).nights():
        raise ReportError(f"{report.uri}: no reports of {date}; run `steelflow nightly --date {date}` first")
    doubt = incomplete(report, date)
    return measure_drift(settings, report, archive, date, digest=model.digest, version=model.version, doubt=doubt)


def measure_drift(
    settings: Settings,
    report: Store,
    archive: Store,
    date: dt.date,
    *,
    digest: str,
    version: str | None,
    doubt: str | None = None,
) -> NightDrift:
    """Write the drift table and the explanation of a night, and return the verdict.

    If the reference is damaged, the verdict is insufficient and says so: the night is recorded all the same.

    Args:
        digest: of the model that inspected the night.
        version: its name in the registry, None if it is not from there.
        doubt: why the night must not become part of a reference; there may be more reasons, see ``night.soundness``.
    """
    others = doubts_about(settings, report, date, digest, version)
    try:
        reference = brought_by(version, settings)
        found = check_night(
            report, date, settings.drift, digest, reference, lambda: (*filter(None, [doubt]), *others())
        )
        write_explanation(report, archive, found, settings.limits, reference, settings.drift.max_novel)
    except (DriftError, RegistryError) as exc:
        return NightDrift(date=date, verdict="insufficient", model=digest, reasons=(str(exc),))
    return NightDrift.model_validate(found.to_dict())
