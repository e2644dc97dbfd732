"""Which parts of an image the classification depends on.

A patch in the image's mean grey slides over the image, and the model classifies every covered image. The places where
covering reduces the class most matter most to the model. The method needs no gradients, so it works for every model
that an engine runs.

Source: Zeiler & Fergus (2014), "Visualizing and understanding convolutional networks", section 4.2. They measure the
drop of the probability. For a confident model this drop is near zero everywhere, so we measure the log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steelflow.engine.base import Engine, Floats, Pictures

_SIDE = 5  # the side of a patch is a fifth of the image's …
_STEPS = 4  # … and it moves by a quarter of its side
_BATCH = 64
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Occlusion:
    """``drop`` float32 (S, S): by how much the log-odds of the class fall, in nats, as the mean of the patches that
    cover a pixel. A negative value speaks against the class. ``probability`` is that of the class without a patch,
    ``lowest`` the lowest one with a patch."""

    drop: Floats
    probability: float
    lowest: float


def occlusion_map(engine: Engine, picture: Pictures, label: int) -> Occlusion:
    """The occlusion map of class number ``label`` in ``picture``, uint8 (S, S) with S of the engine's spec.

    It classifies some 440 covered images, ``_BATCH`` at a time.
    """
    size = picture.shape[0]
    side = max(1, round(size / _SIDE))
    step = max(1, side // _STEPS)
    starts = np.arange(step - side, size, step)  # patches extend beyond the edge, so edge pixels are covered as often
    corners = [(top, left) for top in starts for left in starts]
    grey = np.uint8(round(float(picture.mean())))
    whole = engine.run(picture[None, None]).probabilities
    drops = np.zeros((size, size), np.float64)
    covered = np.zeros((size, size), np.int64)
    lowest = float(whole[0, label])
    for first in range(0, len(corners), _BATCH):
        part = [
            (slice(max(top, 0), top + side), slice(max(left, 0), left + side))
            for top, left in corners[first : first + _BATCH]
        ]
        batch = np.repeat(picture[None, None], len(part), axis=0)
        for image, where in zip(batch, part, strict=True):
            image[0][where] = grey
        probabilities = engine.run(batch).probabilities
        lowest = min(lowest, float(probabilities[:, label].min()))
        for where, odds in zip(part, _log_odds(probabilities, label), strict=True):
            drops[where] += _log_odds(whole, label)[0] - odds
            covered[where] += 1
    return Occlusion(np.asarray(drops / covered, np.float32), float(whole[0, label]), lowest)


def _log_odds(probabilities: Floats, label: int) -> npt.NDArray[np.float64]:
    """log p/(1 − p), (N,). 1 − p is the sum of the other classes: near 1 the difference would be lost in rounding."""
    exact = probabilities.astype(np.float64)
    others = np.delete(exact, label, axis=1).sum(1)
    return np.asarray(np.log(exact[:, label].clip(_TINY)) - np.log(others.clip(_TINY)))
