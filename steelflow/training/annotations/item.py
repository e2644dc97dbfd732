"""A data set of annotated pictures: what is known of each picture, read on demand."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.config import LimitSettings
from steelflow.errors import DataError
from steelflow.images.decode import Grey, decode
from steelflow.records import Failure
from steelflow.training.annotations.shapes import Shape, paint
from steelflow.training.data import HELD_OUT, Skipped

UNKNOWN = 255
"""In a map of classes: a pixel of a defect picture whose defects have no place."""

SPLIT_RULE = (
    "of each class, groups with about the share {share:g} of its pictures (at least one group, never all) whose "
    "SHA-256 over '{seed}:' and the group's name is smallest"
)


@dataclass(frozen=True, slots=True)
class Box:
    """A defect in pixels of its picture. ``shape`` is its exact outline, if it is known."""

    label: str
    x: int
    y: int
    width: int
    height: int
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """One picture and what is known about it. Pixels are read by ``Annotations.read``."""

    path: str  # relative to the root of the data set
    group: str  # frame, tile or coil: pictures of one group are never split
    label: str  # the picture's class; a good class for a good picture
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None  # 8-bit: 0 is good, everything else a defect of the class ``label``
    size: tuple[int, int] = (0, 0)  # height and width
    digest: bytes = b""  # SHA-256 of the file
    unsure: tuple[Box, ...] = ()  # places that may be defects or not; boxes inside them count

    @property
    def placed(self) -> bool:
        """Whether the places of its defects are known."""
        return bool(self.boxes) or self.mask is not None

    def doubtful(self, good: Collection[str]) -> bool:
        """Whether it is called good although some places of it may be defects: its alarms are no false alarms."""
        return bool(self.unsure) and self.label in good


@dataclass(frozen=True, slots=True)
class Annotations:
    """Pictures with their annotations, in the order of their paths. ``classes`` are in alphabetical order; ``good`` are
    those that are not defects. It is empty only if nothing in the set is known to be good."""

    root: Path
    classes: tuple[str, ...]
    good: tuple[str, ...]
    items: tuple[Annotated, ...]
    format: str = ""
    skipped: tuple[Skipped, ...] = ()
    limits: LimitSettings = field(default_factory=LimitSettings)

    @property
    def placed(self) -> bool:
        """Whether the place of any defect is known."""
        return any(item.placed for item in self.items)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The class of each picture, (N,), as an index into ``classes``."""
        return np.array([self.classes.index(item.label) for item in self.items], np.int64)

    @property
    def hash(self) -> str:
        """Identifies pictures, labels and places: SHA-256 over all of them, independent of the format."""
        whole = hashlib.sha256()
        for item in self.items:
            mask = b"" if item.mask is None else hashlib.sha256(item.mask.read_bytes()).digest()
            unsure = (repr(item.unsure),) if item.unsure else ()
            for text in (item.path, item.label, item.group, repr(item.boxes), *unsure):
                whole.update(text.encode("utf-8", "surrogateescape") + b"\0")
            whole.update(item.digest + mask + b"\0")
        return whole.hexdigest()

    def read(self, item: Annotated) -> tuple[Grey, npt.NDArray[np.uint8]]:
        """The grey picture (H, W), and the class of each pixel (H, W) as an index into ``classes``.

        A pixel is ``UNKNOWN`` if the picture has defects, but not their places, or if it is in a box that is
        ``unsure``. Where defects overlap, the smaller one counts.

        Raises:
            DataError: the picture or its mask has changed since the data set was listed.
        """
        picture = _decoded(self.root / item.path, self.limits)
        if picture.shape != item.size:
            raise DataError(f"{self.root / item.path}: {_CHANGED}")
        if not self.good or not (item.placed or item.label in self.good):
            return picture, np.full(picture.shape, UNKNOWN, np.uint8)
        surface = item.label if item.label in self.good else self.good[0]
        found = np.full(picture.shape, self.classes.index(surface), np.uint8)
        for box in item.unsure:
            found[box.y : box.y + box.height, box.x : box.x + box.width] = UNKNOWN
        if item.mask is not None:
            mask = _decoded(item.mask, self.limits)
            if mask.shape != picture.shape:
                raise DataError(f"{item.mask}: {_CHANGED}")
            found[mask > 0] = self.classes.index(item.label)
        for box in sorted(item.boxes, key=lambda box: box.width * box.height, reverse=True):
            index = self.classes.index(box.label)
            if box.shape is None:
                found[box.y : box.y + box.height, box.x : box.x + box.width] = index
            else:
                paint(found, box.shape, index)
        return picture, found

    def split(self, seed: int, share: float = HELD_OUT) -> tuple[list[int], list[int]]:
        """Indices for training and indices that are held out, by ``SPLIT_RULE``.

        A group with several classes counts as the rarest of them. A class with a single group stays in training.
        """
        counts = np.bincount(self.labels, minlength=len(self.classes))
        groups: dict[str, list[int]] = defaultdict(list)
        for index, item in enumerate(self.items):
            groups[item.group].append(index)
        strata: dict[int, list[str]] = defaultdict(list)
        labels = self.labels
        for group, members in groups.items():
            strata[min({int(labels[i]) for i in members}, key=lambda label: (counts[label], label))].append(group)
        held: set[str] = set()
        for of_class in strata.values():
            ranked = sorted(of_class, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode(*_TEXT)).digest())
            held |= _about({group: len(groups[group]) for group in ranked}, share)
        training = [index for index, item in enumerate(self.items) if item.group not in held]
        return training, [index for index, item in enumerate(self.items) if item.group in held]


def _about(sizes: dict[str, int], share: float) -> set[str]:
    """The first groups with together about ``share`` of the pictures: at least one group, never all."""
    target, taken, held = share * sum(sizes.values()), 0, set[str]()
    for group, size in sizes.items():
        if len(held) < len(sizes) - 1 and size <= 2 * (target - taken):
            held.add(group)
            taken += size
    if not held and len(sizes) > 1 and share > 0:
        held.add(min(sizes, key=lambda group: sizes[group]))
    return held


def _decoded(path: Path, limits: LimitSettings) -> Grey:
    try:
        picture = decode(path.read_bytes(), limits)
    except OSError as exc:
        raise DataError(f"{path}: has become unreadable: {exc.strerror}; run the command again") from exc
    if isinstance(picture, Failure):
        raise DataError(f"{path}: {_CHANGED}")
    return picture


_CHANGED = "changed while the pictures were being read; run the command again"
_TEXT = ("utf-8", "surrogateescape")
