"""The pictures of an annotated data set, read when they are needed and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict

from steelflow.training.annotations import Annotations
from steelflow.training.strip.crops import Pixels

_ROOM = 1 << 30  # bytes


class Pictures:
    """Pictures by their number in ``annotations``, with the class of each pixel; the latest ones stay in memory."""

    def __init__(self, annotations: Annotations, room: int = _ROOM) -> None:
        self.annotations, self.room, self.used = annotations, room, 0
        self._kept: OrderedDict[int, tuple[Pixels, Pixels]] = OrderedDict()

    def __call__(self, number: int) -> tuple[Pixels, Pixels]:
        """Grey (H, W) and classes (H, W), 255 where unknown."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        found = self.annotations.read(self.annotations.items[number])
        self._kept[number] = found
        self.used += 2 * found[0].size
        while self.used > self.room and len(self._kept) > 1:
            _, (grey, _) = self._kept.popitem(last=False)
            self.used -= 2 * grey.size
        return found
