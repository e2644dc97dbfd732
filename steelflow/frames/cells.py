"""The regions of a frame: connected areas of its defect views, on a canvas of cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.records import Region

_PLAIN = 16  # cells on a side of a view whose model has no map: the region is the whole view
_PEAK = 0.5  # a cell belongs to the defect if its score is at least this share of the view's highest

_REACH = 2  # cells: defects with at most twice as many good cells between them are one region

Floats = npt.NDArray[np.float32]


class _Painted(NamedTuple):
    top: int
    left: int
    label: int
    score: float
    cells: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Canvas:
    """The defect views of one frame of ``height`` × ``width`` pixels, whose views have ``side`` pixels."""

    height: int
    width: int
    side: int
    _painted: list[_Painted] = field(default_factory=list)

    def paint(self, top: int, left: int, label: int, score: float, cells: Floats | None) -> None:
        """Add a defect view. ``cells`` is the score of each of its cells, (h, w), None for a model without a map."""
        cells = np.ones((_PLAIN, _PLAIN), np.float32) if cells is None else cells
        on_frame = np.zeros(cells.shape, bool)  # a frame below one view is mirrored beyond its border
        below, right = (self.height - top) / self.side, (self.width - left) / self.side
        on_frame[: math.ceil(below * len(cells)), : math.ceil(right * cells.shape[1])] = True
        shown = on_frame & (cells >= _PEAK * cells[on_frame].max())
        self._painted.append(_Painted(top, left, label, score, shown))

    def regions(self) -> list[Region]:
        """The regions, the strongest first.

        Defect cells of one class are one region if they are near each other, in one view or in several. Where views of
        two classes show the same cell, the stronger view decides.
        """
        if not self._painted:
            return []
        cell = max(1, self.side // max(len(one.cells) for one in self._painted))
        rows, columns = math.ceil(self.height / cell), math.ceil(self.width / cell)
        owner = np.full((rows, columns), -1, np.int32)  # the strongest view that shows the cell as defect
        order = sorted(range(len(self._painted)), key=lambda i: self._painted[i].score)
        places = [self._place(self._painted[i], cell, rows, columns) for i in range(len(self._painted))]
        for i in order:
            (top, left), shown = places[i]
            part = owner[top : top + shown.shape[0], left : left + shown.shape[1]]
            part[shown] = i
        labels = np.array([one.label for one in self._painted])
        classes = np.where(owner >= 0, labels[owner], -1)
        found = [region for label in np.unique(labels) for region in self._of_class(int(label), classes, places, cell)]
        return sorted(found, key=lambda region: (-region.score, -region.area, region.y, region.x))

    def _place(
        self, one: _Painted, cell: int, rows: int, columns: int
    ) -> tuple[tuple[int, int], npt.NDArray[np.bool_]]:
        """Where the cells of a view lie on the canvas, and which of them lie on the frame."""
        size = max(1, round(self.side / cell))
        shown = one.cells
        if shown.shape != (size, size):
            shown = cv2.resize(shown.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST).astype(bool)
        top, left = min(round(one.top / cell), rows - 1), min(round(one.left / cell), columns - 1)
        return (top, left), shown[: rows - top, : columns - left]

    def _of_class(
        self,
        label: int,
        classes: npt.NDArray[np.int32],
        places: list[tuple[tuple[int, int], npt.NDArray[np.bool_]]],
        cell: int,
    ) -> list[Region]:
        mask = classes == label
        grown = cv2.dilate(mask.astype(np.uint8), np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8))
        count, areas = cv2.connectedComponents(grown, connectivity=8)
        areas[~mask] = 0
        scores, views = np.zeros(count), np.zeros(count, int)
        for one, ((top, left), shown) in zip(self._painted, places, strict=True):
            if one.label != label:
                continue
            part = areas[top : top + shown.shape[0], left : left + shown.shape[1]]
            for number in np.unique(part[shown & (part > 0)]):
                views[number] += 1
                scores[number] = max(scores[number], one.score)
        found = []
        for number in range(1, count):
            rows, columns = np.nonzero(areas == number)
            x, y = int(columns.min()) * cell, int(rows.min()) * cell
            right, below = (
                min((int(columns.max()) + 1) * cell, self.width),
                min((int(rows.max()) + 1) * cell, self.height),
            )
            box = (x, y, right - x, below - y)
            area = min(len(rows) * cell * cell, box[2] * box[3])
            found.append(Region(label, float(scores[number]), *box, area, int(views[number])))
        return found
