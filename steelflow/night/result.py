"""The result of a night, as commands and flows tell it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from steelflow.report.rates import Rates
from steelflow.report.record import NightDrift, RunRecord, RunState


@dataclass(frozen=True, slots=True)
class NightResult:
    """The state of a night: counts over all its images, whether they were judged now or before.

    ``failed_units`` are to be run again. ``run_record`` is the address of the record, None if there is none. ``model``
    is the version in the registry, or the beginning of the digest of a model that is not from there. ``drift`` is None
    for a night that is empty, limited, or has failed units. ``missing`` is as in ``RunRecord``; ``new_missing`` is the
    same if this run recorded it. ``defects`` are the rates over all its images. ``regions``, ``roll_marks``,
    ``judged_whole`` and ``notes`` are as in ``RunRecord``; ``new_notes`` are those that no record of this model has on
    the nights before. ``severities`` counts the regions by the rules of the settings, the most severe first.
    """

    date: dt.date
    found: int
    ok: int
    failed: int
    ignored: int
    ignored_sample: tuple[str, ...]
    sidecar_errors: int
    sidecar_sample: tuple[str, ...]
    skipped_units: int
    done_units: int
    failed_units: tuple[str, ...]
    judged: int
    seconds: float
    run_record: str | None
    state: RunState
    model: str
    drift: NightDrift | None
    defects: Rates
    regions: int | None = None
    roll_marks: int | None = None
    judged_whole: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    new_notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    new_missing: tuple[str, ...] = ()
    severities: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        record: RunRecord,
        *,
        run_record: str | None,
        model: str,
        defects: Rates,
        new_notes: tuple[str, ...] = (),
        new_missing: tuple[str, ...] = (),
        severities: Mapping[str, int] | None = None,
    ) -> NightResult:
        return cls(
            date=record.date,
            found=record.found,
            ok=record.ok,
            failed=record.failed,
            ignored=record.ignored,
            ignored_sample=record.ignored_sample,
            sidecar_errors=record.sidecar_errors,
            sidecar_sample=record.sidecar_sample,
            skipped_units=record.units.skipped,
            done_units=record.units.done,
            failed_units=record.units.failed,
            judged=record.judged,
            seconds=record.seconds,
            run_record=run_record,
            state=record.state,
            model=model,
            drift=record.drift,
            defects=defects,
            regions=record.regions,
            roll_marks=record.roll_marks,
            judged_whole=record.judged_whole,
            notes=record.notes,
            new_notes=new_notes,
            missing=record.missing,
            new_missing=new_missing,
            severities=severities or {},
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        drift = None if self.drift is None else self.drift.to_dict()
        return {**fields, "date": self.date.isoformat(), "drift": drift, "defects": self.defects.to_dict()}
