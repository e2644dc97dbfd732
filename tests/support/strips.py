"""Small pictures of good strip and of defects with masks, as a data set of masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_strips(root: Path, good: int = 12, defects: int = 12, side: int = 96) -> Path:
    """``free/``, ``hole/`` (dark spots) and ``scratch/`` (bright bars): grey PNGs; a mask is ``<name>_mask.png``."""
    rng = np.random.default_rng(7)
    for label, count in (("free", good), ("hole", defects), ("scratch", defects)):
        folder = root / label
        folder.mkdir(parents=True)
        for number in range(count):
            grey = rng.normal(110, 6, (side, side))
            mask = np.zeros((side, side), np.uint8)
            y, x = rng.integers(16, side - 32, 2)
            if label == "hole":
                mask[y : y + 14, x : x + 14] = 255
                grey[mask > 0] -= 70
            elif label == "scratch":
                mask[y : y + 6, x : x + 26] = 255
                grey[mask > 0] += 90
            cv2.imwrite(str(folder / f"num_{label}{number}.jpg"), np.clip(grey, 0, 255).astype(np.uint8))
            if label != "free":
                cv2.imwrite(str(folder / f"num_{label}{number}.png"), mask)
    return root
