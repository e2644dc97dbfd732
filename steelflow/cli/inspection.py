"""``steelflow infer`` and ``steelflow nightly``."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from steelflow.api.reports import inspect
from steelflow.cli.output import Json, complain, counting, emit, following, settings
from steelflow.config import EngineName, ExecutorKind, Settings
from steelflow.inspection.infer import InspectionResult
from steelflow.metrics.publish import publish
from steelflow.morning.send import send_report_of
from steelflow.morning.trust import trust_of
from steelflow.night.dates import night_of
from steelflow.night.run import NightResult, inspect_night, is_whole
from steelflow.report.record import NightDrift
from steelflow.service.drift_alarm import alert_once_of_drift
from steelflow.service.night_missing import alert_once_of_missing
from steelflow.service.night_notes import alert_once_of_notes
from steelflow.store import open_store
from steelflow.store.clock import StoreClock
from steelflow.store.embedded import serving
from steelflow.telemetry.logs import about

INCOMPLETE = 3  # exit code of a night that misses something, see docs/states.md
_REASONS = 5
_NAMES = 3  # of ignored files and of what is wrong in sidecars
_SIZES = 3

Model = Annotated[str | None, typer.Option("--model", help="Shipped name or ONNX file; see `steelflow models list`.")]
ExecutorOption = Annotated[
    ExecutorKind | None, typer.Option("--executor", help="Judge in this process, or on the nodes of a Ray cluster.")
]
Address = Annotated[str | None, typer.Option("--address", help="host:port of the Ray cluster's head.")]
EngineOption = Annotated[EngineName | None, typer.Option("--engine", help="Engine that runs the model.")]


def infer(
    source: Annotated[str, typer.Argument(help="A folder, a tar or zip, or s3://bucket/prefix.")],
    out: Annotated[str, typer.Option("--out", help="Destination of the report: a folder or s3://bucket/prefix.")],
    model: Model = None,
    engine: EngineOption = None,
    executor: ExecutorOption = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Classify every image of SOURCE and write a Parquet report."""
    with counting("inspecting") as tick:
        result = inspect(
            source, out=out, model=model, engine=engine, settings=_settings(executor, address), progress=tick
        )
    text = (
        f"{result.images:,} images: {result.ok:,} ok, {result.failed:,} failed"
        f"{_ignored(', ', result.ignored, result.ignored_sample)}{_regions(result.regions, result.severities)}\n"
        f"{result.judged:,} judged in {result.seconds:.1f} s ({result.images_per_second:,.0f} images/s) "
        f"by {result.model} on {result.engine}\n"
        f"{_lines(result.defects.text)}"
        f"report: {len(result.files)} file{'s' if len(result.files) != 1 else ''} in {out}"
        f"{_noted(result.notes)}"
    )
    emit(result.to_dict(), as_json, text + _sidecars(result) + _whole(result.judged_whole))
    _complain(result.failed_units)


def nightly(
    date: Annotated[
        dt.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The night; by default the last night.")
    ] = None,
    line: Annotated[list[str] | None, typer.Option("--line", help="Only this line; may be repeated.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Inspect at most this many work units, for a trial.")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for another run of this night.")] = 0.0,
    model: Model = None,
    engine: EngineOption = None,
    executor: ExecutorOption = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Inspect a night: images that are new or changed. Reports that are up to date are kept."""
    base = _settings(executor, address).with_model(model, engine)
    with contextlib.ExitStack() as stack:
        current = stack.enter_context(serving(base))
        night = date.date() if date else _last_night(current)
        stack.enter_context(about(night=night.isoformat()))
        show = stack.enter_context(following(f"night of {night}"))
        result = inspect_night(current, night, line or (), limit, wait, follow=lambda now: show(now.text, now.share))
        trusted = trust_of(current, night)
        whole = is_whole(current, night, line or ())
        if whole and (result.done_units or result.new_missing):
            send_report_of(current, night)
        if result.done_units:
            alert_once_of_drift(current, night, result.drift if whole else None)
            alert_once_of_notes(current, night, result.new_notes, result.model)
        alert_once_of_missing(current, night, result.state, result.new_missing)
        publish(current)
    done = f"{result.judged:,} judged in {result.seconds:.1f} s" if result.done_units else "nothing to do"
    text = (
        f"night of {night}: {result.state}\n"
        f"{''.join(f'missing: {one}{chr(10)}' for one in result.missing)}"
        f"{result.found:,} images found = {result.ok:,} ok + {result.failed:,} failed"
        f"{_ignored('; ', result.ignored, result.ignored_sample)}{_regions(result.regions, result.severities)}\n"
        f"{result.done_units} units done, {result.skipped_units} up to date; {done}\n"
        f"{_lines(result.defects.text)}"
        f"run record: {result.run_record or 'none: the archive has no images of that night'}"
        f"{_whole(result.judged_whole)}{_drift(result.drift)}"
        f"{_noted(result.notes)}"
    )
    told = {**result.to_dict(), "trust": trusted.to_dict()}
    emit(told, as_json, text + _sidecars(result) + f"\ntrust: {trusted.sentence}")
    _complain(result.failed_units)
    if result.state == "limited" and limit is None:  # no node of the cluster was left
        raise typer.Exit(1)
    if result.state in ("incomplete", "empty"):
        raise typer.Exit(INCOMPLETE)


def _settings(executor: ExecutorKind | None, address: str | None) -> Settings:
    return settings().with_executor(executor, address)


def _last_night(current: Settings) -> dt.date:
    """The last night by the clock of the reports' store: this machine's can be wrong."""
    clock = StoreClock(open_store(current.report.uri, current.store, create=True))
    night = night_of(clock.now(), ZoneInfo(current.night.timezone))
    if (note := clock.note()) is not None:
        complain(note)
    return night


def _lines(text: str) -> str:
    return f"{text}\n" if text else ""


def _noted(notes: Iterable[str]) -> str:
    return "".join(f"\nnote: {note}" for note in notes)


def _ignored(before: str, count: int, names: tuple[str, ...]) -> str:
    if not count:
        return ""
    more = ", …" if count > len(names[:_NAMES]) else ""
    return f"{before}{count:,} other files ignored ({', '.join(map(repr, names[:_NAMES]))}{more})"


def _sidecars(result: InspectionResult | NightResult) -> str:
    if not result.sidecar_errors:
        return ""
    told = "".join(f"\n  {one}" for one in result.sidecar_sample[:_NAMES])
    more = "\n  and more; --json and the run record have them" if len(result.sidecar_sample) > _NAMES else ""
    return f"\nsidecars: {result.sidecar_errors:,} values or names not used{told}{more}"


def _regions(count: int | None, severities: Mapping[str, int]) -> str:
    if count is None:
        return ""
    graded = ", ".join(f"{of:,} {name}" for name, of in severities.items())
    return f"; {count:,} region{'s' if count != 1 else ''} of defect{f' ({graded})' if graded else ''}"


def _whole(sizes: Mapping[str, int]) -> str:
    """A warning about images that are much larger than the model's pictures."""
    if not sizes:
        return ""
    most = sorted(sizes.items(), key=lambda item: -item[1])[:_SIZES]
    told = ", ".join(f"{count:,} of {size}" for size, count in most)
    return (
        f"\nwarning: images much larger than the model's pictures were judged as a whole: {told}; "
        "small defects vanish. Set [frame], so that they are judged in views"
    )


def _drift(drift: NightDrift | None) -> str:
    if drift is None:
        return ""
    told = [f"\n  {reason}" for reason in drift.reasons[:_REASONS]]
    more = len(drift.reasons) - len(told)
    told += [f"\n  and {more} more; `steelflow drift` shows all"] if more > 0 else []
    if drift.verdict == "alarm":
        told.append("\n  label the images of `steelflow labels queue`, then `steelflow retrain --reason drift`")
    return f"\ndrift: {drift.verdict}{''.join(told)}"


def _complain(failed_units: tuple[str, ...]) -> None:
    if failed_units:
        complain(f"{len(failed_units)} units failed, run again; first: {failed_units[0]}")
        raise typer.Exit(1)
