"""Runs: nights, retrainings and backfills, their duration and failures; and starting one."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboard import formats, frame, links
from dashboard.app_pages import runs_now
from dashboard.auth.orchestrator import orchestrator
from dashboard.charts import figures as charts
from dashboard.charts import palette
from dashboard.data import sources
from steelflow.registry.version import is_version
from steelflow.report.record import RunRecord
from steelflow.report.runs import backfills
from steelflow.retrain.record import RetrainResult

_SHOWN = 30  # nights
_RETRAIN_STAGES = ("train", "trial", "register")
_MOST = 5000  # failed images
_FEW = 6  # rows of a table without scrolling


def show() -> None:
    frame.heading("Runs", "nights, backfills and retrainings: duration and failures")
    named = ["Now and next", "Nights", "Backfills", "Retrainings"]
    work, nights, again, retrains = st.tabs(named, key="tab", bind="query-params")
    with work:
        server = orchestrator(sources.settings())
        if server is None:
            runs_now.by_hand_only()
            no_prefect()
        else:
            frame.guarded(runs_now.show)(server)
    with nights:
        of_nights()
    with again:
        of_backfills()
    with retrains:
        of_retrains()


def no_prefect() -> None:
    frame.empty(
        "Prefect does not run here",
        "`steelflow up` starts it, with the schedules and the buttons of this page.",
    )
    st.caption("Without Prefect, these commands do the same work in a terminal:")
    st.code(
        "steelflow nightly                              # the last night\n"
        "steelflow backfill --from 2026-11-01 --to 2026-11-07\n"
        "steelflow retrain --reason 'new grade on L1'",
        language="bash",
    )


def of_nights() -> None:
    recorded = sources.recorded_nights()
    if not recorded:
        frame.empty("No night was recorded yet", "Run `steelflow nightly` to inspect the last night.")
        return
    before = None
    if len(recorded) > _SHOWN:
        pages = -(-len(recorded) // _SHOWN)
        page = st.pagination(pages, key="nights")
        before = recorded[len(recorded) - 1 - (page - 1) * _SHOWN]
    records = sources.runs(_SHOWN, before)
    zone = sources.settings().night.timezone
    seconds = stage_seconds(latest_that_judged(records))
    if not seconds.is_empty():
        st.altair_chart(charts.stages(seconds, 190), alt="Seconds by stage and night")
    record = records[picked([night_row(record, zone) for record in records], "night-runs", 260)]
    failed_units(list(record.units.failed), "night")
    failed_images(record, "night")


def picked(rows: list[dict[str, Any]], key: str, height: int) -> int:
    """Show a table. Returns the number of the selected row; the first row if none is selected."""
    number = st.column_config.NumberColumn(format="localized")
    stage = st.column_config.TextColumn(help="Sum of all threads")
    chosen = st.dataframe(
        rows,
        hide_index=True,
        height=height,
        row_height=28,
        on_select="rerun",
        selection_mode="single-row",
        key=links.ticking(key, ([row.get(name) for name in ("night", "finished", "backfill")] for row in rows)),
        column_config=dict.fromkeys(("found", "judged", "up to date", "unreadable", "images/s"), number)
        | dict.fromkeys(palette.STAGES, stage),
    )
    of_it: list[int] = chosen["selection"]["rows"]
    return of_it[0] if of_it else 0


def night_row(record: RunRecord, zone: str) -> dict[str, Any]:
    return {
        "night": record.date.isoformat(),
        "state": state_of(record),
        "finished": formats.moment(record.finished_at, zone),
        "found": record.found,
        **split(record),
        "took": formats.duration(record.seconds),
        "images/s": speed(record.judged, record.seconds),
        "units": f"{record.units.done} done, {record.units.skipped} kept",
        "failed units": len(record.units.failed),
        "lines": ", ".join(str(line) for line in record.lines),
        "model": model_of(record),
    }


def model_of(record: RunRecord) -> str:
    """Name and version of the model, as on the other pages; of a model beside the registry a part of its digest."""
    known = is_version(record.model.version)
    return f"{record.model.name or '?'} {record.model.version if known else record.model.digest[:8]}"


def split(record: RunRecord) -> dict[str, int]:
    """The images that a run found: judged by it, up to date before it, and unreadable."""
    if record.judged >= record.found or not record.failed:
        again = record.failed
    else:
        again = sources.failed_in(record.date, record.run_id)
    judged = record.judged - again
    return {"judged": judged, "up to date": record.found - record.failed - judged, "unreadable": record.failed}


def state_of(record: RunRecord) -> str:
    """The state of the night, and the lines whose reports were dropped after it."""
    if not record.dropped:
        return record.state
    gone = ", ".join(str(line) for line in record.dropped)
    return "dropped" if set(record.lines) <= set(record.dropped) else f"{record.state}; dropped: {gone}"


def speed(judged: int, seconds: float) -> int | None:
    """Images per second; None if nothing was judged."""
    return round(judged / seconds) if seconds and judged else None


def latest_that_judged(records: list[RunRecord]) -> list[RunRecord]:
    """The latest record of each night that inspected any image. ``records`` are latest first."""
    latest: dict[dt.date, RunRecord] = {}
    for record in records:
        if record.judged:
            latest.setdefault(record.date, record)
    return list(latest.values())


def stage_seconds(records: list[RunRecord]) -> pl.DataFrame:
    """``night``, ``stage``, ``seconds`` and ``order``: the sum of the records of each night."""
    rows = [
        (record.date.isoformat(), stage, spent, order)
        for record in records
        for order, (stage, spent) in enumerate(record.stage_seconds.items())
    ]
    schema = {"night": pl.String, "stage": pl.String, "seconds": pl.Float64, "order": pl.Int32}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.group_by("night", "stage", "order").agg(pl.col("seconds").sum()).sort("night", "order")


@st.cache_data(ttl=sources.FRESH, max_entries=1, show_spinner="Reading the run records …")
def recorded_backfills() -> dict[str, list[RunRecord]]:
    return backfills(sources.report())


def of_backfills() -> None:
    found = recorded_backfills()
    if not found:
        frame.empty(
            "No night was inspected again yet",
            "Use `steelflow backfill --from … --to …`, or **Inspect nights again** if Prefect runs.",
        )
        return
    zone = sources.settings().night.timezone
    rows = [backfill_row(name, records, zone) for name, records in found.items()]
    records = list(found.values())[picked(rows, "backfills", 136)]
    seconds = stage_seconds(records)
    if not seconds.is_empty():
        st.altair_chart(charts.stages(seconds, 150), alt="Seconds by stage and night of the backfill")
    failed_units(_failed_units(as_left(records)), "again")
    nights = [night_row(record, zone) for record in records]
    failed_images(records[picked(nights, "backfill-nights", 176)], "again")


def as_left(records: list[RunRecord]) -> list[RunRecord]:
    """The last record of each night; the records come in order. A repeated backfill runs a night twice."""
    return list({record.date: record for record in records}.values())


def _failed_units(records: list[RunRecord]) -> list[str]:
    return [f"{record.date} {unit}" for record in records for unit in record.units.failed]


def backfill_row(name: str, records: list[RunRecord], zone: str) -> dict[str, Any]:
    """A backfill as the sum of its nights."""
    judged = sum(record.judged for record in records)
    seconds = sum(record.seconds for record in records)
    spent = stage_seconds(records).group_by("stage", maintain_order=True).agg(pl.col("seconds").sum())
    left = as_left(records)
    return {
        "backfill": name,
        "started": formats.moment(min(record.started_at for record in records), zone),
        "nights": len({record.date for record in records}),
        "first": records[0].date.isoformat(),
        "last": records[-1].date.isoformat(),
        "judged": judged,
        "unreadable": sum(record.failed for record in left),
        "took": formats.duration(seconds),
        "images/s": speed(judged, seconds),
        "failed units": len(_failed_units(left)),
        **{stage: formats.duration(of_all) for stage, of_all in spent.iter_rows()},
    }


def failed_units(failed: list[str], key: str) -> None:
    """The failed work units with their reasons. ``key`` is the prefix of the table's key."""
    if failed:
        units = formats.noun(len(failed), "work unit")
        st.warning(f"{len(failed)} {units} failed. Run the night again.", icon=":material/warning:")
        st.dataframe({"work unit and reason": failed}, hide_index=True, height=100, key=f"{key}-failed-units")


def _height(rows: int) -> int | Literal["auto"]:
    """Of a table: no empty rows below a few."""
    return "auto" if rows <= _FEW else 240


def failed_images(record: RunRecord, key: str) -> None:
    """The unreadable images of a night with their reasons. ``key`` is the prefix of the tables' keys."""
    st.subheader(f"Unreadable images of {formats.night(record.date)}", anchor=False)
    if not record.failed:
        st.caption("None: every image found was inspected.")
        return
    rows = sources.failures(record.date, _MOST)
    reasons = rows.group_by(pl.col("error").str.split(": ").list.first().alias("reason")).len("images")
    left, right = st.columns((1, 3), gap="medium")
    by_reason = reasons.sort("images", "reason", descending=[True, False])
    left.dataframe(by_reason, hide_index=True, height=_height(by_reason.height), key=f"{key}-why")
    right.dataframe(
        rows.select(
            "line",
            "coil",
            file=pl.coalesce("member", pl.col("object_key").str.split("/").list.last()),
            error="error",
            object="object_key",
        ),
        hide_index=True,
        height=_height(rows.height),
        key=f"{key}-failed-images",
    )
    if rows.height == _MOST:
        st.caption(f"The first {_MOST:,} are shown. The report has all of them.")


def retrain_stages(record: RetrainResult) -> dict[str, str]:
    spent = record.details.stage_seconds
    return {stage: formats.duration(spent.get(stage)) for stage in _RETRAIN_STAGES}


def of_retrains() -> None:
    records = sources.retrains()
    if not records:
        frame.empty(
            "No retraining yet",
            "A retraining starts on drift, on enough new labels, by the calendar, or by hand: "
            "`steelflow retrain --reason …`.",
        )
        return
    zone = sources.settings().night.timezone
    st.dataframe(
        [
            {
                "started": formats.moment(record.started_at, zone),
                "state": record.state,
                "result": record.text,
                "trigger": record.trigger,
                "reason": record.reason,
                "by": record.who,
                "took": formats.duration(record.seconds),
                **retrain_stages(record),
                "champion before": record.champion,
                "challenger": record.challenger,
            }
            for record in records[:200]
        ],
        hide_index=True,
        key="retrains",
        column_config={"result": st.column_config.TextColumn(width="large")},
    )


show()
