"""Bytes to a grey image, or a ``Failure`` with the reason. No function here raises because of the bytes.

The bytes decide on the format, not the name. The header is read before any memory is allocated, so a small file cannot
claim a huge image. JPEG goes through libjpeg-turbo without the GIL. It decodes the grey channel alone, which is exact
for the grey images of inspection cameras, stored as three equal channels. ``docs/formats.md`` says how grey is made of
all others.

tiff.py, tiffdecode.py   the structure of a TIFF, and one of its images
png.py, netpbm.py        formats with more than 8 bits
pillow.py                what Pillow reads as it should be read
samples.py               values to grey levels
pages.py                 the images of one file
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from steelflow.config import LimitSettings
from steelflow.images import tiff
from steelflow.images.jpeg2000 import decode_jpeg2000
from steelflow.images.kinds import kind_of_bytes
from steelflow.images.limits import too_many_pixels
from steelflow.images.netpbm import decode_netpbm
from steelflow.images.orientation import UPRIGHT, of_jpeg, turned
from steelflow.images.pillow import decode_pillow, decode_webp
from steelflow.images.png import decode_png
from steelflow.images.samples import Depth, Grey
from steelflow.images.tiffdecode import decode_tiff
from steelflow.records import Failure

__all__ = ["Depth", "Grey", "decode", "resize"]

_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_SCAN = b"\xff\xda"
_TABLES, _JFIF = b"\xff\xdb", 0xE0
_LOSSLESS = {0xC3: "lossless", 0xCB: "lossless", 0xF7: "JPEG-LS"}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # markers of the header with the size
_MAX_SCANS = 100
_SCANS_MATTER = 1_000_000  # pixels: in a smaller image even thousands of scans are fast

_Reader = Callable[[bytes, LimitSettings, Depth | None], Grey | Failure]
_READERS: tuple[tuple[tuple[bytes, ...], _Reader], ...] = (
    (tiff.MAGIC, decode_tiff),
    ((b"\x89PNG\r\n\x1a\n",), decode_png),
    ((b"RIFF",), decode_webp),
    ((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), decode_jpeg2000),
    (tuple(b"P%c" % kind for kind in b"1234567Ff"), decode_netpbm),
)


def decode(data: bytes, limits: LimitSettings, seen: Depth | None = None) -> Grey | Failure:
    """Decode one image to grey: JPEG, PNG, TIFF, BMP, WebP, JPEG 2000, GIF, PGM, PPM, PFM.

    Args:
        seen: counts the image if it has 16 bits and nothing says how many of them the camera uses.

    Returns:
        uint8 of shape (height, width), turned as the file's orientation says: 0 is black, 255 white. Or a Failure with
        code ``empty``, ``too_large``, ``bomb``, ``not_an_image``, ``unsupported``, ``several`` (images in the file),
        ``range`` (nothing says which value is white), ``truncated`` or ``corrupt``.
    """
    if not data:
        return Failure("empty", "the file has no bytes")
    if len(data) > limits.image_bytes:
        return Failure("too_large", f"{len(data):,} bytes, the limit is {limits.image_bytes:,} (limits.image_bytes)")
    if data.startswith(_JPEG_MAGIC):
        picture = _decode_jpeg(data, limits)
        if picture is not None:
            return picture
    reader = next((reader for magic, reader in _READERS if data.startswith(magic)), decode_pillow)
    try:
        return reader(data, limits, seen)
    except UnidentifiedImageError:
        return _jpeg_refusal(data) or Failure("not_an_image", f"no format that is read here, but {kind_of_bytes(data)}")
    except Image.DecompressionBombError as exc:
        return Failure("too_large", str(exc))
    except Exception as exc:  # noqa: BLE001  Pillow's plugins raise almost any type on hostile bytes; the row has it
        return _damaged(exc)


def _decode_jpeg(data: bytes, limits: LimitSettings) -> Grey | Failure | None:
    """The fast path. None if libjpeg-turbo cannot read the image as grey (CMYK, unusual headers): Pillow tries it."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:  # noqa: BLE001  also KeyError, for an unknown colour space: Pillow tries, or gives the reason
        return None
    if refused := too_many_pixels(width, height, limits):
        return refused
    if colorspace not in ("YCbCr", "Gray"):
        return None
    if width * height > _SCANS_MATTER and data.count(_JPEG_SCAN) > _MAX_SCANS:
        return Failure("bomb", f"more than {_MAX_SCANS} scans in one JPEG: each takes the time of a whole image")
    try:
        picture: Grey = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    except Exception as exc:  # noqa: BLE001  any error concerns this image alone
        return _jpeg_refusal(data) or _damaged(exc)
    grey = picture[:, :, 0]
    if data[20:22] == _TABLES and data[3] == _JFIF:  # the usual JFIF header, directly before the tables: no EXIF data
        return grey
    return grey if (orientation := of_jpeg(data)) == UPRIGHT else turned(grey, orientation)


def _jpeg_refusal(data: bytes) -> Failure | None:
    """Why no library here reads a JPEG: 12 bits, lossless or JPEG-LS. None if it is no JPEG, or should be readable."""
    at = 2
    while data.startswith(_JPEG_MAGIC) and data[at : at + 1] == b"\xff" and at + 4 < len(data):
        marker = data[at + 1]
        if marker in _FRAMES:
            bits = data[at + 4]
            if bits == 8 and marker not in _LOSSLESS:
                return None
            how = _LOSSLESS.get(marker, "lossy")
            return Failure("unsupported", f"a {how} JPEG of {bits} bits; save it as PNG, TIFF or 8-bit JPEG")
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _damaged(exc: Exception) -> Failure:
    text = " ".join(str(exc).split()) or type(exc).__name__
    cut = any(word in text.lower() for word in ("premature", "truncated", "unexpected end", "eof"))
    return Failure("truncated" if cut else "corrupt", text[:300])


def resize(grey: Grey, size: int, out: Grey | None = None) -> Grey:
    """Resample to (size, size): the mean of the area that a pixel covers; interpolation if the image is enlarged.

    ``out`` is an array of this shape for the result.
    """
    shrinks = grey.shape[0] >= size and grey.shape[1] >= size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (size, size), dst=out, interpolation=how), dtype=np.uint8)
