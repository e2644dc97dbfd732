"""Review: labelling by keyboard of the images that help the model most."""

from __future__ import annotations

import datetime as dt

import streamlit as st

from dashboard import address, frame
from dashboard.app_pages import review_examples, review_frames, review_gain, review_keys, review_shown
from dashboard.auth import access, labelling, queues, standing
from dashboard.auth.sessions import Session, sessions
from dashboard.data import sources
from dashboard.formats import plain
from dashboard.media import pictures

_ALL = "all"
_STATE = "review"
_NAME = "session"  # in the address
_LOOK = 8.0  # seconds
_AHEAD = 6


def show() -> None:
    frame.heading("Review", "label the images that help the model most")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly`. Images of that night appear here.")
        return
    actor = access.actor()
    if actor is None or not actor.may("labeller"):
        st.info("You can look at images. To label them you need the role labeller.", icon=":material/visibility:")
    moved = _moved()
    of_moved = [st.query_params["line"]] if moved is not None and "line" in st.query_params else []  # perhaps not today
    lines = sorted({*sources.summary(nights[-1])["line"].drop_nulls(), *of_moved})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        line = address.choose("Line", "line", [_ALL, *lines], _ALL, 130, every=_ALL)
        session = _session(line, "" if actor is None else actor.name, moved)
        address.write(line=None if line == _ALL else line, session=session.id)
        address.put(moved=moved and moved[0].isoformat(), signal=moved and moved[1])
        st.session_state[_STATE] = line, session.review
        st.button(
            "New queue",
            icon=":material/refresh:",
            on_click=_new,
            args=(session,),
            help="Choose images again, from the latest reports and labels",
        )
    if session.review.about:
        st.info(plain(session.review.about), icon=":material/trending_up:")
    if session.review.rows:
        label(session, nights[-1])
        look_again(session)
    elif session.review.hidden:
        frame.empty(
            "Nothing to label",
            "The images of the latest nights cannot be shown: they left the archive or cannot be read. Put them back, "
            "or inspect a newer night (`steelflow nightly`).",
        )
    else:
        frame.empty("Nothing to label", "All useful images of the latest nights have a label.")
    review_gain.show(session.review)


def _moved() -> tuple[dt.date, str] | None:
    """The night and the signal of drift whose images the address asks for."""
    night, signal = st.query_params.get("moved"), st.query_params.get("signal")
    if night is None or signal is None:
        return None
    try:
        return dt.date.fromisoformat(night), signal
    except ValueError:
        raise address.NotThere(f"the night {night!r} is not here; open Review again from the page Drift") from None


def _session(line: str, who: str, moved: tuple[dt.date, str] | None) -> Session:
    """The session that the address names: it goes on after a reload. Else a new one with a new queue."""
    asked = st.query_params.get(_NAME) or address.context().get(_NAME)
    queue = line if moved is None else f"{line} {moved[0]} {moved[1]}"
    found = sessions().get(asked, who, queue)
    if found is not None:
        return found
    store, name = labelling.labels(), None if line == _ALL else line
    with st.spinner("Choosing images …"):
        if moved is not None:
            return sessions().begin(who, queue, lambda: queues.moved(store, moved[0], name, moved[1]))
        return sessions().begin(who, queue, lambda: queues.begin(store, name, who))


def _new(session: Session) -> None:
    """The usual queue again, from the start."""
    sessions().end(session)
    for name in ("moved", "signal"):
        st.query_params.pop(name, None)


@frame.fragment(run_every=_LOOK)
def look_again(session: Session) -> None:
    """Hold the image, and go on if somebody else has labelled it meanwhile."""
    review = session.review
    if review.row is not None and standing.is_known(labelling.labels(), review, review.row, session.who):
        st.rerun()
    if session.shown is not None:
        sessions().take(session)


@frame.fragment()
def label(session: Session, night: dt.date) -> None:
    """The image and the keys. It reruns by itself, so the next image appears at once.

    The keys come after the image, and the name of the step after both: ``browser.js`` lets no key count before all of
    this is there.
    """
    actor, review = access.actor(), session.review
    review.pass_over(standing.settled(labelling.labels(), review, session.who))
    if actor is not None and actor.may("labeller"):
        sessions().take(session)
    row, classes = review.row, labelling.offered(night)
    if row is not None and review.drawing:
        review_frames.draw(review, row, classes)
        return
    left, right = st.columns((1.15, 1), gap="large")
    with left, st.container(key="picture"):
        if row is None:
            frame.empty("The queue is done", "**New queue** chooses more images. `steelflow retrain` uses the labels.")
        else:
            review_shown.image(row, review.stretch)
    with right:
        review_shown.progress(review)
        if review.note:
            st.info(review.note, icon=":material/group:")
        with st.container(key="keys"):
            if review.naming and row is not None:
                review_keys.name_it(review, classes)
            else:
                review_keys.keys(review, classes, actor)
        review_shown.after(review)
        st.container(key=f"step-{review.step}").empty()
        review_examples.show(classes)  # no key waits for these pictures
    if row is None or not labelling.is_frame(row):
        review_shown.clusters(review)
    pictures.prepare(review.coming(_AHEAD))


show()
