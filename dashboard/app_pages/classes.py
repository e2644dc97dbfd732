"""Classes: how many labels each has, and retiring, restoring, renaming and merging them."""

from __future__ import annotations

import polars as pl
import streamlit as st

from dashboard import formats, frame
from dashboard.auth import access, actions, labelling
from dashboard.data import sources
from dashboard.formats import plain
from steelflow.labels import Classes, LabelStore
from steelflow.labels.classes import ClassAction

_DONE = "classes-done"
_ACTIONS: dict[ClassAction, tuple[str, str]] = {
    "retire": ("Retire", "It is not learnt and not offered any more. Its labels stay, and it can be restored."),
    "restore": ("Restore", "It is learnt and offered again, with all its labels."),
    "rename": ("Rename", "Its labels count under the new name. The next model has the new name."),
    "merge": ("Merge", "Its labels count as those of the other class. The next model has one class."),
}


def show() -> None:
    frame.heading("Classes", "what the labels and the model tell apart")
    store = labelling.labels()
    meaning = store.class_names()
    of_model, good = _of_model()
    names = meaning.offered([*of_model, *store.classes()])
    if not names and not meaning.changes:
        frame.empty(
            "No classes yet", "Inspect a night (`steelflow nightly`), or import labels (`steelflow labels import`)."
        )
        return
    if told := st.session_state.pop(_DONE, None):
        st.success(plain(told), icon=":material/check_circle:")
    table(store, meaning, names, {meaning.now(name) for name in of_model})
    change(meaning, [name for name in names if name not in good])
    history(meaning)


def _of_model() -> tuple[list[str], tuple[str, ...]]:
    """The classes of the models that inspected the last night, and those of them that are no defect."""
    nights = sources.nights()
    return (labelling.model_classes(nights[-1]), sources.good_classes(nights[-1])) if nights else ([], ())


def table(store: LabelStore, meaning: Classes, names: list[str], of_model: set[str]) -> None:
    rows = pl.concat([store.current(withdrawn=True), store.regions(withdrawn=True)], how="diagonal")
    counts = dict(rows.drop_nulls("label").group_by("label").len().iter_rows())
    golden = store.golden()
    frozen = {} if golden is None else dict(golden.chosen.group_by("label").len().iter_rows())
    st.dataframe(
        [
            {
                "class": formats.class_name(name),
                "labels": counts.get(name, 0),
                "golden set": frozen.get(name, 0),
                "in the model": name in of_model,
                "state": "retired" if name in meaning.retired else "",
            }
            for name in [*names, *sorted(meaning.retired)]
        ],
        hide_index=True,
        key="all-classes",
        column_config={"labels": st.column_config.NumberColumn(help="Images and regions whose label counts")},
    )


def change(meaning: Classes, names: list[str]) -> None:
    """The buttons of what can be done with a class."""
    actor = access.actor()
    may = actor is not None and actor.may("operator")
    with frame.on_screen("classes"):
        for action, (title, _) in _ACTIONS.items():
            among = sorted(meaning.retired) if action == "restore" else names
            enough = len(among) > (1 if action == "merge" else 0)
            if st.button(f"{title} …", key=f"class-{action}", disabled=not (may and enough)):
                dialog(action, among)
        if not may:
            st.caption("To change classes you need the role operator.")


@st.dialog("Change a class")
def dialog(action: ClassAction, names: list[str]) -> None:
    frame.guarded(_dialog)(action, names)


def _dialog(action: ClassAction, names: list[str]) -> None:
    title, about = _ACTIONS[action]
    name = st.selectbox("Class", names, key="changed-class")
    into: str | None = None
    if action == "merge":
        into = st.selectbox("Into", [other for other in names if other != name], key="class-into")
    elif action == "rename":
        into = st.text_input("New name", key="class-name", max_chars=100).strip() or None
    reason = st.text_input("Reason", key="class-reason", placeholder="for the log", max_chars=500)
    st.caption(f"{about} The next retraining follows.")
    ready = bool(name and reason.strip()) and (into is not None or action in ("retire", "restore"))
    if st.button(title, type="primary", key="class-now", disabled=not ready) and name is not None:
        if (actor := access.actor()) is None:
            return
        of_model, good = _of_model()
        made = actions.change_class(actor, labelling.labels(), action, name, into, reason, of_model, good)
        st.session_state[_DONE] = "Nothing to do: it is so already" if made is None else str(made)
        st.rerun()


def history(meaning: Classes) -> None:
    if not meaning.changes:
        return
    st.subheader("Changes", anchor=False)
    zone = sources.settings().night.timezone
    st.dataframe(
        [
            {
                "when": formats.moment(one.at, zone),
                "who": one.who,
                "change": one.action,
                "class": one.name,
                "into": one.into or formats.NOTHING,
                "reason": one.reason,
            }
            for one in reversed(meaning.changes)
        ],
        hide_index=True,
        key="class-changes",
        column_config={"reason": st.column_config.TextColumn(width="large")},
    )


show()
