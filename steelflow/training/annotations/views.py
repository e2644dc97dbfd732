"""Views: squares cut from pictures at native scale, each with a label; and which of them an epoch shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.errors import ConfigError
from steelflow.frames.views import cut, grid, padded
from steelflow.images.decode import Grey
from steelflow.training.annotations.item import UNKNOWN, Annotations

IGNORED = -1
"""The label of a view that is neither a defect nor good."""

Classes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class View:
    """A square of a picture: the item's index, its top left corner and its side in pixels, and its label."""

    item: int
    x: int
    y: int
    side: int
    label: int  # index into the classes, or IGNORED


@dataclass(frozen=True, slots=True)
class Cutting:
    """How views are cut and labelled.

    A view shows a defect if it holds ``share`` of the defect's area, or ``pixels`` of its pixels. If it holds less, it
    is ignored. A picture whose defects have no place is one view if no side is longer than ``near`` times that of a
    view; otherwise it has no views.

    Raises:
        ConfigError: a value is out of its range.
    """

    side: int = 224
    overlap: float = 0.25  # share of the side, at least, that two neighbours have in common
    share: float = 0.25
    pixels: int = 64
    near: float = 1.5

    def __post_init__(self) -> None:
        if self.side < 8 or not 0 <= self.overlap < 1 or not 0 < self.share <= 1 or self.pixels < 1 or self.near < 1:
            raise ConfigError(
                f"views of {self.side} pixels, overlap {self.overlap}, share {self.share}, {self.pixels} pixels, near "
                f"{self.near}: give a side of at least 8, an overlap from 0 to below 1, a share above 0 and up to 1, "
                "at least 1 pixel, and near from 1"
            )


def views_of(data: Annotations, indices: Iterable[int], cutting: Cutting) -> list[View]:
    """The views of the pictures ``indices``, in their order. One picture is in memory at a time."""
    good = [data.classes.index(name) for name in data.good]
    found: list[View] = []
    for index in indices:
        item = data.items[index]
        _, classes = data.read(item)
        found += labelled(classes, index, data.classes.index(item.label), good, cutting)
    return found


def labelled(classes: Classes, item: int, label: int, good: Collection[int], cutting: Cutting) -> list[View]:
    """The views of one picture from the class of each of its pixels (H, W); ``label`` is the class of the picture."""
    height, width = classes.shape
    side = cutting.side
    if (classes == UNKNOWN).all():
        whole = max(height, width)
        return [View(item, 0, 0, max(whole, side), label)] if whole <= cutting.near * side else []
    defects = _defects(classes, good)
    return [
        View(item, x, y, side, _label(classes, defects, (y, x), good, cutting))
        for y, x in grid(height, width, side, cutting.overlap)
    ]


def cut_view(picture: Grey, view: View, size: int) -> Grey:
    """The view's pixels (size, size). A picture that is smaller than the view is mirrored at its edges."""
    out = np.empty((size, size), np.uint8)
    cut(padded(picture, view.side), view.y, view.x, view.side, out)
    return out


def cut_classes(classes: Classes, view: View, size: int) -> Classes:
    """The class of each of the view's pixels (size, size); ``UNKNOWN`` outside the picture."""
    part = classes[view.y : view.y + view.side, view.x : view.x + view.side]
    whole = np.full((view.side, view.side), UNKNOWN, np.uint8)
    whole[: part.shape[0], : part.shape[1]] = part
    return whole if view.side == size else np.asarray(cv2.resize(whole, (size, size), interpolation=cv2.INTER_NEAREST))


def balanced(
    labels: Sequence[int],
    good: Collection[int],
    count: int,
    rng: np.random.Generator,
    *,
    good_share: float = 0.5,
    hard: Sequence[int] = (),
    hard_share: float = 0.5,
) -> npt.NDArray[np.int64]:
    """Which views an epoch of ``count`` shows: indices into ``labels``, in random order.

    A share ``good_share`` is good, and the defect classes are equal among themselves. Of the good ones, ``hard_share``
    comes from ``hard`` (see ``hardest``), if there are any. Ignored views are not shown.
    """
    known = np.asarray(labels)
    of_class = {int(label): np.flatnonzero(known == label) for label in np.unique(known) if label != IGNORED}
    defects = [label for label in of_class if label not in good]
    plain = np.concatenate([np.empty(0, np.int64), *(of_class[label] for label in of_class if label in good)])
    good_count = 0 if not len(plain) else count if not defects else round(good_share * count)
    hard_count = round(hard_share * good_count) if len(hard) else 0
    parts = [_drawn(np.asarray(hard, np.int64), hard_count, rng), _drawn(plain, good_count - hard_count, rng)]
    for number, label in enumerate(defects):
        start, end = (round((count - good_count) * n / len(defects)) for n in (number, number + 1))
        parts.append(_drawn(of_class[label], end - start, rng))
    return rng.permutation(np.concatenate(parts))


def hardest(
    labels: Sequence[int], scores: npt.NDArray[np.floating], good: Collection[int], most: int
) -> npt.NDArray[np.int64]:
    """The ``most`` good views that the model takes for defects most: with the highest ``scores`` (N,), 1 − Σ p(good).

    Use training views only; views of held-out pictures would make the figures too good.
    """
    plain = np.flatnonzero(np.isin(np.asarray(labels), list(good)))
    return plain[np.argsort(-scores[plain], kind="stable")[:most]]


def _drawn(indices: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """``count`` of ``indices``: each as often as the others, and the rest at random."""
    if not len(indices) or count <= 0:
        return np.empty(0, np.int64)
    whole, rest = divmod(count, len(indices))
    return np.concatenate([np.repeat(indices, whole), rng.choice(indices, rest, replace=False)])


@dataclass(frozen=True, slots=True)
class _Defects:
    """Connected areas of one class: their number for each pixel (H, W), 0 outside; ``labels`` and ``areas`` by number
    minus one."""

    numbers: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int64]
    areas: npt.NDArray[np.int64]


def _defects(classes: Classes, good: Collection[int]) -> _Defects:
    numbers = np.zeros(classes.shape, np.int32)
    labels: list[int] = []
    areas: list[npt.NDArray[np.int64]] = []
    for label in np.unique(classes):
        if label == UNKNOWN or int(label) in good:
            continue
        count, parts = cv2.connectedComponents((classes == label).astype(np.uint8), connectivity=8)
        there = parts > 0
        numbers[there] = parts[there] + len(labels)
        labels += [int(label)] * (count - 1)
        areas.append(np.bincount(parts[there], minlength=count)[1:])
    return _Defects(numbers, np.array(labels, np.int64), np.concatenate([np.empty(0, np.int64), *areas]))


def _label(
    classes: Classes, defects: _Defects, corner: tuple[int, int], good: Collection[int], cutting: Cutting
) -> int:
    y, x = corner
    part = np.s_[y : y + cutting.side, x : x + cutting.side]
    seen = np.bincount(defects.numbers[part].ravel(), minlength=len(defects.labels) + 1)[1:]
    shown = seen >= np.minimum(np.ceil(cutting.share * defects.areas), cutting.pixels)
    shown &= seen > 0
    if shown.any():
        pixels = np.bincount(defects.labels[shown], weights=seen[shown])
        return int(pixels.argmax())
    if seen.any() or (classes[part] == UNKNOWN).any():
        return IGNORED
    counts = np.bincount(classes[part].ravel())
    return int(max(good, key=lambda label: counts[label] if label < len(counts) else 0))
