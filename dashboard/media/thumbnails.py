"""Thumbnails of archive images, also from shards, fetched when they are shown and cached."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import cv2
import numpy as np
import streamlit as st

from dashboard.data import sources
from dashboard.formats import plain
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.images.decode import Grey, decode
from steelflow.records import Failure

SIDE = 168  # pixels
_LONG = 2.0  # times the shorter side
_MOST = 3000  # thumbnails of some 5 kB each

Thumbnail = bytes | Failure


class Kept:
    """The latest thumbnails, shared by all users."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[ImageRef, Thumbnail] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, references: Collection[ImageRef]) -> dict[ImageRef, Thumbnail]:
        """A JPEG for each reference, or the failure. References must have their ordinals.

        Raises:
            StoreError: the archive cannot be reached. Such errors are not cached.
        """
        with self._lock:
            found = {one: self._kept[one] for one in references if one in self._kept}
        missing = [one for one in references if one not in found]
        limits = sources.settings().limits
        for reference, data in fetch_images(sources.archive(), missing, limits) if missing else ():
            found[reference] = small(data, reference) if isinstance(data, bytes) else data
        with self._lock:
            for reference, thumbnail in found.items():
                self._kept[reference] = thumbnail
                self._kept.move_to_end(reference)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


@st.cache_resource(show_spinner=False)
def kept() -> Kept:
    return Kept()


def middle(picture: Grey) -> Grey:
    """The square in the middle of a long frame: small, the whole would be a thread. Other pictures stay whole."""
    short, long = sorted(picture.shape)
    if long < _LONG * short:
        return picture
    top, left = ((side - short) // 2 for side in picture.shape)
    return picture[top : top + short, left : left + short]


def small(data: bytes, image: ImageRef) -> Thumbnail:
    """A grey JPEG of at most ``SIDE`` pixels of ``image``, whose bytes are ``data``."""
    grey = decode(data, sources.limits_of(image))
    return grey if isinstance(grey, Failure) else shrunk(grey)


def shrunk(grey: Grey) -> Thumbnail:
    """A grey JPEG of at most ``SIDE`` pixels."""
    height, width = grey.shape
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    done, encoded = cv2.imencode(".jpg", cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    return bytes(np.asarray(encoded)) if done else Failure("unshown", "cannot be drawn")


def gallery(
    references: Sequence[ImageRef],
    captions: Sequence[str],
    addresses: Sequence[str | None],
    columns: int = 8,
    below: Callable[[int], None] | None = None,
) -> None:
    """A grid of thumbnails with captions, each a link to its image. A missing image shows the reason. Captions are
    Markdown; ``addresses`` are those of ``links.to``, None for an image that no page shows. ``below`` shows more below
    the picture with that number."""
    if not references:
        st.caption("No image to show.")
        return
    with st.spinner("Fetching images …"):
        pictures = kept().get(references)
    with st.grid(columns, gap="xsmall", min_column_width=110):
        for number, (reference, caption, address) in enumerate(zip(references, captions, addresses, strict=True)):
            with st.container(gap="xsmall"):
                picture = pictures.get(reference, Failure("missing", "no longer in the archive"))
                if isinstance(picture, Failure):
                    st.caption(f":material/broken_image: {plain(picture)}")
                else:
                    st.image(picture, width="stretch", alt=reference.member or reference.key, link=address)
                st.caption(caption)
                if below is not None:
                    below(number)
