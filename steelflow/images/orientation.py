"""The orientation that a file gives: one number in its EXIF data, with one meaning in every format.

Source: CIPA DC-008, "Exif 2.32", tag 274; its place in JPEG (APP1), PNG (eXIf) and WebP (EXIF).
"""

from __future__ import annotations

import numpy as np

from steelflow.images import jpeg, tiff
from steelflow.images.samples import Grey
from steelflow.images.tiff import TiffError

UPRIGHT = 1
_EXIF = b"Exif\0\0"
_APP0, _APP15, _APP1, _COMMENT = 0xE0, 0xEF, 0xE1, 0xFE


def turned(grey: Grey, orientation: int) -> Grey:
    """The picture as a viewer shows it. Orientations that the standard does not know change nothing."""
    if orientation == UPRIGHT:
        return grey
    if orientation in (5, 6, 7, 8):
        grey = grey.T
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    return np.ascontiguousarray(grey)


def of_exif(exif: bytes) -> int:
    """The orientation in EXIF data, which is a TIFF without an image. 1 if there is none."""
    exif = exif.removeprefix(_EXIF)
    if not exif.startswith(tiff.MAGIC):
        return UPRIGHT
    try:
        first = next(tiff.directories(exif), None)
        return UPRIGHT if first is None else first.first(tiff.ORIENTATION, UPRIGHT)
    except TiffError:
        return UPRIGHT


def of_jpeg(data: bytes) -> int:
    """The orientation in the application segments at the start of a JPEG. The pixels are not searched."""
    for marker, at in jpeg.segments(data):
        if not (_APP0 <= marker <= _APP15 or marker == _COMMENT):
            return UPRIGHT
        if marker == _APP1 and data.startswith(_EXIF, at + 4):
            return of_exif(data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")])
    return UPRIGHT
