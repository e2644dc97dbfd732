"""PNG to grey. Pillow reads up to 8 bits, and grey of 16 bits; it cuts colours of 16 bits to their upper 8, which would
lose pictures of 12 bits, so OpenCV reads those.

gAMA, cHRM, sRGB and iCCP are ignored: the stored values are the grey levels.

Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)".
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from steelflow.config import LimitSettings
from steelflow.images.limits import Timed, Turn, too_many_pixels
from steelflow.images.orientation import of_exif, turned
from steelflow.images.pillow import animated, grey_of
from steelflow.images.samples import Depth, Grey, Values, grey_levels, luma, over_white
from steelflow.records import Failure

_WANTED = (b"IHDR", b"sBIT", b"tRNS", b"acTL", b"eXIf")
_COST, _OPACITY_COST, _WIDE_COLOUR_COST = 8, 20, 24  # bytes per pixel
_CLEAR_COST, _SIGNIFICANT_COST = 8, 13  # the same, on top for 16 bits with tRNS or sBIT
_MOST_CHUNKS = 100_000  # Pillow keeps what it does not know, and takes its time with each


def decode_png(data: bytes, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    """A PNG with one image. Errors of Pillow are the caller's."""
    chunks = _chunks(data)
    if isinstance(chunks, Failure):
        return chunks
    if int.from_bytes(chunks.get(b"acTL", b"")[:4], "big") > 1:
        return animated("PNG")
    wide = chunks.get(b"IHDR", b"")[8:9] == b"\x10"
    with Image.open(Timed(data), formats=("PNG",)) as image:
        if refused := too_many_pixels(image.width, image.height, limits, _cost(image, wide, chunks), turn):
            return refused
        grey = _wide(data, image, chunks, limits, seen) if wide else grey_of(image)
    return grey if isinstance(grey, Failure) else turned(grey, of_exif(chunks.get(b"eXIf", b"")))


def _cost(image: Image.Image, wide: bool, chunks: dict[bytes, bytes]) -> int:
    if not wide:
        transparent = "transparency" in image.info or image.mode in ("LA", "RGBA", "PA")
        return _OPACITY_COST if transparent else _COST
    return (
        (_COST if image.mode.startswith("I") else _WIDE_COLOUR_COST)
        + (_CLEAR_COST if b"tRNS" in chunks else 0)
        + (_SIGNIFICANT_COST if b"sBIT" in chunks else 0)
    )


def _wide(
    data: bytes, image: Image.Image, chunks: dict[bytes, bytes], limits: LimitSettings, seen: Depth | None
) -> Grey | Failure:
    """16 bits: (H, W) grey, (H, W, 3) colours, and perhaps alpha."""
    image.load()  # finds damage, which OpenCV would hide
    colours, alpha = _values(data, image)
    bits = _significant(colours, chunks.get(b"sBIT", b""))
    clear = chunks.get(b"tRNS")
    if clear and alpha is None:
        same = colours == np.frombuffer(clear[: 2 * (1 if colours.ndim == 2 else 3)], ">u2")
        alpha = np.where(same if same.ndim == 2 else same.all(axis=2), 0, 255).astype(np.uint8)
    if bits is None:
        levels = grey_levels(colours, 16, None, limits.sample_bits, seen)
    else:
        levels = grey_levels(colours, bits, None, None, None)
    if isinstance(levels, Failure):
        return levels
    grey = levels if levels.ndim == 2 else luma(levels)
    return grey if alpha is None else over_white(grey, alpha)


def _values(data: bytes, image: Image.Image) -> tuple[Values, Grey | None]:
    """The colours and the alpha, if there is one."""
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16), None
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise OSError("the pixels cannot be decoded")
    colours = np.ascontiguousarray(pixels[:, :, 2::-1])
    if pixels.shape[2] < 4:
        return colours, None
    return colours, np.right_shift(pixels[:, :, 3], 8).astype(np.uint8)


def _significant(values: Values, stated: bytes) -> int | None:
    """How many bits 16-bit values use, by sBIT; None if it says nothing.

    The standard wants values of 12 bits scaled to 16 (by a shift, by repeating the bits, or by rounding); some cameras
    write sBIT and leave the values at 0 to 4095. Scaled values show it in their lower bits.
    """
    bits = stated[0] if stated else 16
    if not 8 <= bits < 16 or not values.size:
        return None
    if int(values.max()) >> bits:
        return 16
    shift = 16 - bits
    upper = np.right_shift(values, shift).astype(np.uint32)
    scaled = (upper * 65535 + ((1 << bits) - 1) // 2) // ((1 << bits) - 1)
    if not (values & ((1 << shift) - 1)).any() or np.abs(scaled.astype(np.int32) - values).max() <= 1:
        return 16
    return bits


def _chunks(data: bytes) -> dict[bytes, bytes] | Failure:
    """The first chunk of each name that is wanted here. Too many chunks are refused, and a second colour profile:
    Pillow decompresses each of them."""
    found: dict[bytes, bytes] = {}
    profiles, at = 0, 8
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            return found
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name in _WANTED:
            found.setdefault(name, data[at + 8 : at + 8 + size])
        profiles += name == b"iCCP"
        if profiles > 1:
            return Failure("bomb", "several colour profiles in one PNG; save it again")
        at += 12 + size
    return Failure("bomb", f"more than {_MOST_CHUNKS:,} chunks in one PNG; save it again")
