"""What comes of the labels, below Review: the accuracy before and after a retraining, and how far two readers agree."""

from __future__ import annotations

import streamlit as st

from dashboard import formats, frame
from dashboard.auth import labelling
from dashboard.auth.labelling import Review
from dashboard.data import gains, sources
from dashboard.data.gains import Gain
from dashboard.formats import plain
from steelflow.labels.second import Agreement, agreement, pairs

_FEW = 30  # images read twice: the agreement on so few is uncertain by more than 10 points


@frame.fragment()
def show(review: Review) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("What labels gained", anchor=False)
        gained(review)
    with right:
        st.subheader("Two readers", anchor=False)
        agreed()


def gained(review: Review) -> None:
    mine = {said.image for said in review.done if said is not None}
    found = gains.gain(sources.retrains(), mine, _images_of) if mine else None
    if mine and found is None:
        st.caption(f"The {len(mine)} images that you labelled in this session are in no retraining yet.")
    elif found is not None:
        st.markdown(f"{found.used} of the {len(mine)} images that you labelled in this session: {told(found)}")
        return
    last = gains.gain(sources.retrains(), (), _images_of)
    if last is not None:
        st.markdown(f"The last retraining: {told(last)}")
    elif not mine:
        st.caption("No retraining was compared on the golden set yet.")


def told(found: Gain) -> str:
    when = formats.moment(found.started_at, sources.settings().night.timezone)
    word = {"promoted": "green", "refused": "orange"}.get(found.state, "gray")
    return (
        f"golden set **{formats.share(found.before)} → {formats.share(found.after)}** "
        f"({formats.points(found.after - found.before)}, {formats.count(found.images)} images), "
        f"{plain(found.version or 'the challenger')} of {when} :{word}-badge[{plain(found.state)}]"
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _images_of(snapshot: str) -> frozenset[str]:
    """The images of a snapshot. It never changes."""
    found = labelling.labels().read_snapshot(snapshot)
    return frozenset() if found is None else frozenset(found.frame["image"])


def agreed() -> None:
    store, share = labelling.labels(), sources.settings().labels.second_reader
    found = agreement(pairs(store.history(), store.class_names()))
    if not found.images:
        st.caption(
            f"{formats.share(share, 0)} of the labelled images, with the regions of these, come to a second person, "
            "who does not see the first label. None was labelled twice yet."
            if share
            else "No image is shown to a second person: `labels.second_reader` is 0."
        )
        return
    st.markdown(
        f"**{formats.count(found.same)}** of {formats.count(found.images)} images and regions got the same label from "
        f"two people: **{formats.share(found.agreement)}**; Cohen's kappa **{_kappa(found.kappa)}**"
    )
    st.caption(
        f"A second person labels {formats.share(share, 0)} of the labelled images again and does not see the first "
        f"label. These figures rest on {formats.count(2 * found.images)} labels, two of each. Kappa is 1 if the two "
        "always agree, and 0 if they agree as often as by chance."
        + (" They are few: one label more can change the figures much." if found.images < _FEW else "")
    )
    st.dataframe(
        _rows(found),
        hide_index=True,
        row_height=28,
        key="two-readers",
        placeholder=formats.NOTHING,
        column_config={
            "both": st.column_config.NumberColumn(
                format="%.1f %%", help="Twice the images that both gave this class, over the labels of both"
            ),
            "kappa": st.column_config.NumberColumn(format="%.2f", help="This class against all others"),
        },
    )


def _rows(found: Agreement) -> list[dict[str, object]]:
    return [
        {"class": formats.class_name(name), "images": one.images, "both": 100 * one.agreement, "kappa": one.kappa}
        for name, one in found.classes.items()
    ]


def _kappa(value: float | None) -> str:
    return formats.NOTHING if value is None else f"{value:.2f}"
