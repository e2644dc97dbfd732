"""Bytes to a grey image, or a ``Failure`` with the reason. No function here raises because of the bytes.

The bytes decide on the format, not the name. The header is read before any memory is allocated, so a small file cannot
claim a huge image. JPEG goes through libjpeg-turbo without the GIL. It decodes the grey channel alone, which is exact
for the grey images of inspection cameras, stored as three equal channels. ``docs/formats.md`` says how grey is made of
all others.

jpeg.py                  the structure of a JPEG
tiff.py, tiffdecode.py   the structure of a TIFF, and one of its images
png.py, netpbm.py        formats with more than 8 bits
pillow.py                what Pillow reads as it should be read
samples.py               values to grey levels
pages.py                 the images of one file
limits.py                what a picture may cost
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from steelflow.config import LimitSettings
from steelflow.images import jpeg, tiff
from steelflow.images.jpeg2000 import decode_jpeg2000
from steelflow.images.kinds import kind_of_bytes
from steelflow.images.limits import SECONDS, SMALL, TooSlow, Turn, too_many_pixels
from steelflow.images.netpbm import decode_netpbm
from steelflow.images.orientation import UPRIGHT, of_jpeg, turned
from steelflow.images.pillow import decode_pillow, decode_webp
from steelflow.images.png import decode_png
from steelflow.images.samples import Depth, Grey
from steelflow.images.tiffdecode import decode_tiff
from steelflow.records import Failure

__all__ = ["Depth", "Grey", "decode", "resize"]

_TABLES, _JFIF = b"\xff\xdb", 0xE0
_GREY_COST, _COLOUR_COST = 4, 8  # bytes per pixel: a progressive one keeps all its coefficients

_Reader = Callable[[bytes, LimitSettings, Depth | None, Turn | None], Grey | Failure]
_READERS: tuple[tuple[tuple[bytes, ...], _Reader], ...] = (
    (tiff.MAGIC, decode_tiff),
    ((b"\x89PNG\r\n\x1a\n",), decode_png),
    ((b"RIFF",), decode_webp),
    ((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), decode_jpeg2000),
    (tuple(b"P%c" % kind for kind in b"1234567Ff"), decode_netpbm),
)


def decode(data: bytes, limits: LimitSettings, seen: Depth | None = None, turn: Turn | None = None) -> Grey | Failure:
    """Decode one image to grey: JPEG, PNG, TIFF, BMP, WebP, JPEG 2000, GIF, PGM, PPM, PFM.

    Args:
        seen: counts the image if it has 16 bits and nothing says how many of them the camera uses.
        turn: takes the memory that a large picture needs; the caller gives it back.

    Returns:
        uint8 of shape (height, width), turned as the file's orientation says: 0 is black, 255 white. Or a Failure with
        code ``empty``, ``too_large``, ``bomb``, ``too_slow``, ``not_an_image``, ``unsupported``, ``several`` (images in
        the file), ``range`` (nothing says which value is white), ``overlap``, ``truncated`` or ``corrupt``.
    """
    if not data:
        return Failure("empty", "the file has no bytes")
    if len(data) > limits.image_bytes:
        return Failure("too_large", f"{len(data):,} bytes, the limit is {limits.image_bytes:,} (limits.image_bytes)")
    if data.startswith(jpeg.MAGIC):
        picture = _decode_jpeg(data, limits, turn)
        if picture is not None:
            return picture
    reader = next((reader for magic, reader in _READERS if data.startswith(magic)), decode_pillow)
    try:
        return reader(data, limits, seen, turn)
    except UnidentifiedImageError:
        return jpeg.refusal(data) or Failure("not_an_image", f"no format that is read here, but {kind_of_bytes(data)}")
    except Image.DecompressionBombError as exc:
        return Failure("too_large", str(exc))
    except TooSlow:
        return Failure("too_slow", f"decoding takes more than {SECONDS:.0f} seconds; save it again")
    except Exception as exc:  # noqa: BLE001  Pillow's plugins raise almost any type on hostile bytes; the row has it
        return _damaged(exc)


def _decode_jpeg(data: bytes, limits: LimitSettings, turn: Turn | None) -> Grey | Failure | None:
    """The fast path. None if libjpeg-turbo cannot read the image as grey (CMYK, unusual headers): Pillow tries it."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:  # noqa: BLE001  also KeyError, for an unknown colour space: Pillow tries, or gives the reason
        return None
    if refused := too_many_pixels(width, height, limits) or jpeg.too_many_scans(data, width, height, limits):
        return refused
    if colorspace not in ("YCbCr", "Gray"):
        return None
    if turn is not None and width * height > SMALL // _COLOUR_COST:
        turn.take(width * height * (_GREY_COST if colorspace == "Gray" else _COLOUR_COST))
    try:
        picture: Grey = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    except Exception as exc:  # noqa: BLE001  any error concerns this image alone
        return jpeg.refusal(data) or _damaged(exc)
    grey = picture[:, :, 0]
    if data[20:22] == _TABLES and data[3] == _JFIF:  # the usual JFIF header, directly before the tables: no EXIF data
        return grey
    return grey if (orientation := of_jpeg(data)) == UPRIGHT else turned(grey, orientation)


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
