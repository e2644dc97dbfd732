"""Review: labelling by keyboard of the images that help the model most."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import review_frames
from dashboard.auth import access, labelling
from dashboard.auth.access import Actor
from dashboard.auth.labelling import Review, Row
from dashboard.data import images, regions, sources
from dashboard.formats import plain
from dashboard.media import pictures, thumbnails
from steelflow.records import Failure

_ALL = "all"
_STATE = "review"
_AHEAD = 6
_KEYS = 9  # classes with their own key
_SIDE = 520  # pixels
_SHOWN = 6  # images of a cluster
# Streamlit cannot put the cursor into a field.
_FOCUS = """<script>
function focusName(tries) {
    const field = document.querySelector(".st-key-new-name input");
    if (field) field.focus(); else if (tries) setTimeout(focusName, 50, tries - 1);
}
focusName(20);
</script>"""
_WHY = {
    "region": ":red-badge[region] a defect for the model",
    "novel": ":orange-badge[novel] unlike the training images",
    "uncertain": ":blue-badge[uncertain] the model hardly prefers one class",
    "diverse": ":gray-badge[diverse] unlike the other images of this queue; the model may be confident and wrong",
}


def show() -> None:
    frame.heading("Review", "label the images that help the model most")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly`. Images of that night appear here.")
        return
    actor = access.actor()
    if actor is None or not actor.may("labeller"):
        st.info("You can look at images. To label them you need the role labeller.", icon=":material/visibility:")
    lines = sorted(sources.summary(nights[-1])["line"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        line = st.selectbox("Line", [_ALL, *lines], key="line", bind="query-params", width=130)
        st.button(
            "New queue",
            icon=":material/refresh:",
            on_click=_forget,
            help="Choose images again, from the latest reports and labels",
        )
    review = _review(line)
    if review is None:
        return
    label(review, nights[-1])


def _review(line: str) -> Review | None:
    """The queue of this user. It is chosen when the page is opened, and when the line changes."""
    held = st.session_state.get(_STATE)
    if held is None or held[0] != line:
        with st.spinner("Choosing images …"):
            held = (line, labelling.begin(labelling.labels(), None if line == _ALL else line))
        st.session_state[_STATE] = held
    review: Review = held[1]
    if not review.rows and review.hidden:
        frame.empty(
            "Nothing to label",
            "The images of the latest nights cannot be shown: they left the archive or cannot be read. Put them back, "
            "or inspect a newer night (`steelflow nightly`).",
        )
        return None
    if not review.rows:
        frame.empty("Nothing to label", "All useful images of the latest nights have a label.")
        return None
    return review


def _forget() -> None:
    st.session_state.pop(_STATE, None)


def _classes(night: dt.date) -> list[str]:
    """The classes of the model, in its order, then those that people have added."""
    of_model = labelling.model_classes(night)
    return labelling.labels().class_names().offered([*of_model, *labelling.labels().classes()])


@frame.fragment()
def label(review: Review, night: dt.date) -> None:
    """The image and the keys. It reruns by itself, so the next image appears at once."""
    actor = access.actor()
    review.pass_over(labelling.known(labelling.labels()))
    row, classes = review.row, _classes(night)
    if row is not None and review.drawing:
        review_frames.draw(review, row, classes)
        return
    left, right = st.columns((1.15, 1), gap="large")
    with right:
        progress(review)
        if review.naming and row is not None:
            name_it(review, classes)
        else:
            keys(review, classes, actor)
        after(review)
    with left:
        if row is None:
            frame.empty("The queue is done", "**New queue** chooses more images. `steelflow retrain` uses the labels.")
        else:
            image(row, review.stretch)
    if row is None or not labelling.is_frame(row):
        clusters(review)
    pictures.prepare(review.coming(_AHEAD))


def image(row: Row, stretch: bool) -> None:
    picture = pictures.grey(pictures.full(images.reference(row)))
    if not isinstance(picture, Failure) and labelling.is_frame(row):
        review_frames.shown(row, pictures.stretched(picture) if stretch else picture)
    elif isinstance(picture, Failure):
        st.warning(f"This image cannot be shown. Skip it. {plain(picture)}", icon=":material/broken_image:")
    else:
        view = pictures.stretched(picture) if stretch else picture
        st.image(pictures.drawn(view, _SIDE), width=_SIDE, alt="The image to label")
    where = [f"line {row['line'] or formats.NOTHING}", f"coil {row['coil'] or formats.NOTHING}"]
    where.append(formats.night(row["date"]))
    where += [regions.place(row)] if regions.box(row) and regions.place(row) else []
    st.markdown(f"{_WHY[row['reason']]}  \n:small[{plain(' · '.join(where))}]")


def progress(review: Review) -> None:
    total, place = len(review.rows), review.place
    text = f"{min(place + 1, total)} of {total}"
    if review.labelled:
        text += f" · {review.labelled} labelled, {review.agreed} agree with the model"
    st.progress(place / total if total else 1.0, text)


def keys(review: Review, classes: list[str], actor: Actor | None) -> None:
    """The keys of the current image. Their names contain its place: if a key is pressed twice before the next image
    appears, the second press belongs to the image before and does nothing."""
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
                args=(review, name, classes),
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
            on_click=review.name_a_class,
            args=(True,),
        )
        st.button(
            "Skip" if classes else "Next",
            key=f"skip-{place}",
            icon=":material/skip_next:",
            shortcut="s",
            width="stretch",
            disabled=not open_,
            on_click=review.skip,
        )
        st.button(
            "Undo",
            key=f"undo-{place}",
            icon=":material/undo:",
            shortcut="u",
            width="stretch",
            disabled=not review.done or not may,
            on_click=_undone,
            args=(review,),
        )
        st.button(
            "Stretch contrast",
            key=f"stretch-{place}",
            icon=":material/contrast:",
            shortcut="t",  # Streamlit uses C
            width="stretch",
            type="primary" if review.stretch else "secondary",
            disabled=not open_,
            on_click=review.stretch_contrast,
            help="For dark images and images with little contrast; stays on until you switch it off",
        )


def name_it(review: Review, classes: list[str]) -> None:
    """The form for a new class. It replaces the keys, so typing does not label."""
    with st.form("new-class"):
        st.text_input("Name of the new class", key="new-name", placeholder="edge_crack", max_chars=100)
        st.caption("A retraining adds this class to the model if it has enough images.")
        with st.container(horizontal=True):
            st.form_submit_button("Label it", type="primary", key="name-it", on_click=_named, args=(review, classes))
            st.form_submit_button("Cancel", key="leave-it", shortcut="Esc", on_click=review.name_a_class, args=(False,))
    st.html(_FOCUS, unsafe_allow_javascript=True)


def say_new(review: Review, classes: list[str]) -> None:
    name = st.session_state["new-name"].strip()
    if name:
        say(review, name, classes, new=True)
    else:
        st.error("Enter a name for the class.")


def say(review: Review, name: str, classes: list[str], new: bool = False) -> None:
    actor, row = access.actor(), review.row
    if actor is None or row is None:
        return
    data = pictures.full(images.reference(row))
    if isinstance(data, Failure):
        st.error(f"The image is no longer in the archive and cannot be labelled: {plain(data)}")
        return
    verdict = review_frames.verdict(row, name)
    review.say(actor, labelling.labels(), data, name, classes, new, verdict)


def take_back(review: Review) -> None:
    if (actor := access.actor()) is not None:
        review.undo(actor, labelling.labels())


_said: Callable[[Review, str, list[str]], None] = frame.guarded(say)
_named: Callable[[Review, list[str]], None] = frame.guarded(say_new)
_undone: Callable[[Review], None] = frame.guarded(take_back)


def after(review: Review) -> None:
    """The model's class of the image before. It is shown after the choice, so it does not influence the user."""
    found = review.last()
    if found is None:
        if review.row is None or not labelling.is_frame(review.row):
            st.caption("The model's class is shown after your choice.")
        return
    for remark in found[1].remarks:
        st.warning(plain(f"Your label: {remark}"), icon=":material/info:")
    if labelling.is_frame(found[0]):
        review_frames.after(*found)
        return
    row, said = found
    yours, its = (plain(formats.class_name(name)) for name in (said.label, row["label"]))
    how_sure = formats.share(row["confidence"], 0)
    with st.container(border=True, key="after"):
        left, right = st.columns((1, 5), vertical_alignment="center")
        picture = thumbnails.kept().get([images.reference(row)]).get(images.reference(row))
        if isinstance(picture, bytes):
            left.image(picture, width=64, alt="The image before")
        if said.label == row["label"]:
            right.markdown(f":green-badge[agrees] You and the model ({how_sure}) say **{yours}**.")
        else:
            right.markdown(f":orange-badge[differs] You say **{yours}**, the model says **{its}** ({how_sure}).")
    if said.before is not None and said.before != said.label:
        before, by = plain(formats.class_name(said.before)), plain(said.by)
        st.caption(f"{by} labelled the same image {before}. Your label counts now; both are kept.")


def clusters(review: Review) -> None:
    """Clusters of similar novel images, which may be a new defect."""
    for number, rows in review.clusters().items():
        of_all = rows[0]["cluster_size"]
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                st.markdown(
                    f"**{of_all} images are similar to each other and unlike all known classes: a new defect?** "
                    f":small[{len(rows)} of them are in this queue]",
                    width="content",
                )
                st.button(
                    "Label these next",
                    key=f"cluster-{number}",
                    icon=":material/arrow_upward:",
                    on_click=review.first,
                    args=(number,),
                )
            shown = rows[:_SHOWN]
            captions = [plain(f"{row['line'] or ''} {row['coil'] or ''}".strip() or formats.NOTHING) for row in shown]
            thumbnails.gallery([images.reference(row) for row in shown], captions)


show()
