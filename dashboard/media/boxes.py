"""Frames with the boxes of their regions, and crops of single regions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import streamlit as st

from dashboard.charts import palette
from dashboard.data import images, sources
from dashboard.data.regions import Box, box
from dashboard.formats import class_name
from dashboard.media import pictures
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.images.decode import Grey, decode
from steelflow.records import Failure

SIDE = 1600  # pixels of the longer side of a frame for the browser
CROP = 224  # pixels of the side of a crop
_MARGIN = 0.75  # of the longer side of the box, on each side
_EDGE = 8  # pixels of the frame around a box that is as high as the frame
_LEAST = 64  # pixels of the frame that a crop shows at least
_MOST = 2000  # crops of some 10 kB each
_TEXT = 0.45  # scale of the font
_MIDDLE = 0.179  # relative luminance on which black and white have the same contrast (WCAG 2.2)

Crop = bytes | Failure
_Key = tuple[ImageRef, Box, str]


def with_boxes(picture: Grey, rows: Sequence[Mapping[str, Any]], side: int = SIDE) -> bytes:
    """A JPEG of a frame with the box, class and score of each region. ``rows``: columns of ``data.regions``."""
    height, width = picture.shape
    scale = min(2.0, side / max(height, width))  # a small frame is enlarged, so that its texts can be read
    drawn = cv2.cvtColor(pictures.sized(picture, round(scale * max(height, width))), cv2.COLOR_GRAY2BGR)
    for row in rows:
        if (found := box(row)) is None:
            continue
        left, top, right, bottom = (round(scale * edge) for edge in _edges(found))
        shade = _bgr(row["label"])
        cv2.rectangle(drawn, (left - 1, top - 1), (right, bottom), shade, 2)
        score = row.get("score")
        text = class_name(row["label"]) + (f" {score:.2f}" if score is not None else "")
        (wide, tall), _ = cv2.getTextSize(_ascii(text), cv2.FONT_HERSHEY_SIMPLEX, _TEXT, 1)
        x = min(left, max(0, drawn.shape[1] - wide - 4))
        y = top - 4 if top > tall + 8 else min(bottom + tall + 6, drawn.shape[0] - 3)
        cv2.rectangle(drawn, (x - 1, y - tall - 3), (x + wide + 2, y + 3), shade, -1)
        cv2.putText(drawn, _ascii(text), (x, y), cv2.FONT_HERSHEY_SIMPLEX, _TEXT, ink(shade), 1, cv2.LINE_AA)
    return _jpeg(drawn)


def cropped(picture: Grey, found: Box, label: str, side: int = CROP) -> bytes:
    """A JPEG of a region with some of its surroundings, the box drawn."""
    x, y, width, height = found
    margin = max(round(_MARGIN * max(width, height)), (_LEAST - max(width, height)) // 2)
    size = min(max(width, height) + 2 * margin, max(min(picture.shape), max(width, height) + 2 * _EDGE))
    left, top = (
        min(max(0, round(start + extent / 2 - size / 2)), max(0, whole - size))
        for start, extent, whole in ((x, width, picture.shape[1]), (y, height, picture.shape[0]))
    )
    part = picture[top : top + size, left : left + size]
    scale = side / max(part.shape)
    drawn = cv2.cvtColor(pictures.sized(part, side), cv2.COLOR_GRAY2BGR)
    edges = [round(scale * edge) for edge in _edges((x - left, y - top, width, height))]
    cv2.rectangle(drawn, (edges[0] - 2, edges[1] - 2), (edges[2] + 1, edges[3] + 1), _bgr(label), 1)
    canvas = np.full((side, side, 3), 128, np.uint8)  # all crops of a gallery have one shape
    above, before = (side - drawn.shape[0]) // 2, (side - drawn.shape[1]) // 2
    canvas[above : above + drawn.shape[0], before : before + drawn.shape[1]] = drawn
    return _jpeg(canvas)


class Crops:
    """The latest crops, shared by all users."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[_Key, Crop] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, rows: Sequence[Mapping[str, Any]]) -> list[Crop]:
        """A crop for each region, or the failure. Each frame is fetched and decoded once. Raises ``StoreError``."""
        keys = [_key(row) for row in rows]
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
        missing: dict[ImageRef, list[_Key]] = {}
        for key in keys:
            if key not in found:
                missing.setdefault(key[0], []).append(key)
        limits = sources.settings().limits
        for image, data in fetch_images(sources.archive(), list(missing), limits) if missing else ():
            picture = decode(data, sources.limits_of(image)) if isinstance(data, bytes) else data
            for key in missing.get(image, ()):
                found[key] = picture if isinstance(picture, Failure) else cropped(picture, *key[1:])
        with self._lock:
            for key in keys:
                if key in found:
                    self._kept[key] = found[key]
                    self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return [found.get(key, Failure("missing", "no longer in the archive")) for key in keys]


@st.cache_resource(show_spinner=False)
def crops() -> Crops:
    return Crops()


def _key(row: Mapping[str, Any]) -> _Key:
    found = box(row)
    assert found is not None, "a region has a box"
    return images.reference(row), found, row["label"]


def _edges(found: Box) -> tuple[int, int, int, int]:
    x, y, width, height = found
    return x, y, x + width, y + height


def _bgr(label: str) -> tuple[int, int, int]:
    shade = palette.colour(label).removeprefix("#")
    red, green, blue = (int(shade[at : at + 2], 16) for at in (0, 2, 4))
    return blue, green, red


def ink(shade: tuple[int, int, int]) -> tuple[int, int, int]:
    """Black or white, whichever can be read better on a colour. Both are blue, green, red."""
    parts = (part / 255 for part in shade)
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    light = sum(weight * part for weight, part in zip((0.0722, 0.7152, 0.2126), linear, strict=True))
    return (0, 0, 0) if light > _MIDDLE else (255, 255, 255)


def _ascii(text: str) -> str:
    """OpenCV's fonts have no other letters."""
    return text.encode("ascii", "replace").decode()


def _jpeg(picture: npt.NDArray[Any]) -> bytes:
    return bytes(np.asarray(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1]))
