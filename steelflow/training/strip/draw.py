"""Draw training views: defects and good surface in a fixed proportion, some good views with a pasted defect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelflow.training.strip.crops import UNKNOWN, Geometry, Pixels, cells_of, cut_view
from steelflow.training.strip.light import Light
from steelflow.training.strip.mined import Mined
from steelflow.training.strip.paste import Donor, donors_of, paste

Read = Callable[[int], tuple[Pixels, Pixels]]
"""A picture by its number: grey (H, W) and the class of each pixel (H, W)."""

_SEEN = 0.6  # share of a picture without masks that a view must show to have the picture's class


@dataclass(frozen=True, slots=True)
class StripAugmentation:
    """What training views are made of, and how they are disturbed."""

    geometry: Geometry = field(default_factory=Geometry)
    light: Light = field(default_factory=Light)
    defects: float = 0.5  # share of views cut towards a defect
    pasted: float = 0.4  # share of the good views that get a pasted defect
    joined: float = 0.25  # share of views with a seam, beyond which the surface of another good picture goes on


class View(NamedTuple):
    """A training view: grey (S, S), the class of each cell, and the view's class, -1 where it is not known."""

    grey: Pixels
    cells: Pixels
    label: int
    number: int  # of its picture


class Drawer:
    """Draws views of the pictures ``numbers``; ``labels`` are the pictures' classes (one for each number).

    ``groups`` are their groups: a tile with many pictures counts as the square root of their number, so that no tile
    decides what its class looks like.
    """

    def __init__(
        self,
        read: Read,
        numbers: Sequence[int],
        labels: Sequence[int],
        good: Sequence[int],
        classes: int,
        augmentation: StripAugmentation,
        groups: Sequence[str] | None = None,
    ) -> None:
        self.read, self.augmentation = read, augmentation
        self.good, self.classes = tuple(good), classes
        self.defect_classes = tuple(c for c in range(classes) if c not in self.good)
        self.of_class = {
            c: [n for n, label in zip(numbers, labels, strict=True) if label == c] for c in sorted(set(labels))
        }
        self.label_of = dict(zip(numbers, labels, strict=True))
        self.mined = Mined(numbers, groups)
        self.places: dict[int, npt.NDArray[np.int32]] = {}  # of each defect picture: some defect pixels
        self.donors: list[list[Donor]] = []
        self._find_defects()

    def _find_defects(self) -> None:
        rng = np.random.default_rng(0)
        by_class: dict[int, list[Donor]] = {}
        for label in self.defect_classes:
            for number in self.of_class.get(label, []):
                grey, known = self.read(number)
                places = np.argwhere(np.isin(known, self.defect_classes)).astype(np.int32)
                self.places[number] = places[rng.permutation(len(places))[:256]]
                for donor in donors_of(grey, known, self.defect_classes):
                    by_class.setdefault(donor.label, []).append(donor)
        self.donors = list(by_class.values())

    def draw(self, rng: np.random.Generator) -> View:
        """One view."""
        present_good = [c for c in self.good if self.of_class.get(c)]
        present_bad = [c for c in self.defect_classes if self.of_class.get(c)]
        bad = rng.random() < self.augmentation.defects or not present_good
        kinds = present_bad if bad else present_good
        sizes = np.sqrt([len(self.of_class[c]) for c in kinds])
        kind = kinds[int(rng.choice(len(kinds), p=sizes / sizes.sum()))]
        return self.view_of(self.mined.choose(self.of_class[kind], rng), rng)

    def view_of(self, number: int, rng: np.random.Generator) -> View:
        """A view of one picture, disturbed."""
        grey, known = self.read(number)
        places = self.places.get(number)
        towards = None
        if places is not None and len(places) and rng.random() < 0.85:
            row, column = places[int(rng.integers(len(places)))]
            towards = int(row), int(column)
        view, labels = cut_view(grey, known, self.augmentation.geometry, rng, towards)
        if rng.random() < self.augmentation.joined:
            self._join(view, labels, rng)
        if self.label_of[number] in self.good and self.donors and rng.random() < self.augmentation.pasted:
            kind = self.donors[int(rng.integers(len(self.donors)))]
            paste(view, labels, kind[int(rng.integers(len(kind)))], rng)
        cells = cells_of(labels, self.good, self.classes)
        shown = min(1.0, view.size / grey.size)
        return View(self.augmentation.light(view, rng), cells, self._label(cells, number, shown), number)

    def _join(self, view: Pixels, labels: Pixels, rng: np.random.Generator) -> None:
        """Replace one side of the view by a part of another good picture, so that a seam is not a defect."""
        others = [n for c in self.good for n in self.of_class.get(c, [])]
        if not others:
            return
        grey, known = self.read(self.mined.choose(others, rng))
        other, theirs = cut_view(grey, known, self.augmentation.geometry, rng)
        seam = int(rng.integers(view.shape[1] // 8, view.shape[1] - view.shape[1] // 8))
        part: tuple[slice, slice] = (slice(None), slice(None, seam) if rng.random() < 0.5 else slice(seam, None))
        if rng.random() < 0.2:
            part = part[::-1]
        view[part], labels[part] = other[part], theirs[part]

    def _label(self, cells: Pixels, number: int, shown: float) -> int:
        """The class of a view: its largest defect, good if all is good; of a picture without masks, the picture's."""
        counts = np.bincount(cells[cells != UNKNOWN], minlength=self.classes)
        if any(counts[c] for c in self.defect_classes):
            return max(self.defect_classes, key=lambda c: int(counts[c]))
        if (cells != UNKNOWN).all():
            return max(self.good, key=lambda c: int(counts[c]))
        if (cells == UNKNOWN).all() and shown >= _SEEN:
            return self.label_of[number]
        return -1
