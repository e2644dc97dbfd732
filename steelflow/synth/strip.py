"""Position along the coil and time of each image."""

from __future__ import annotations

import datetime as dt

import numpy as np

from steelflow.synth.textures import CLASSES

_LENGTH = 400.0, 1100.0  # metres
_STRETCH = 0.03, 0.2  # share of the coil's length
_GATHERED = 0.7  # share of a class's images in its stretch
_SPEED = 9.0  # metres a second
_DAY = dt.timedelta(hours=23, minutes=50)  # so that the last coil passes within the day
_CADENCE = dt.timedelta(seconds=150)  # from the head of a coil to the head of the next


class Strip:
    """One uncoiled coil. A bad roll or a dirty slab marks one stretch of it, so most images of a class are in one
    stretch; the others are anywhere.

    Args:
        number: of the coil in its line and date, from 1; the first is rolled at midnight (UTC).
        coils: the number of coils of the day.
        rng: only for this coil's positions. Each call of ``place`` takes the next draws.
    """

    def __init__(self, date: dt.date, number: int, coils: int, rng: np.random.Generator) -> None:
        self.length = float(rng.uniform(*_LENGTH))
        widths = self.length * rng.uniform(*_STRETCH, len(CLASSES))
        starts = (self.length - widths) * rng.random(len(CLASSES))
        self._stretches = {label: (starts[i], widths[i]) for i, label in enumerate(CLASSES)}
        self._date, self._number, self._coils = date, number, coils
        self._rng = rng

    def place(self, label: str) -> float:
        """Position of the next image, which shows ``label``: metres from the head, two decimals."""
        start, width = self._stretches[label] if self._rng.random() < _GATHERED else (0.0, self.length)
        return round(float(start + width * self._rng.random()), 2)

    def seen_at(self, position: float) -> dt.datetime:
        """The time at which a position passes the camera."""
        return seen_at(self._date, self._number, self._coils, position)


def seen_at(date: dt.date, number: int, coils: int, position: float) -> dt.datetime:
    """The time at which a position (metres) of the day's coil ``number`` (from 1, of ``coils``) passes the camera."""
    rolled = dt.datetime.combine(date, dt.time(), dt.UTC) + (number - 1) * min(_CADENCE, _DAY / coils)
    return rolled + dt.timedelta(seconds=position / _SPEED)
