"""Frames composed of annotated pictures at native scale: good surface side by side, some with one defect picture.

No public data set has frames of strip with masks; these have the size of such frames and a known truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 256, 1600

Pixels = npt.NDArray[np.uint8]
Read = Callable[[int], tuple[Pixels, Pixels]]
"""A picture by its number: grey (H, W) and the class of each pixel."""


class Frame(NamedTuple):
    """A composed frame, (256, 1600), the class of each pixel, and the defect picture in it, None if all is good."""

    grey: Pixels
    labels: Pixels
    defect: int | None


def composed(
    read: Read, good: Sequence[int], defects: Sequence[int | None], good_classes: Sequence[int], seed: int
) -> Iterator[Frame]:
    """One frame for each of ``defects``: the number of a defect picture, or None for a good frame.

    Args:
        good: numbers of the good pictures, a frame takes as many as fit; ``good_classes`` are their classes.
    """
    rng = np.random.default_rng(seed)
    for defect in defects:
        strips: list[tuple[Pixels, Pixels]] = []
        if defect is not None:
            strips.append(_strip(*read(defect), good_classes, rng))
        while sum(grey.shape[1] for grey, _ in strips) < WIDTH:
            strips.append(_strip(*read(good[int(rng.integers(len(good)))]), good_classes, rng))
        if defect is not None:  # not the last one, which is cut at the frame's border
            strips.insert(int(rng.integers(max(1, len(strips) - 1))), strips.pop(0))
        grey, labels = (np.concatenate(parts, axis=1)[:, :WIDTH] for parts in zip(*strips, strict=True))
        yield Frame(np.ascontiguousarray(grey), np.ascontiguousarray(labels), defect)


def _strip(grey: Pixels, labels: Pixels, good: Sequence[int], rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """256 rows of a picture; of one with a defect, rows that show most of it."""
    missing = max(0, HEIGHT - len(grey))
    grey, labels = (np.pad(part, ((0, missing), (0, 0)), mode="symmetric") for part in (grey, labels))
    starts = np.arange(len(grey) - HEIGHT + 1)
    shown = np.concatenate([[0], np.cumsum((~np.isin(labels, list(good))).sum(1))])
    counts = shown[starts + HEIGHT] - shown[starts]
    best = starts[counts >= 0.9 * counts.max()]
    top = int(best[int(rng.integers(len(best)))])
    return grey[top : top + HEIGHT], labels[top : top + HEIGHT]
