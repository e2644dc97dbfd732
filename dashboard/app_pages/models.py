"""Models: versions, their figures and their reasons; promotion and rollback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import streamlit as st

import steelflow
from dashboard import formats, frame
from dashboard.auth import access, actions
from dashboard.charts import models as charts_models
from dashboard.data import sources
from dashboard.formats import plain
from steelflow.registry import Entry, Version
from steelflow.registry.log import state_of
from steelflow.registry.version import CARD, CURVES, METRICS
from steelflow.retrain.gate import ClassComparison, Comparison, Gate
from steelflow.retrain.record import RetrainResult
from steelflow.selection.pareto import Point, front

_RESULTS = Path(steelflow.__file__).parents[1] / "docs" / "results"
_ENDED = {"promoted": "green", "refused": "orange", "skipped": "gray"}
_DONE = "models-done"
_FEW = 6  # versions without scrolling


def show() -> None:
    frame.heading("Models", "versions, their figures, promotion and rollback")
    log = sources.registry().log()
    versions = sources.registry().versions()
    if not versions:
        frame.empty(
            "No model was registered yet",
            "The model that ships with steelflow inspects. `steelflow models register FOLDER --reason …` adds your own "
            "model. `steelflow retrain --reason …` trains one on your labels.",
        )
        speeds()
        return
    state = state_of(log)
    if told := st.session_state.pop(_DONE, None):
        st.success(plain(told), icon=":material/check_circle:")
    standing(state.champion, state.challenger, log)
    change(versions, state.champion, state.earlier())
    table(versions, state.champion, state.challenger)
    names = [version.version for version in reversed(versions)]
    name = st.selectbox("Version", names, key="version", bind="query-params", width=130)
    one(next(version for version in versions if version.version == name))
    trained, logged, fast = st.tabs(["Retrainings", "Promotion log", "Accuracy and speed"])
    with trained:
        retrainings()
    with logged:
        promotions(log)
    with fast:
        speeds()


def standing(champion: str | None, challenger: str | None, log: Sequence[Entry]) -> None:
    made = next((entry for entry in reversed(log) if entry.alias == "champion"), None)
    if made is None:
        st.info("No version was promoted yet: the model that ships with steelflow inspects.", icon=":material/info:")
        return
    at = formats.moment(made.at, sources.settings().night.timezone)
    words = {"promote": "promoted", "rollback": "rolled back to"}
    text = (
        f":green-badge[champion {champion}] {words.get(made.action, made.action)} {at} by {plain(made.who)}: "
        f"{plain(made.reason)}"
    )
    if challenger:
        text += f" :blue-badge[challenger {challenger}]"
    st.markdown(text)


def change(versions: Sequence[Version], champion: str | None, earlier: Sequence[str]) -> None:
    """The two buttons that change which model inspects."""
    actor = access.actor()
    may = actor is not None and actor.may("operator")
    others = [version.version for version in reversed(versions) if version.version != champion]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button(
            "Promote a version …", icon=":material/arrow_upward:", key="promote", disabled=not (may and others)
        ):
            promote(others, champion)
        if st.button("Roll back …", icon=":material/undo:", key="rollback", disabled=not (may and earlier)):
            rollback(champion, earlier)
        if not may:
            st.caption("To change the model you need the role operator.")
        elif not earlier:
            st.caption("There is no earlier champion for a rollback.")


@st.dialog("Promote a version")
def promote(others: list[str], champion: str | None) -> None:
    frame.guarded(_promote)(others, champion)


def _promote(others: list[str], champion: str | None) -> None:
    version = st.selectbox("Version", others, key="promoted")
    reason = st.text_input("Reason", key="promote-reason", placeholder="for the log", max_chars=500)
    st.caption(f"It replaces {champion or 'the model that ships with steelflow'} from the next night on.")
    sure = st.checkbox(f"Yes, make {version} the champion", key="promote-sure")
    if st.button("Promote", type="primary", key="promote-now", disabled=not (sure and reason.strip())):
        if (actor := access.actor()) is None:
            return
        actions.promote(actor, sources.registry(), version, reason, champion)
        _done(f"{version} is the champion now")


@st.dialog("Roll back")
def rollback(champion: str | None, earlier: Sequence[str]) -> None:
    frame.guarded(_rollback)(champion, earlier)


def _rollback(champion: str | None, earlier: Sequence[str]) -> None:
    to = st.selectbox("To the earlier champion", earlier, key="rolled")
    reason = st.text_input("Reason", key="rollback-reason", placeholder="for the log", max_chars=500)
    st.caption(f"It replaces {champion} from the next night on, with its original files.")
    sure = st.checkbox(f"Yes, go back from {champion} to {to}", key="rollback-sure")
    if st.button("Roll back", type="primary", key="rollback-now", disabled=not (sure and reason.strip())):
        if (actor := access.actor()) is None:
            return
        actions.rollback(actor, sources.registry(), to, reason)
        _done(f"{to} is the champion again")


def _done(text: str) -> None:
    sources.champion.clear()
    st.session_state[_DONE] = text
    st.rerun()


def table(versions: Sequence[Version], champion: str | None, challenger: str | None) -> None:
    zone = sources.settings().night.timezone
    aliases = {champion: "champion", challenger: "challenger"}
    share = st.column_config.NumberColumn
    st.dataframe(
        [
            {
                "version": version.version,
                "alias": aliases.get(version.version, ""),
                "model": version.arch,
                "made by": version.metrics.get("kind"),
                "accuracy": _percent(version.metrics.get("accuracy")),
                "golden set": _percent(version.metrics.get("golden_accuracy")),
                "recent labels": _percent(version.metrics.get("recent_accuracy")),
                "speed": version.metrics.get("speed"),
                "ECE": version.metrics.get("ece"),
                "classes": len(version.classes),
                "registered": formats.moment(version.created_at, zone),
                "by": version.created_by,
                "reason": version.reason,
            }
            for version in reversed(versions)
        ],
        hide_index=True,
        key="versions",
        height="auto" if len(versions) <= _FEW else 260,
        placeholder=formats.NOTHING,
        column_config={
            "accuracy": share("held out", format="%.2f %%", help="Accuracy on images that were not trained on"),
            "golden set": share(format="%.2f %%"),
            "recent labels": share(format="%.2f %%"),
            "speed": share(format="%.2f ×", help="Images per second, as a multiple of the champion at that time"),
            "ECE": share(format="%.4f", help="Expected calibration error"),
            "reason": st.column_config.TextColumn(width="large"),
        },
    )


@frame.fragment()
def one(version: Version) -> None:
    """The figures that a version was registered with."""
    metrics = metrics_of(version.version)
    held_out = metrics.get("held_out")
    left, right = st.columns((1, 1), gap="medium")
    with left:
        st.subheader(f"{version.version}: confusion matrix", anchor=False)
        if isinstance(held_out, dict) and held_out.get("confusion_matrix"):
            st.altair_chart(
                charts_models.confusion(held_out["classes"], held_out["confusion_matrix"]), alt="Confusion matrix"
            )
            st.caption(
                f"{formats.count(held_out.get('images'))} images that were not used for training; "
                f"macro F1 {formats.share(held_out.get('macro_f1'), 2)}"
            )
        else:
            st.caption("This version was registered without a confusion matrix.")
    with right:
        st.subheader("Learning curves", anchor=False)
        charts = charts_models.learning(metrics.get("curves") or {})
        for chart in charts:
            st.altair_chart(chart, alt="Learning curve")
        if not charts and CURVES in version.files:
            st.image(file_of(version.version, CURVES), alt="Learning curves")
        elif not charts:
            st.caption("This version was registered without learning curves.")
        if isinstance(held_out, dict) and held_out.get("per_class"):
            classes(held_out["per_class"])
    if CARD in version.files:
        with st.expander("Model card"):
            st.text(file_of(version.version, CARD).decode("utf-8", "replace"))


def classes(of_class: dict[str, dict[str, Any]]) -> None:
    share = st.column_config.NumberColumn
    st.dataframe(
        [
            {
                "class": formats.class_name(name),
                "images": figures.get("support"),
                "precision": _percent(figures.get("precision")),
                "recall": _percent(figures.get("recall")),
                "F1": _percent(figures.get("f1")),
            }
            for name, figures in of_class.items()
        ],
        hide_index=True,
        row_height=28,
        key="per-class",
        column_config={name: share(format="%.1f %%") for name in ("precision", "recall", "F1")},
    )


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
                    old: _percent(figures.champion),
                    new: _percent(figures.challenger),
                }
            )
    share = st.column_config.NumberColumn
    st.dataframe(
        rows, hide_index=True, height=240, column_config={old: share(format="%.1f %%"), new: share(format="%.1f %%")}
    )
    told = [f"speed {gate.speed:.2f} times the champion's"] if gate.speed else []
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


@st.cache_data(max_entries=16, show_spinner=False)
def file_of(version: str, file: str) -> bytes:
    """A file of a version. It never changes."""
    return sources.registry().read(version, file)


def metrics_of(version: str) -> dict[str, Any]:
    try:
        found = json.loads(file_of(version, METRICS))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _percent(value: object) -> float | None:
    return 100 * value if isinstance(value, float | int) else None


show()
