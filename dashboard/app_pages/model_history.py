"""What became of models: retrainings, promotions, and the architectures that were compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import streamlit as st

import steelflow
from dashboard import formats
from dashboard.charts import models as charts_models
from dashboard.data import sources
from dashboard.formats import percent, plain
from steelflow.registry import Entry
from steelflow.retrain.gate import ClassComparison, Comparison, Gate
from steelflow.retrain.record import RetrainResult
from steelflow.selection.pareto import Point, front

_RESULTS = Path(steelflow.__file__).parents[1] / "docs" / "results"
_ENDED = {"promoted": "green", "refused": "orange", "skipped": "gray"}


def retrainings() -> None:
    records = sources.retrains()
    if not records:
        st.caption("None yet. A retraining starts on drift, on enough new labels, by the calendar, or by hand (Runs).")
        return
    zone = sources.settings().night.timezone
    for record in records[:20]:
        badge = f":{_ENDED[record.state]}-badge[{plain(record.state)}]"
        st.markdown(
            f"{badge} **{formats.moment(record.started_at, zone)}**, {plain(record.trigger)}, by "
            f"{plain(record.who)}: {plain(record.reason)}  \n{plain(record.text)}"
        )
        gate = record.details.gate
        if gate is not None and gate.comparisons:
            with st.expander(f"Comparison of {plain(record.challenger or 'the challenger')} with the champion"):
                compared(record, gate)
    if len(records) > 20:
        st.caption("The latest 20 are shown. Runs has more.")


def compared(record: RetrainResult, gate: Gate) -> None:
    old, new = record.champion or "before", record.challenger or "challenger"
    rows = []
    for comparison in gate.comparisons:
        of_all: dict[str, Comparison | ClassComparison] = {"all": comparison}
        for name, figures in (of_all | comparison.classes).items():
            rows.append(
                {
                    "images of": comparison.name,
                    "class": formats.class_name(name),
                    "images": figures.images,
                    old: percent(figures.champion),
                    new: percent(figures.challenger),
                }
            )
    share = st.column_config.NumberColumn
    st.dataframe(
        rows, hide_index=True, height=240, column_config={old: share(format="%.1f %%"), new: share(format="%.1f %%")}
    )
    told = [f"speed {gate.speed:.2f} times the champion's"] if gate.speed else []
    told += [
        f"{one.remembered:,} of the {one.images:,} images of the {one.name} trained {old}, which remembers them"
        for one in gate.comparisons
        if one.remembered
    ]
    told += gate.problems
    if told:
        st.caption(plain("; ".join(told)))


def promotions(log: Sequence[Entry]) -> None:
    zone = sources.settings().night.timezone
    st.dataframe(
        [
            {
                "number": entry.number,
                "when": formats.moment(entry.at, zone),
                "action": entry.action,
                "version": entry.version,
                "previous": entry.previous,
                "by": entry.who,
                "reason": entry.reason,
            }
            for entry in reversed(log)
        ],
        hide_index=True,
        key="log",
        height=320,
        placeholder=formats.NOTHING,
        column_config={"reason": st.column_config.TextColumn(width="large")},
    )
    st.caption("Every entry contains the digest of the entry before. The whole chain was checked just now.")


def speeds() -> None:
    points = measured()
    if points.is_empty():
        st.caption("No architectures were compared here. Run `steelflow models compare --results docs/results …`.")
        return
    st.altair_chart(charts_models.pareto(points), alt="Accuracy against speed")
    st.caption("Measured by `steelflow models compare`. No architecture is better than those on the line in both.")


@st.cache_data(ttl=sources.STALE, max_entries=1, show_spinner=False)
def measured() -> pl.DataFrame:
    """The results with a speed: ``model``, ``accuracy``, ``robustness``, ``speed`` and ``front``."""
    found = [json.loads(path.read_text()) for path in sorted(_RESULTS.glob("*.json"))]
    rows = [
        (one["model"], one["accuracy"], one.get("robustness_mean"), one["speed"]["end_to_end"])
        for one in found
        if one.get("kind") == "model" and "speed" in one
    ]
    best = {point.name for point in front([Point(name, speed, accuracy) for name, accuracy, _, speed in rows])}
    schema = {"model": pl.String, "accuracy": pl.Float64, "robustness": pl.Float64, "speed": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(front=pl.col("model").is_in(list(best)))
