"""What a picture may cost, checked before its pixels take memory or time.

The header says how many pixels there are; the mode says how many bytes each of them takes while it is decoded. A mode
that is slow to decode counts as if it took more bytes. ``docs/formats.md`` has the figures.
"""

from __future__ import annotations

import io
import threading
import time

from steelflow.config import MIB, LimitSettings
from steelflow.records import Failure

PLAIN = 8
"""Bytes per pixel at the peak of decoding that ``limits.image_pixels`` allows for. A mode that takes more may have
fewer pixels."""
SMALL = 16 * MIB
"""Pictures that take less at their peak need no turn."""
SECONDS = 20.0
"""Of processor time that a decoder may read on: the last resort."""

_OVERHEAD = MIB  # bytes of a file beside its pixels
_ENCODED = 32  # bytes of a pixel in a file: more than any format needs, numbers in text among them


class Room:
    """Memory that several threads share for large pictures: those that do not fit beside the others wait.

    Args:
        size: bytes. A picture that needs more has the room for itself.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._next = threading.Lock()  # the first who waits is the first who gets it: a large one is not overtaken
        self._changed = threading.Condition()

    def take(self, size: int) -> int:
        """Wait for ``size`` bytes, at most all. Returns what ``give`` must give back."""
        size = min(size, self._size)
        with self._next, self._changed:
            self._changed.wait_for(lambda: self._used + size <= self._size)
            self._used += size
        return size

    def give(self, size: int) -> None:
        with self._changed:
            self._used -= size
            self._changed.notify()


class Turn:
    """The part of a ``Room`` that one thread holds for its picture. Without a room, no thread waits."""

    __slots__ = ("_room", "held")

    def __init__(self, room: Room | None = None) -> None:
        self._room = room
        self.held = 0

    def take(self, size: int) -> None:
        """Wait for ``size`` bytes if that is much and this thread holds nothing yet."""
        if self._room is not None and size > SMALL and not self.held:
            self.held = self._room.take(size)

    def give_back(self) -> None:
        if self._room is not None and self.held:
            self._room.give(self.held)
            self.held = 0


class TooSlow(Exception):
    """A decoder works for longer than ``SECONDS``."""


class Timed(io.BytesIO):
    """The bytes of a picture for a decoder that reads them as it goes. Raises ``TooSlow`` when its time is over."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._end = time.thread_time() + SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._end:
            raise TooSlow
        return super().read(size)


def too_many_pixels(
    width: int, height: int, limits: LimitSettings, cost: float = PLAIN, turn: Turn | None = None
) -> Failure | None:
    """The failure of a picture above ``limits.image_pixels``. If it is allowed, waits for the memory that it needs.

    ``cost`` is the memory of a pixel at the peak of decoding, in bytes.
    """
    weight = max(1, -(-cost // PLAIN))
    if width * height * weight > limits.image_pixels:
        counted = f", which count {weight:.0f} times in this mode" if weight > 1 else ""
        return Failure(
            "too_large", f"{width}×{height} pixels{counted}, the limit is {limits.image_pixels:,} (limits.image_pixels)"
        )
    if turn is not None:
        turn.take(int(width * height * cost))
    return None


def crowded(data: bytes, width: int, height: int) -> Failure | None:
    """The failure of a file that is far larger than its pixels: decoders are slow with what is beside them."""
    most = _OVERHEAD + _ENCODED * width * height
    if len(data) <= most:
        return None
    return Failure("bomb", f"{len(data):,} bytes for {width}×{height} pixels, {most:,} are plenty; save it again")
