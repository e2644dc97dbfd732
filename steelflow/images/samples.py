"""From the values of an image to grey levels: black is 0, white is 255. ``docs/formats.md`` has the rules as a table.

The file says which value is white, or the setting ``limits.sample_bits`` does, or the values leave no doubt. Otherwise
the image is refused: a guess would be a picture of another brightness, and a confident wrong verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelflow.records import Failure

Grey = npt.NDArray[np.uint8]
Values = npt.NDArray[Any]
Span = tuple[float, float]

_SLACK = 1 / 256  # of the span: rounding, and the overshoot of a filter


@dataclass(slots=True)
class Depth:
    """The 16-bit images that do not say how many bits they use, and the number of bits that the brightest of their
    values needs: 12 if none is above 4095."""

    images: int = 0
    bits: int = 0

    def add(self, brightest: int) -> None:
        self.images += 1
        self.bits = max(self.bits, int(brightest).bit_length())


def grey_levels(
    values: Values, bits: int, stated: Span | None, setting: int | None, seen: Depth | None
) -> Grey | Failure:
    """Grey levels of (H, W) or (H, W, 3) values of red, green and blue: uint8 of the same shape.

    Args:
        bits: of a value, as the file has it: 12 for values of 0 to 4095.
        stated: the values of black and white, if the file says so.
        setting: ``limits.sample_bits``.
        seen: counts the image if it is one of 16 bits and nothing says how many of them it uses.
    """
    kind = values.dtype.kind
    if kind == "f" and not np.isfinite(values).all():
        return Failure("range", "has values that are not finite, so its grey levels cannot be known")
    if kind == "u" and bits <= 16:
        return _unsigned(values, bits, stated, setting, seen)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    span = stated or _span(values, low, high, bits, setting)
    if isinstance(span, Failure):
        return span
    black, white = span
    slack = (white - black) * _SLACK
    if low < black - slack or high > white + slack:
        whose = "the file says" if stated else f"limits.sample_bits = {setting} says"
        return Failure("range", f"has values from {low:g} to {high:g}, but {whose} {black:g} to {white:g}")
    levels = (values.astype(np.float32) - np.float32(black)) * np.float32(255 / (white - black))
    return np.asarray(np.rint(levels).clip(0, 255), dtype=np.uint8)


def luma(colours: Grey) -> Grey:
    """Grey of red, green and blue (H, W, 3): 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Equal channels stay exact."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))


def over_white(grey: Grey, alpha: Grey, multiplied: bool = False) -> Grey:
    """Put a transparent picture over white, as a viewer does. Over black, transparency would look like a defect. If
    alpha is 0 everywhere, it carries nothing (a camera left it empty): the picture is taken as opaque.

    Args:
        multiplied: the picture was multiplied with alpha before.
    """
    if not alpha.any() or alpha.min() == 255:
        return grey
    part = alpha.astype(np.uint16)
    mixed = grey + 255 - part if multiplied else (grey * part + 255 * (255 - part) + 127) // 255
    return mixed.clip(0, 255).astype(np.uint8)


def _unsigned(
    values: Values, bits: int, stated: Span | None, setting: int | None, seen: Depth | None
) -> Grey | Failure:
    """The upper 8 of the bits; fewer than 8 are spread over 0 to 255. What the file states is 0 to 2ⁿ − 1 here."""
    used = int(stated[1]).bit_length() if stated else setting if setting and bits == 16 else bits
    if used < bits:
        bits, brightest = used, int(values.max(initial=0))
        if brightest >> bits:
            whose = "the file states" if stated else f"limits.sample_bits = {setting} allows"
            return Failure("range", f"has values up to {brightest:,}, more than {whose}")
    elif bits == 16 and setting is None and seen is not None:
        seen.add(int(values.max(initial=0)))
    if bits >= 8:
        return (values >> (bits - 8)).astype(np.uint8)
    return np.rint(values * (255 / ((1 << bits) - 1))).astype(np.uint8)


def _span(values: Values, low: float, high: float, bits: int, setting: int | None) -> Span | Failure:
    """The values of black and white of signed, wide and floating-point samples, if the file does not give them."""
    is_float = values.dtype.kind == "f"
    if low == high == 0:
        return 0.0, 1.0
    if low < 0 and not is_float and setting is None:
        half = 2.0 ** (bits - 1)
        if max(-low, high) >= half / 2:
            return -half, half - 1
    elif low >= 0 or (is_float and low >= -_SLACK and high <= 1 + _SLACK):
        if is_float and high <= 1 + _SLACK and bool((values != np.rint(values)).any()):
            return 0.0, 1.0
        if setting is not None:
            return 0.0, 2.0**setting - 1
        for width in (8, 16, bits if values.dtype.kind == "u" else 16):
            if 2.0 ** (width - 1) <= high <= 2.0**width - 1 + (0.5 if is_float else 0):
                return 0.0, 2.0**width - 1
    kind = "floating-point" if is_float else f"{bits}-bit {'signed ' if values.dtype.kind == 'i' else ''}integer"
    return Failure(
        "range",
        f"{kind} values from {low:g} to {high:g}: which value is white cannot be known; set limits.sample_bits, or "
        "write the TIFF tags SMinSampleValue and SMaxSampleValue",
    )
