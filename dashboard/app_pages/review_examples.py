"""What each class looks like: a few labelled images of each beside the keys of Review."""

from __future__ import annotations

import streamlit as st

from dashboard import formats
from dashboard.auth import labelling
from dashboard.formats import plain
from dashboard.media import boxes, thumbnails
from steelflow.images.decode import decode
from steelflow.labels.examples import examples
from steelflow.records import Failure

_EACH = 3
_MOST = 12  # classes
_SIDE = 96  # pixels
_KEPT = 600.0  # seconds


def show(classes: list[str]) -> None:
    found = {name: shown for name, shown in _pictures(tuple(classes[:_MOST])).items() if shown}
    if not found:
        return
    with st.expander("What each class looks like", expanded=True, icon=":material/menu_book:"):
        with st.grid(2, min_column_width=204, gap="xsmall"):
            for name, shown in found.items():
                with st.container(gap=None):
                    st.caption(plain(formats.class_name(name)))
                    with st.container(horizontal=True, gap="xxsmall"):
                        for picture in shown:
                            st.image(picture, width=64, alt="An example of this class")
        st.caption("Labelled images on which nobody disagrees, those of the golden set first.")


@st.cache_data(ttl=_KEPT, max_entries=8, show_spinner=False)
def _pictures(classes: tuple[str, ...]) -> dict[str, list[bytes]]:
    """Small pictures of each class."""
    store = labelling.labels()
    chosen = examples(store, classes, _EACH)
    wanted = {image for several in chosen.values() for image, _ in several}
    data, limits_of = dict(store.images.get_many(sorted(wanted))), store.limits_of()
    found: dict[str, list[bytes]] = {}
    for name, several in chosen.items():
        found[name] = []
        for image, box in several:
            picture = decode(data[image], limits_of(image))
            if isinstance(picture, Failure):
                continue
            shown = (
                thumbnails.shrunk(thumbnails.middle(picture))
                if box is None
                else boxes.cropped(picture, box, name, _SIDE)
            )
            if isinstance(shown, bytes):
                found[name].append(shown)
    return found
