"""What Pillow reads as it should be read: BMP, GIF, WebP, and JPEG in unusual colour spaces."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image

from steelflow.config import LimitSettings
from steelflow.images import jpeg
from steelflow.images.limits import Timed, Turn, crowded, too_many_pixels
from steelflow.images.orientation import UPRIGHT, of_exif, of_jpeg, turned
from steelflow.images.samples import Depth, Grey
from steelflow.records import Failure

_FORMATS = ("BMP", "DIB", "JPEG", "GIF")
_MOST_CHUNKS = 100_000  # that are searched
_TRANSPARENT = ("LA", "La", "RGBA", "RGBa", "PA")
# Bytes per pixel: Pillow keeps a colour in 4 bytes, and replacing transparency by white needs several copies.
_COST, _JPEG_COST, _OPACITY_COST, _WEBP_COST = 8, 16, 20, 16
_WEBP_OPACITY_COST = 24
_RLE_COST = 96  # Pillow reads it slowly
_RLE = (1, 2)


def decode_pillow(data: bytes, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    """BMP, GIF with one image, and JPEG. Errors of Pillow are the caller's."""
    del seen  # 8 bits
    claimed = _size(data)
    if heavy := jpeg.overfull(data) or (crowded(data, *claimed) if claimed else None):
        return heavy
    with Image.open(Timed(data), formats=_FORMATS) as image:
        if image.format == "GIF" and getattr(image, "is_animated", False):
            return animated("GIF")
        if refused := too_many_pixels(image.width, image.height, limits, _cost(image), turn):
            return refused
        if data.startswith(jpeg.MAGIC) and (slow := jpeg.too_many_scans(data, image.width, image.height, limits)):
            return slow
        return turned(grey_of(image), of_jpeg(data) if image.format in ("JPEG", "MPO") else UPRIGHT)


def decode_webp(data: bytes, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    """WebP with one image. Errors of Pillow are the caller's."""
    del seen  # 8 bits
    chunks = _riff(data)
    if b"ANIM" in chunks:
        return animated("WebP")
    with Image.open(Timed(data), formats=("WEBP",)) as image:
        cost = _WEBP_OPACITY_COST if _is_transparent(image) else _WEBP_COST
        if refused := too_many_pixels(image.width, image.height, limits, cost, turn):
            return refused
        return turned(grey_of(image), of_exif(chunks.get(b"EXIF", b"")))


def animated(kind: str) -> Failure:
    return Failure("several", f"an animated {kind}; save its images as files, or as the pages of a TIFF")


def grey_of(image: Image.Image) -> Grey:
    """An image of 8 bits as grey: 0.299 R + 0.587 G + 0.114 B, transparency over white."""
    return np.asarray(_flatten(image).convert("L"))


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header, before Pillow reads anything else; None if the header is of no known kind."""
    if data.startswith(jpeg.MAGIC):
        return jpeg.size(data)
    form, at = ("<HH", 6) if data.startswith(b"GIF8") else ("<ii", 18) if data.startswith(b"BM") else ("<ii", 4)
    try:
        width, height = struct.unpack_from(form, data, at)
    except struct.error:
        return None
    return abs(width), abs(height)


def _cost(image: Image.Image) -> int:
    if image.info.get("compression") in _RLE and image.format in ("BMP", "DIB"):
        return _RLE_COST
    if _is_transparent(image):
        return _OPACITY_COST
    return _JPEG_COST if image.format in ("JPEG", "MPO") else _COST


def _is_transparent(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in _TRANSPARENT


def _flatten(image: Image.Image) -> Image.Image:
    """Put a transparent image over white, as a viewer does. Over black, transparency would look like a defect. If alpha
    is 0 everywhere, it carries nothing (a camera left it empty): the colours are used."""
    if not _is_transparent(image):
        return image.convert("RGB") if image.mode == "CMYK" else image
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (0, 0):
        return rgba.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _riff(data: bytes) -> dict[bytes, bytes]:
    """The first chunk of each name, except the pixels."""
    found: dict[bytes, bytes] = {}
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name in (b"ANIM", b"EXIF"):
            found.setdefault(name, data[at + 8 : at + 8 + size])
        at += 8 + size + (size & 1)
    return found
