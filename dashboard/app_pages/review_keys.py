"""The keys of Review, and what each of them does."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import review_frames
from dashboard.auth import access, labelling, standing
from dashboard.auth.access import Actor
from dashboard.auth.labelling import Review
from dashboard.data import images
from dashboard.formats import plain
from dashboard.media import pictures
from steelflow.errors import LabelError
from steelflow.records import Failure

_KEYS = 9  # classes with their own key
# Streamlit cannot put the cursor into a field.
_FOCUS = """<script>
function focusName(tries) {
    const field = document.querySelector(".st-key-new-name input");
    if (field) field.focus(); else if (tries) setTimeout(focusName, 50, tries - 1);
}
focusName(20);
</script>"""


def keys(review: Review, classes: list[str], actor: Actor | None) -> None:
    """The keys of the current image. They know its step: if a key is pressed twice before the next image appears, the
    second press belongs to the image before and does nothing."""
    may = actor is not None and actor.may("labeller")
    row, place = review.row, review.place
    open_, framed = row is not None, row is not None and labelling.is_frame(row)
    shown = classes
    if row is not None and framed:
        shown = review_frames.keys(review, row, classes, may)
    with st.grid(2, min_column_width=150, gap="xsmall"):
        for number, name in enumerate(shown, 1):
            st.button(
                plain(formats.class_name(name)),
                key=f"class-{place}-{number}",
                shortcut=str(number) if number <= _KEYS else None,
                width="stretch",
                disabled=not (may and open_),
                on_click=_said,
                args=(review, review.step, name, classes),
            )
    tools(review, may, bool(shown), framed)


def tools(review: Review, may: bool, classes: bool, framed: bool) -> None:
    """The keys that do not choose a class. ``classes``: there are some to choose from."""
    open_, place = review.row is not None, review.place
    with st.grid(2, min_column_width=150, gap="xsmall"):
        st.button(
            "New class",
            key=f"new-{place}",
            icon=":material/add:",
            shortcut="n",
            width="stretch",
            disabled=not (may and open_) or (framed and not classes),
            on_click=_on,
            args=(review, review.step, review.name_a_class, True),
        )
        st.button(
            "Skip" if classes else "Next",
            key=f"skip-{place}",
            icon=":material/skip_next:",
            shortcut="s",
            width="stretch",
            disabled=not open_,
            on_click=_on,
            args=(review, review.step, review.skip),
        )
        st.button(
            "Undo",
            key=f"undo-{place}",
            icon=":material/undo:",
            shortcut="u",
            width="stretch",
            disabled=not review.done or not may,
            on_click=_undone,
            args=(review, review.step),
        )
        st.button(
            "Stretch contrast",
            key=f"stretch-{place}",
            icon=":material/contrast:",
            shortcut="t",  # Streamlit uses C
            width="stretch",
            type="primary" if review.stretch else "secondary",
            disabled=not open_,
            on_click=_on,
            args=(review, review.step, review.stretch_contrast),
            help="For dark images and images with little contrast; stays on until you switch it off",
        )


def name_it(review: Review, classes: list[str]) -> None:
    """The form for a new class. It replaces the keys, so typing does not label."""
    with st.form("new-class"):
        st.text_input("Name of the new class", key="new-name", placeholder="edge_crack", max_chars=100)
        if review.wrong:
            st.error(plain(review.wrong))
        st.caption("A retraining adds this class to the model if it has enough images.")
        with st.container(horizontal=True):
            st.form_submit_button(
                "Label it", type="primary", key="name-it", on_click=_named, args=(review, review.step, classes)
            )
            st.form_submit_button(
                "Cancel",
                key="leave-it",
                shortcut="Esc",
                on_click=_on,
                args=(review, review.step, review.name_a_class, False),
            )
    st.html(_FOCUS, unsafe_allow_javascript=True)


def say_new(review: Review, step: int, classes: list[str]) -> None:
    name = st.session_state["new-name"].strip()
    if not name:
        review.wrong = "Enter a name for the class."
        return
    try:
        say(review, step, name, classes, new=True)
    except LabelError as exc:
        review.wrong = str(exc)


def say(review: Review, step: int, name: str, classes: list[str], new: bool = False) -> None:
    actor, row = access.actor(), review.row
    if actor is None or row is None or not review.strike(step):
        return
    if standing.is_known(labelling.labels(), review, row, actor.name):
        review.note = "Somebody else has labelled that image meanwhile. Your key did nothing."
        return
    data = pictures.full(images.reference(row))
    if isinstance(data, Failure):
        st.error(f"The image is no longer in the archive and cannot be labelled: {plain(data)}")
        return
    verdict = labelling.verdict(row, name)
    review.say(actor, labelling.labels(), data, name, classes, new, verdict)


def take_back(review: Review, step: int) -> None:
    if (actor := access.actor()) is not None and review.strike(step):
        review.undo(actor, labelling.labels())


def _on(review: Review, step: int, act: Callable[..., None], *how: bool) -> None:
    """A key that changes no label."""
    if review.strike(step):
        act(*how)


_said: Callable[[Review, int, str, list[str]], None] = frame.guarded(say)
_named: Callable[[Review, int, list[str]], None] = frame.guarded(say_new)
_undone: Callable[[Review, int], None] = frame.guarded(take_back)
