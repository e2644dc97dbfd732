"""What Review shows: the image to label, the progress, the image before, and clusters of novel images."""

from __future__ import annotations

import streamlit as st

from dashboard import formats, links
from dashboard.app_pages import bulk, review_frames
from dashboard.auth import labelling
from dashboard.auth.labelling import Review, Row
from dashboard.data import images, regions
from dashboard.formats import plain
from dashboard.media import pictures, thumbnails
from steelflow.records import Failure

_SIDE = 520  # pixels
_SHOWN = 6  # images of a cluster
_WHY = {
    "region": ":red-badge[region] a defect for the model",
    "novel": ":orange-badge[novel] unlike the training images",
    "uncertain": ":blue-badge[uncertain] the model hardly prefers one class",
    "moved": ":orange-badge[moved] far from the reference",
    "diverse": ":gray-badge[diverse] unlike the other images of this queue; the model may be confident and wrong",
}


def image(row: Row, stretch: bool) -> None:
    reference = images.reference(row)
    picture = pictures.grey(pictures.full(reference), reference)
    if not isinstance(picture, Failure) and labelling.is_frame(row):
        review_frames.shown(row, pictures.stretched(picture) if stretch else picture)
    elif isinstance(picture, Failure):
        st.warning(f"This image cannot be shown. Skip it. {plain(picture)}", icon=":material/broken_image:")
    else:
        view = pictures.stretched(picture) if stretch else picture
        st.image(pictures.drawn(view, _SIDE), width=_SIDE, alt=f"The image to label: {_file(row)}")
    where = [f"line {row['line'] or formats.NOTHING}", f"coil {row['coil'] or formats.NOTHING}"]
    where.append(formats.night(row["date"]))
    where += [regions.place(row)] if regions.box(row) and regions.place(row) else []
    st.markdown(f"{_WHY[row['reason']]}  \n:small[{plain(' · '.join(where))}]")


def _file(row: Row) -> str:
    return f"{row['object_key']} {row['member'] or ''}".strip()


def progress(review: Review) -> None:
    total, place = len(review.rows), review.place
    text = f"{min(place + 1, total)} of {total}"
    if review.labelled:
        text += f" · {review.labelled} labelled, {review.agreed} agree with the model"
    st.progress(place / total if total else 1.0, text)


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
    if said.before is not None and said.before != said.label and not said.second:
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
                bulk.button([dict(row) for row in rows], f"cluster-{number}-label", "Label all {number} …")
            shown = rows[:_SHOWN]
            captions = [plain(f"{row['line'] or ''} {row['coil'] or ''}".strip() or formats.NOTHING) for row in shown]
            addresses = [links.to("images", links.of_image(row["date"], row)) for row in shown]
            thumbnails.gallery([images.reference(row) for row in shown], captions, addresses)
