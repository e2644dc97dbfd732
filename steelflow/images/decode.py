"""Bytes to a grey image, or a ``Failure`` with the reason. No function here raises because of the bytes.

The bytes decide on the format, not the name. The header is read before any memory is allocated, so a small file cannot
claim a huge image. JPEG goes through libjpeg-turbo without the GIL. It decodes the grey channel alone, which is exact
for the grey images of inspection cameras, stored as three equal channels. Everything else goes through Pillow.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from steelflow.config import LimitSettings
from steelflow.records import Failure

Grey = npt.NDArray[np.uint8]

_PILLOW_FORMATS = ("PNG", "BMP", "TIFF", "JPEG", "DIB", "WEBP", "JPEG2000", "PPM")
_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_SCAN = b"\xff\xda"
_MAX_SCANS = 100
_SCANS_MATTER = 1_000_000  # pixels: in a smaller image even thousands of scans are fast


def decode(data: bytes, limits: LimitSettings) -> Grey | Failure:
    """Decode one JPEG, PNG, BMP or TIFF image (its first frame) to grey.

    Returns:
        uint8 of shape (height, width): 0 is black, 255 white. 16-bit images keep their upper 8 bits. Or a Failure with
        code ``empty``, ``too_large``, ``bomb``, ``not_an_image``, ``truncated`` or ``corrupt``.
    """
    if not data:
        return Failure("empty", "the file has no bytes")
    if len(data) > limits.image_bytes:
        return Failure("too_large", f"{len(data):,} bytes, the limit is {limits.image_bytes:,} (limits.image_bytes)")
    if data.startswith(_JPEG_MAGIC):
        picture = _decode_jpeg(data, limits)
        if picture is not None:
            return picture
    return _decode_pillow(data, limits)


def _decode_jpeg(data: bytes, limits: LimitSettings) -> Grey | Failure | None:
    """The fast path. None if libjpeg-turbo cannot read the image as grey (CMYK, unusual headers): Pillow tries it."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:  # noqa: BLE001  also KeyError, for an unknown colour space: Pillow tries, or gives the reason
        return None
    if refused := _too_many_pixels(width, height, limits):
        return refused
    if colorspace not in ("YCbCr", "Gray"):
        return None
    if width * height > _SCANS_MATTER and data.count(_JPEG_SCAN) > _MAX_SCANS:
        return Failure("bomb", f"more than {_MAX_SCANS} scans in one JPEG: each takes the time of a whole image")
    try:
        picture: Grey = simplejpeg.decode_jpeg(data, colorspace="GRAY", strict=True)
    except Exception as exc:  # noqa: BLE001  any error concerns this image alone
        return _damaged(exc)
    return picture[:, :, 0]


def _decode_pillow(data: bytes, limits: LimitSettings) -> Grey | Failure:
    try:
        with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
            # Replacing transparency by white needs several copies with four channels each.
            cost = 12 if "transparency" in image.info or image.mode in ("LA", "RGBA", "PA") else 1
            if refused := _too_many_pixels(image.width, image.height, limits, cost):
                return refused
            if image.mode.startswith("I;16") or image.mode == "I":
                return np.asarray(np.asarray(image.convert("I")).clip(0, 65535) >> 8, dtype=np.uint8)
            if image.mode == "F":
                return np.asarray(np.nan_to_num(np.asarray(image)).clip(0, 255), dtype=np.uint8)
            return np.asarray(_flatten(image).convert("L"))
    except UnidentifiedImageError:
        return Failure("not_an_image", f"not a JPEG, PNG, BMP or TIFF: starts with {data[:8]!r}")
    except Image.DecompressionBombError as exc:
        return Failure("too_large", str(exc))
    except Exception as exc:  # noqa: BLE001  Pillow's plugins raise almost any type on hostile bytes; the row has it
        return _damaged(exc)


def _flatten(image: Image.Image) -> Image.Image:
    """Put a transparent image over white, as a viewer does. Over black, transparency would look like a defect."""
    if "transparency" not in image.info and image.mode not in ("LA", "RGBA", "PA"):
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _too_many_pixels(width: int, height: int, limits: LimitSettings, cost: int = 1) -> Failure | None:
    if width * height * cost <= limits.image_pixels:
        return None
    return Failure("too_large", f"{width}×{height} pixels, the limit is {limits.image_pixels:,} (limits.image_pixels)")


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
