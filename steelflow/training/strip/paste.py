"""Artificial defects: annotated ones, cut out and pasted into good views.

After C.-L. Li et al. 2021, "CutPaste", with real defects: the patch keeps its relief, and takes its brightness from the
place where it is pasted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from steelflow.training.strip.crops import Floats, Pixels

_RING = 6  # pixels around the defect that tell the brightness of its surroundings
_LARGEST = 176  # side in pixels; larger defects are part of the surface and are not pasted
_SMALLEST = 12  # pixels
_CONTRAST = (0.6, 1.3)  # of the pasted relief, as a multiple of that of the donor in the light of its new place
_STRETCH = 0.25  # logarithm of the largest change of one side, beyond that of both


@dataclass(frozen=True, slots=True)
class Donor:
    """A defect with its surroundings: grey values and mask, both (h, w), and the class."""

    grey: Pixels
    mask: npt.NDArray[np.bool_]
    label: int


def donors_of(grey: Pixels, labels: Pixels, defects: tuple[int, ...]) -> list[Donor]:
    """The defects of a picture that are small enough to be pasted elsewhere."""
    found = []
    for label in defects:
        count, areas, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8), connectivity=8)
        for number in range(1, count):
            x, y, width, height, pixels = (int(v) for v in stats[number])
            if pixels < _SMALLEST or max(width, height) > _LARGEST:
                continue
            window = slice(max(0, y - _RING), y + height + _RING), slice(max(0, x - _RING), x + width + _RING)
            found.append(Donor(grey[window].copy(), areas[window] == number, label))
    return found


def paste(view: Pixels, labels: Pixels, donor: Donor, rng: np.random.Generator) -> None:
    """Paste ``donor`` at a random place of ``view`` and write its class into ``labels``, both (S, S), in place."""
    grey, mask = _changed(donor, rng)
    height, width = mask.shape
    if height > view.shape[0] or width > view.shape[1] or not mask.any():
        return
    top, left = int(rng.integers(view.shape[0] - height + 1)), int(rng.integers(view.shape[1] - width + 1))
    window = slice(top, top + height), slice(left, left + width)
    ground = view[window].astype(np.float32)
    around = ~mask if (~mask).any() else np.ones_like(mask)
    own, here = float(grey[around].mean()), float(np.median(ground))
    gain = np.clip((here + 8) / (own + 8), 0.4, 2.5) * rng.uniform(*_CONTRAST)
    blend = cv2.dilate(mask.astype(np.float32), np.ones((3, 3), np.uint8))
    blend = np.maximum(cv2.GaussianBlur(blend, (0, 0), 1.2), mask * np.float32(0.8))
    new = here + gain * (grey - own)
    view[window] = np.clip((1 - blend) * ground + blend * new + 0.5, 0, 255).astype(np.uint8)
    labels[window][mask] = donor.label


def _changed(donor: Donor, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The donor, mirrored, stretched along each side and, half of the time, turned by any angle."""
    grey, mask = donor.grey.astype(np.float32), donor.mask.astype(np.uint8)
    if rng.random() < 0.5:
        grey, mask = grey[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        grey, mask = grey[::-1], mask[::-1]
    factor = np.exp(rng.uniform(-0.3, 0.25) + rng.uniform(-_STRETCH, _STRETCH, 2))
    angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(factor)
    size = np.ceil(np.abs(turn) @ (grey.shape[1], grey.shape[0])).astype(int).clip(3)
    shift = (size - 1) / 2 - turn @ ((grey.shape[1] - 1) / 2, (grey.shape[0] - 1) / 2)
    matrix, shape = np.column_stack([turn, shift]), (int(size[0]), int(size[1]))
    new = cv2.warpAffine(
        np.ascontiguousarray(grey), matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    kept = cv2.warpAffine(np.ascontiguousarray(mask), matrix, shape, flags=cv2.INTER_NEAREST)
    return np.asarray(new, np.float32), kept.astype(bool)
