"""``steelflow nightly``."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from steelflow.cli.inspected import complain_of_units, ignored, judged_whole, lines, noted, regions, sidecars
from steelflow.cli.options import Address, EngineOption, ExecutorOption, Model, settings_with
from steelflow.cli.output import Json, complain, emit, following
from steelflow.config import Settings
from steelflow.metrics.publish import publish
from steelflow.morning.send import send_report_of
from steelflow.morning.trust import trust_of
from steelflow.night.dates import night_of
from steelflow.night.run import inspect_night, is_whole
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
    base = settings_with(executor, address).with_model(model, engine)
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
        f"{ignored('; ', result.ignored, result.ignored_sample)}{regions(result.regions, result.severities)}\n"
        f"{result.done_units} units done, {result.skipped_units} up to date; {done}\n"
        f"{lines(result.defects.text)}"
        f"run record: {result.run_record or 'none: the archive has no images of that night'}"
        f"{judged_whole(result.judged_whole)}{_drift(result.drift)}"
        f"{noted(result.notes)}"
    )
    told = {**result.to_dict(), "trust": trusted.to_dict()}
    emit(told, as_json, text + sidecars(result) + f"\ntrust: {trusted.sentence}")
    complain_of_units(result.failed_units)
    if result.state == "limited" and limit is None:  # no node of the cluster was left
        raise typer.Exit(1)
    if result.state in ("incomplete", "empty"):
        raise typer.Exit(INCOMPLETE)


def _last_night(current: Settings) -> dt.date:
    """The last night by the clock of the reports' store: this machine's can be wrong."""
    clock = StoreClock(open_store(current.report.uri, current.store, create=True))
    night = night_of(clock.now(), ZoneInfo(current.night.timezone))
    if (note := clock.note()) is not None:
        complain(note)
    return night


def _drift(drift: NightDrift | None) -> str:
    if drift is None:
        return ""
    told = [f"\n  {reason}" for reason in drift.reasons[:_REASONS]]
    more = len(drift.reasons) - len(told)
    told += [f"\n  and {more} more; `steelflow drift` shows all"] if more > 0 else []
    if drift.verdict == "alarm":
        told.append("\n  label the images of `steelflow labels queue`, then `steelflow retrain --reason drift`")
    return f"\ndrift: {drift.verdict}{''.join(told)}"
