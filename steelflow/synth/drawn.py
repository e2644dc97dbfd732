"""A picture of a stretch of strip as all cameras of a side see it, with the defects of the truth drawn in."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
import polars as pl
from PIL import Image

from steelflow.synth.coils import Coil, coils
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.frame_truth import truth_of
from steelflow.synth.frames import picture
from steelflow.synth.layout import laid

_LEVELS = 40  # grey levels of the picture: grain in full depth is a large file
_MARK, _LINE = _LEVELS, _LEVELS + 1  # places in the palette
_PALETTE = [level for grey in range(_LEVELS) for level in [round(grey * 255 / (_LEVELS - 1))] * 3]
_PALETTE += [255, 150, 20, 70, 90, 110]
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def busiest(spec: FramePlantSpec, count: int) -> tuple[Coil, str, range]:
    """The stretch of ``count`` frames with the most classes of defect, and among these with the most defects: its coil,
    its side, and the numbers of its frames."""
    count, best = min(count, spec.frames), (-1, -1)
    for coil in coils(spec):
        truth = truth_of(spec, coil)
        for side in spec.sides:
            for first in range(spec.frames - count + 1):
                inside = truth.filter(pl.col("side") == side, pl.col("frame").is_between(first, first + count - 1))
                if (here := (inside["label"].n_unique(), inside["defect"].n_unique())) > best:
                    best, found = here, (coil, side, range(first, first + count))
    return found


def strip_picture(spec: FramePlantSpec, coil: Coil, side: str, numbers: Sequence[int], width: int = 800) -> bytes:
    """A PNG, ``width`` pixels wide: the cameras side by side, the frames ``numbers`` below each other.

    Each defect has its box in each frame, and its class beside the largest one.
    """
    here, cameras = laid(spec, coil, side), [camera for camera, own in spec.eyes if own == side]
    scale = width / (len(cameras) * spec.width)
    rows = [np.hstack([picture(spec, here, coil, camera, side, number) for camera in cameras]) for number in numbers]
    height = round(len(rows) * spec.height * scale)
    grey = cv2.resize(np.vstack(rows), (width, height), interpolation=cv2.INTER_AREA)
    canvas = np.rint(np.clip(grey.astype(np.float32) * 1.4, 0, 255) * ((_LEVELS - 1) / 255)).astype(np.uint8)
    for line in range(1, len(rows)):
        canvas[round(line * spec.height * scale)] = _LINE
    for line in range(1, len(cameras)):
        canvas[:, round(line * spec.width * scale)] = _LINE
    named: set[str] = set()
    shown = truth_of(spec, coil).filter(pl.col("side") == side, pl.col("frame").is_in(list(numbers)))
    for row in shown.sort("area", descending=True).iter_rows(named=True):
        left = (cameras.index(row["camera"]) * spec.width + row["x"]) * scale
        top = (list(numbers).index(row["frame"]) * spec.height + row["y"]) * scale
        corner = round(left) - 2, round(top) - 2
        other = round(left + row["width"] * scale) + 2, round(top + row["height"] * scale) + 2
        cv2.rectangle(canvas, corner, other, _MARK)
        if row["defect"] not in named:
            place = min(corner[0], width - 7 * len(row["label"])), max(10, corner[1] - 4)
            text = np.zeros_like(canvas)
            cv2.putText(text, row["label"], place, _FONT, 0.4, 255)
            canvas[text > 100] = _MARK
            named.add(row["defect"])
    image = Image.fromarray(canvas, "P")
    image.putpalette(_PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
