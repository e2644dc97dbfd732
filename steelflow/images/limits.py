"""The size of a picture, checked before its pixels take memory."""

from __future__ import annotations

from steelflow.config import LimitSettings
from steelflow.records import Failure


def too_many_pixels(width: int, height: int, limits: LimitSettings, cost: int = 1) -> Failure | None:
    """The failure of a picture above ``limits.image_pixels``. ``cost`` is the memory of a pixel, as a multiple of that
    of a grey one."""
    if width * height * cost <= limits.image_pixels:
        return None
    return Failure("too_large", f"{width}×{height} pixels, the limit is {limits.image_pixels:,} (limits.image_pixels)")
