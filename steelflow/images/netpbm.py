"""PGM, PPM, PAM and PFM to grey. The header says which value is white (maxval), except in PFM.

Source: the Netpbm documentation, pgm(5), ppm(5), pam(5) and pfm(5).
"""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from steelflow.config import LimitSettings
from steelflow.images.limits import Timed, Turn, crowded, too_many_pixels
from steelflow.images.samples import Depth, Grey, Values, grey_levels, luma
from steelflow.records import Failure

_TOKEN = rb"(?:\s|#[^\n]*\n)+([0-9.eE+-]{1,24})"
_HEADER = re.compile(rb"P([1-6Ff])" + 3 * _TOKEN + rb"\s")
_FIELD = re.compile(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+([0-9]{1,9})\s*$", re.MULTILINE)
_LONGEST = 4096  # bytes of a header
_MOST_COMMENTS = 1000  # among numbers in text
# Bytes per pixel: of a channel with 8 and with 16 bits, and of floating point; those of a file whose white is not
# 2ⁿ − 1; bitmaps; and numbers in text, which Pillow reads slowly.
_COST, _WIDE_COST, _FLOAT_COST, _SCALED_COST, _BITMAP_COST, _TEXT_COST = 3, 6, 13, 10, 4, 160


def decode_netpbm(data: bytes, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    """A PGM, PPM, PAM or PFM with one image. Errors of Pillow are the caller's."""
    if data[1:2] in (b"1", b"2", b"3", b"4"):
        return _by_pillow(data, limits, turn)
    found = _pam(data) if data[1:2] == b"7" else _plain(data)
    if found is None:
        return Failure("corrupt", "the header cannot be read")
    width, height, channels, white, order, start = found
    cost = _FLOAT_COST if white is None else _COST if white < 256 else _WIDE_COST
    if white is not None and white & (white + 1):
        cost += _SCALED_COST
    if refused := too_many_pixels(width, height, limits, cost * channels, turn):
        return refused
    kind = np.dtype(f"{order}f4" if white is None else "u1" if white < 256 else ">u2")
    count = width * height * channels
    if len(data) < start + count * kind.itemsize:
        return Failure("truncated", f"{len(data):,} bytes, {start + count * kind.itemsize:,} are needed")
    if len(data) > start + 2 * count * kind.itemsize:
        return Failure("several", "several images follow each other in the file; save them as files")
    values: Values = np.frombuffer(data, kind, count, start).reshape(height, width, channels)
    values = values.astype(kind.newbyteorder("="), copy=False)
    return _grey(values if white is not None else values[::-1], white, limits, seen)  # a PFM starts at the bottom


def _grey(values: Values, white: int | None, limits: LimitSettings, seen: Depth | None) -> Grey | Failure:
    plain = values[:, :, 0] if values.shape[2] == 1 else values
    if white in (None, 65535):  # says nothing about the camera
        bits = 32 if white is None else 16
        levels = grey_levels(plain, bits, None, limits.sample_bits, seen)
    elif white & (white + 1) == 0:
        if int(plain.max(initial=0)) > white:
            return Failure("corrupt", f"has values above its maxval of {white:,}")
        levels = grey_levels(plain, white.bit_length(), None, None, None)
    else:
        levels = grey_levels(plain, 32, (0, white), None, None)
    return levels if isinstance(levels, Failure) or levels.ndim == 2 else luma(levels)


def _plain(data: bytes) -> tuple[int, int, int, int | None, str, int] | None:
    """Width, height, channels, white (None for floating point), byte order, and the start of the pixels."""
    found = _HEADER.match(data[:_LONGEST])
    if found is None:
        return None
    kind, last = found[1], found[4]
    try:
        width, height = int(found[2]), int(found[3])
        if kind in (b"F", b"f"):
            return width, height, 3 if kind == b"F" else 1, None, "<" if float(last) < 0 else ">", found.end()
        white = int(last)
    except ValueError:
        return None
    sound = min(width, height) > 0 and 0 < white < 65536
    return (width, height, 3 if kind == b"6" else 1, white, ">", found.end()) if sound else None


def _pam(data: bytes) -> tuple[int, int, int, int | None, str, int] | None:
    end = data.find(b"ENDHDR\n", 0, _LONGEST)
    fields = {name: int(value) for name, value in _FIELD.findall(data[: max(0, end)])}
    width, height, depth, white = (fields.get(name, 0) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    sound = min(width, height) > 0 and depth in (1, 3) and 0 < white < 65536
    return (width, height, depth, white, ">", end + 7) if sound else None


def _by_pillow(data: bytes, limits: LimitSettings, turn: Turn | None) -> Grey | Failure:
    """Bitmaps, and numbers in text. Pillow scales them to 0 to 255, or to 65535."""
    is_text = data[1:2] != b"4"
    with Image.open(Timed(data), formats=("PPM",)) as image:
        cost = _TEXT_COST if is_text else _BITMAP_COST
        if refused := too_many_pixels(image.width, image.height, limits, cost, turn):
            return refused
        if heavy := crowded(data, image.width, image.height):
            return heavy
        if is_text and data.count(b"#") > _MOST_COMMENTS:
            return Failure("bomb", f"more than {_MOST_COMMENTS:,} comments among the numbers; save it again")
        if image.mode == "I":
            return (np.asarray(image) >> 8).astype(np.uint8)
        return np.asarray(image.convert("L"))
