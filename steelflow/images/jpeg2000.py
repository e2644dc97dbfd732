"""JPEG 2000 to grey: up to 8 bits by Pillow; more by OpenCV, because Pillow 13 gives wrong colours there."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from steelflow.config import LimitSettings
from steelflow.images.codestream import CodeStream
from steelflow.images.limits import Turn, too_many_pixels
from steelflow.images.pillow import grey_of
from steelflow.images.samples import Depth, Grey, grey_levels, luma
from steelflow.records import Failure

# Bytes per pixel: of a channel with 8 and with more bits, and for replacing transparency. It is slow, too.
_COST, _WIDE_COST, _OPACITY_COST = 8, 9, 12


def decode_jpeg2000(data: bytes, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    """A JPEG 2000. The header says how many bits a sample has. Errors of Pillow are the caller's."""
    stream = CodeStream.of(data)
    if isinstance(stream, Failure):
        return stream
    bits, signed, channels = stream.bits, stream.signed, stream.channels
    if signed:
        return Failure("range", "signed JPEG 2000: which value is white cannot be known; save it unsigned")
    cost = channels * (_COST if bits <= 8 else _WIDE_COST) + (_OPACITY_COST if channels in (2, 4) else 0)
    if refused := too_many_pixels(stream.width, stream.height, limits, cost + stream.cost, turn):
        return refused
    with Image.open(io.BytesIO(data), formats=("JPEG2000",)) as image:
        if image.size != (stream.width, stream.height):
            return Failure("corrupt", "two sizes in its headers; save it again")
        if bits == 8:
            return grey_of(image)
        if channels not in (1, 3) or bits > 16 or (bits < 8 and channels > 1):
            return Failure("unsupported", f"JPEG 2000 of {channels} channels and {bits} bits; save it as grey")
        image.load()  # finds damage, which OpenCV would hide
        if bits < 8:  # shifted to the upper ones of 8
            return grey_levels(np.asarray(image) >> (8 - bits), bits, None, None, None)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return Failure("corrupt", "the pixels cannot be decoded")
    values = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, ::-1])
    levels = grey_levels(values, bits, None, limits.sample_bits, seen)
    return levels if isinstance(levels, Failure) or levels.ndim == 2 else luma(levels)
