"""Whether bytes are the beginning of an image."""

from __future__ import annotations

import re

PEEK = 4096  # bytes of a file that tell images, and containers of images, from others

_HEAD = 32  # bytes that are enough for an image

_IMAGE = re.compile(
    rb"\xff\xd8\xff"  # JPEG
    rb"|\x89PNG\r\n\x1a\n"
    rb"|GIF8[79]a"
    rb"|BM.{4}\0{4}"
    rb"|II[*+]\0|MM\0[*+]"  # TIFF and BigTIFF
    rb"|RIFF.{4}WEBP"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51"  # JPEG 2000
    rb"|P[1-6]\s+(?:#|[0-9]{1,6}\s+[0-9]{1,6}\s)"  # PBM, PGM, PPM
    rb"|.{4}ftyp(?:avif|avis|heic|heix|mif1|msf1)"
    rb"|\xff\x0a|\0\0\0\x0cJXL "
    rb"|\x76\x2f\x31\x01",  # OpenEXR
    re.DOTALL,
)


def looks_like_image(head: bytes) -> bool:
    """``head`` has the first ``PEEK`` bytes of the file, or all of them."""
    return _IMAGE.match(head[:_HEAD]) is not None
