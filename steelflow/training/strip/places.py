"""Whether a model's maps point at the defects, and how tightly its regions enclose them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.frames.cells import Canvas
from steelflow.models.spec import ModelSpec
from steelflow.training.strip.crops import Pixels
from steelflow.training.strip.judge import Judged


def points_at(judged: Judged, spec: ModelSpec, labels: Pixels, good: tuple[int, ...]) -> bool:
    """Whether the highest cell of the worst view, for the view's most probable defect class, lies on a defect. Cells
    beyond the picture's border, where small pictures are mirrored, do not count.

    Args:
        labels: the class of each pixel of the picture, (H, W).
    """
    view = judged.worst
    cells = judged.cells[view, defect_of(judged.probabilities[view], good)]
    (top, left), cell = judged.places[view], (spec.view or spec.input_size) / len(cells)
    rows, columns = (
        max(1, round((length - first) / cell)) for length, first in zip(labels.shape, (top, left), strict=True)
    )
    shown = cells[:rows, :columns]
    row, column = np.unravel_index(int(shown.argmax()), shown.shape)
    y, x = int(top + (row + 0.5) * cell), int(left + (column + 0.5) * cell)
    return int(labels[min(y, labels.shape[0] - 1), min(x, labels.shape[1] - 1)]) not in (*good, 255)


def defect_of(probabilities: npt.NDArray[np.float32], good: tuple[int, ...]) -> int:
    """The most probable class of a view that is a defect."""
    return int(np.where(np.isin(np.arange(len(probabilities)), good), -1.0, probabilities).argmax())


def box_ratio(judged: Judged, spec: ModelSpec, labels: Pixels, good: tuple[int, ...], threshold: float) -> float | None:
    """Area of the box of the strongest region that touches a defect, as a multiple of the box of the defect's pixels
    that it touches; None if no region touches one."""
    side = spec.view or spec.input_size
    canvas = Canvas(judged.height, judged.width, side)
    for view, (top, left) in enumerate(judged.places):
        if judged.scores[view] > threshold:
            label = defect_of(judged.probabilities[view], good)
            cells = 1 - judged.cells[view, list(good)].sum(0)
            canvas.paint(top, left, label, float(judged.scores[view]), np.asarray(cells, np.float32))
    bad = (~np.isin(labels, (*good, 255))).astype(np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(bad, connectivity=8)
    for region in canvas.regions():
        touched = np.unique(parts[region.y : region.y + region.height, region.x : region.x + region.width])
        boxes = stats[touched[touched > 0], :4]
        if len(boxes):
            width = (boxes[:, 0] + boxes[:, 2]).max() - boxes[:, 0].min()
            height = (boxes[:, 1] + boxes[:, 3]).max() - boxes[:, 1].min()
            return float(region.width * region.height / (width * height))
    return None
