"""Images of the archive at full size: fetched ahead, cached, and encoded again from their pixels.

A page never shows a file of the archive, only pixels that were decoded here. The file itself is a download
(``originals``).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import streamlit as st

from dashboard.data import sources
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.config import MIB, LimitSettings
from steelflow.engine.base import Floats
from steelflow.errors import StoreError
from steelflow.images.decode import Grey, decode
from steelflow.records import Failure
from steelflow.store.base import Store

SIDE = 640  # pixels of the longer side of an image for the browser
_BYTES = 64 * MIB
_BLUR = 0.03  # share of the side; a patch is several times as wide
_TAILS = (1, 99)  # percentiles that become black and white
_VEIL = 0.6  # highest opacity of the heat map over the image

Encoded = bytes | Failure


class Ahead:
    """A cache of encoded images of at most ``_BYTES``, shared by all users. One thread fetches images ahead."""

    def __init__(self, archive: Store, limits: LimitSettings, most: int = _BYTES) -> None:
        self._archive, self._limits, self._most = archive, limits, most
        self._kept: OrderedDict[ImageRef, Encoded] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")

    def get(self, image: ImageRef) -> Encoded:
        """The image, or the failure. Its reference must have the ordinal. Raises ``StoreError``."""
        with self._lock:
            if image in self._kept:
                self._kept.move_to_end(image)
                return self._kept[image]
        return self._fetch([image])[image]

    def prepare(self, images: Sequence[ImageRef]) -> None:
        """Fetch these images in the background for ``get``. Errors are left to ``get``."""
        with self._lock:
            missing = [image for image in images if image not in self._kept]
        if missing:
            self._pool.submit(self._try, missing)

    def _try(self, images: Sequence[ImageRef]) -> None:
        with self._lock:
            missing = [image for image in images if image not in self._kept]
        try:
            self._fetch(missing)
        except StoreError:
            return

    def _fetch(self, images: Sequence[ImageRef]) -> dict[ImageRef, Encoded]:
        found = dict(fetch_images(self._archive, images, self._limits))
        with self._lock:
            for image, data in found.items():
                if image not in self._kept:
                    self._kept[image] = data
                    self._size += _cost(data)
            while self._size > self._most and len(self._kept) > 1:
                self._size -= _cost(self._kept.popitem(last=False)[1])
        return found


@st.cache_resource(show_spinner=False, max_entries=1)
def ahead(archive_uri: str, endpoint: str) -> Ahead:
    """The cache of the current archive. An archive at another address has another cache."""
    del archive_uri, endpoint
    return Ahead(sources.archive(), sources.settings().limits)


def full(image: ImageRef) -> Encoded:
    """The encoded bytes of an image. Raises ``StoreError``."""
    return _ahead().get(image)


def prepare(images: Sequence[ImageRef]) -> None:
    """Fetch the images that will be shown next."""
    _ahead().prepare(images)


def grey(data: Encoded, image: ImageRef) -> Grey | Failure:
    """The pixels of ``image``, whose bytes are ``data``."""
    return data if isinstance(data, Failure) else decode(data, sources.limits_of(image))


def stretched(picture: Grey) -> Grey:
    """The image with stretched contrast: the 1st percentile becomes 0, the 99th 255, values beyond are clipped.

    An image with a single grey level stays unchanged.
    """
    low, high = np.percentile(picture, _TAILS)
    if high <= low:
        return picture
    spread = (picture.astype(np.float32) - low) * (255 / (high - low))
    return np.asarray(np.rint(spread.clip(0, 255)), np.uint8)


def drawn(picture: Grey, side: int = SIDE) -> bytes:
    """A PNG with the longer side ``side``. Small images are enlarged, because a defect may have few pixels."""
    return _png(sized(picture, side))


def heated(picture: Grey, drop: Floats, side: int = SIDE) -> bytes:
    """The image with warm colours where ``drop`` (any shape) is above zero."""
    base = cv2.cvtColor(sized(picture, side), cv2.COLOR_GRAY2BGR)
    height, width = base.shape[:2]
    smooth = cv2.GaussianBlur(drop.clip(0), (0, 0), max(drop.shape) * _BLUR)
    heat = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC).clip(0)
    heat = heat / max(float(heat.max()), 1e-9)
    warm = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)
    veil = (_VEIL * heat)[:, :, None]
    return _png(np.asarray((1 - veil) * base + veil * warm, np.uint8))


def sized(picture: Grey, side: int) -> Grey:
    """The picture with the longer side ``side``."""
    height, width = picture.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)


def _png(picture: Grey) -> bytes:
    return bytes(np.asarray(cv2.imencode(".png", picture)[1]))


def _ahead() -> Ahead:
    settings = sources.settings()
    return ahead(settings.archive.uri, settings.store.endpoint)


def _cost(data: Encoded) -> int:
    return len(data) if isinstance(data, bytes) else 100
