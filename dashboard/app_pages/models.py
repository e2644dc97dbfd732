"""Models: versions, their figures and their reasons; promotion and rollback."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import embedding_map, model_change, model_difference, model_history, model_one
from dashboard.data import sources
from dashboard.formats import percent, plain
from steelflow.registry import Entry, Version
from steelflow.registry.log import state_of

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
        model_history.speeds()
        return
    state = state_of(log)
    standing(state.champion, state.challenger, log)
    model_change.change(versions, state.champion, state.earlier())
    table(versions, state.champion, state.challenger)
    names = [version.version for version in reversed(versions)]
    name = st.selectbox("Version", names, key="version", bind="query-params", width=130)
    model_one.one(next(version for version in versions if version.version == name))
    history(versions, state.champion, log)


def history(versions: Sequence[Version], champion: str | None, log: Sequence[Entry]) -> None:
    """The tabs below a version. Only the open one is made."""
    named = ["Retrainings", "Promotion log", "Two versions", "Map of a night", "Accuracy and speed"]
    trained, logged, differ, mapped, fast = st.tabs(named, key="part", on_change="rerun", bind="query-params")
    if trained.open:
        with trained:
            model_history.retrainings()
    if logged.open:
        with logged:
            model_history.promotions(log)
    if differ.open:
        with differ:
            model_difference.show(versions, champion)
    if mapped.open:
        with mapped:
            embedding_map.show()
    if fast.open:
        with fast:
            model_history.speeds()


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


def table(versions: Sequence[Version], champion: str | None, challenger: str | None) -> None:
    zone = sources.settings().night.timezone
    aliases = {champion: "champion", challenger: "challenger"}
    share = st.column_config.NumberColumn
    st.dataframe(
        [
            {
                "version": version.version,
                "alias": aliases.get(version.version, ""),
                "model": version.name,
                "architecture": version.arch,
                "made by": version.metrics.get("kind"),
                "accuracy": percent(version.metrics.get("accuracy")),
                "golden set": percent(version.metrics.get("golden_accuracy")),
                "recent labels": percent(version.metrics.get("recent_accuracy")),
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


show()
