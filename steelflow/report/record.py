"""The record of one run of a night: what was found and done, by which model, and how much the night drifted.

A run that changes something writes it last, as JSON at ``layout.run_key``; ``report.runs`` reads the records.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from steelflow.errors import ReportError

RunState = Literal["complete", "incomplete", "empty", "limited", "failed units"]
DriftVerdict = Literal["none", "warn", "alarm", "insufficient"]

Moment = Annotated[AwareDatetime, PlainSerializer(dt.datetime.isoformat, return_type=str, when_used="json")]

_ADDED = (
    "regions",
    "roll_marks",
    "judged_whole",
    "notes",
    "sidecar_sample",
    "missing",
    "only",
    "dropped",
    "number",
)  # since 0.2.0


class _Part(BaseModel):
    """Fields of other versions of steelflow are kept as they are; missing fields get defaults."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RunUnits(_Part):
    """Work units. ``failed`` names each unit that failed, with the reason; ``skipped`` units were up to date."""

    done: int = 0
    skipped: int = 0
    failed: tuple[str, ...] = ()
    pending: int = 0


class RunModel(_Part):
    """The model that inspected: the SHA-256 of its ONNX file, and the fields of its ``models.spec.ModelSpec``."""

    digest: str = ""
    name: str = ""
    version: str = ""


class RunEngine(_Part):
    name: str = ""
    batch_size: int = 0
    workers: int = 0


class LineDrift(_Part):
    """How far one line moved. ``reason`` is a sentence."""

    line: str | None
    verdict: DriftVerdict
    reason: str = ""


class NightDrift(_Part):
    """The verdict on a night as ``drift.NightVerdict.to_dict`` gives it. ``model`` is the digest of the model;
    ``signals`` has a row for each signal of each line, as ``drift.signals.Reading.to_dict`` gives it."""

    date: dt.date | None = None
    verdict: DriftVerdict
    model: str
    lines: tuple[LineDrift, ...] = ()
    signals: tuple[dict[str, Any], ...] = ()
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


class RunRecord(_Part):
    """One run of a night. ``found`` = ``ok`` + ``failed`` over all images of the night; the run ``judged`` some of them
    and took the others from reports that were up to date.

    ``night`` is a digest of the fingerprints of all work units: two runs with the same one have the same reports.
    ``seconds`` is the time until the last unit was done; ``stage_seconds`` is added up over threads, so it can be more.
    ``drift`` is None for a night that is empty, limited, or has failed units. ``sidecar_errors`` counts what
    could not be used of sidecars, ``sidecar_sample`` tells a few.

    ``regions`` counts the regions of defect of all frames of the night, and ``roll_marks`` the marks that repeat along
    its coils; both are None if no line has frames. ``judged_whole`` counts, by size, the images of this run that are
    much larger than the model's pictures and were judged as a whole. ``notes`` are sentences that a person should read.

    ``number`` counts the records of a night, from 2: of two records the one with the higher number is later, whatever
    the clocks of the machines said. The first one, and those of earlier versions, have 0.

    ``missing`` says what the night misses, a sentence each. ``only`` names the lines of a run that was asked for some
    lines: it is not the record of the night. ``dropped`` names lines whose reports a person deleted afterwards.
    """

    run_id: str = ""
    backfill: str | None = None
    date: dt.date
    state: RunState
    night: str = ""
    started_at: Moment
    finished_at: Moment | None = None
    found: int = 0
    ok: int = 0
    failed: int = 0
    ignored: int = 0
    ignored_sample: tuple[str, ...] = ()
    lines_without_images: tuple[str, ...] = ()
    unmatched_folders: tuple[str, ...] = ()
    units: RunUnits = RunUnits()
    judged: int = 0
    seconds: float = 0.0
    stage_seconds: dict[str, float] = {}
    lines: tuple[str | None, ...] = ()
    model: RunModel = RunModel()
    engine: RunEngine = RunEngine()
    drift: NightDrift | None = None
    archive: str = ""
    template: str = ""
    steelflow: str = ""
    regions: int | None = None
    roll_marks: int | None = None
    judged_whole: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    dropped: tuple[str | None, ...] = ()
    number: int = 0
    sidecar_errors: int = 0
    sidecar_sample: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the fields that say nothing of this night: a record of an earlier version is written as it was."""
        found: dict[str, Any] = serialise(self)
        if not self.sidecar_errors:
            del found["sidecar_errors"]
        return {
            name: value for name, value in found.items() if name not in _ADDED or value not in (None, {}, [], (), 0)
        }

    def to_json(self) -> bytes:
        return json.dumps(self.model_dump(mode="json"), indent=2).encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> RunRecord:
        """Read what ``to_json`` of this version or an earlier one wrote.

        Args:
            where: the address of the object, for the error.

        Raises:
            ReportError: it is not a run record.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            what = f"{field}: {first['msg']}" if field else first["msg"]
            raise ReportError(f"{where}: is not a run record ({what}); delete it") from exc
