"""Which pictures are drawn more often: those of small groups, and those that the model judges wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_LEAST = 0.3  # weight of a picture that the model knows; 1 is that of one that it gets wrong
_MEMORY = 0.6  # of the error so far, at each new one


class Mined:
    """Weights of pictures ``numbers``. Errors are 1 − p(class), noted as training goes on.

    After A. Shrivastava et al. 2016, "Training Region-based Object Detectors with Online Hard Example Mining": the
    false alarms of tomorrow are the good views that are hard today. Half of a weight is the error's at most, since a
    picture may be hard because its label is wrong.
    """

    def __init__(self, numbers: Sequence[int], groups: Sequence[str] | None = None) -> None:
        names = [str(number) for number in numbers] if groups is None else list(groups)
        sizes = Counter(names)
        self.place = {number: place for place, number in enumerate(numbers)}
        self.shares = np.array([sizes[name] ** -0.5 for name in names])
        self.errors: npt.NDArray[np.float64] = np.full(len(names), 0.5)

    def choose(self, numbers: Sequence[int], rng: np.random.Generator) -> int:
        """One of ``numbers``."""
        return numbers[self._one(np.array([self.place[number] for number in numbers]), rng)]

    def any(self, rng: np.random.Generator) -> int:
        """One of all, by its place."""
        return self._one(np.arange(len(self.shares)), rng)

    def _one(self, places: npt.NDArray[np.intp], rng: np.random.Generator) -> int:
        ends = np.cumsum(self.shares[places] * (_LEAST + (1 - _LEAST) * self.errors[places]))
        return min(int(np.searchsorted(ends, rng.random() * ends[-1], "right")), len(places) - 1)

    def note(self, numbers: Sequence[int], errors: Sequence[float]) -> None:
        """The errors of views of pictures."""
        for number, error in zip(numbers, errors, strict=True):
            place = self.place[number]
            self.errors[place] = _MEMORY * self.errors[place] + (1 - _MEMORY) * error
