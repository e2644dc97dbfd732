"""The original bytes of an image, as a download: with a name that every system accepts, and the type of the bytes.

A browser saves the file and never shows it as a page: Streamlit sends downloads as attachments.
"""

from __future__ import annotations

import re

from steelflow.archive.fetch import ImageRef

_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"BM", "image/bmp", ".bmp"),
    (b"II*\0", "image/tiff", ".tif"),
    (b"MM\0*", "image/tiff", ".tif"),
    (b"II+\0", "image/tiff", ".tif"),
    (b"MM\0+", "image/tiff", ".tif"),
    (b"\0\0\0\x0cjP  ", "image/jp2", ".jp2"),
    (b"\xff\x4f\xff\x51", "image/j2c", ".j2c"),
    (b"GIF8", "image/gif", ".gif"),
    (b"P5", "image/x-portable-graymap", ".pgm"),
    (b"P6", "image/x-portable-pixmap", ".ppm"),
)
_SAME = ({".jpg", ".jpeg"}, {".tif", ".tiff"}, {".j2c", ".j2k", ".jpc"}, {".bmp", ".dib"})
_UNKNOWN = ("application/octet-stream", ".bin")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # names of devices on Windows
_LONGEST = 120


def type_of(data: bytes) -> str:
    """The media type, by the first bytes."""
    return _kind(data)[0]


def name_of(image: ImageRef, data: bytes) -> str:
    """A file name: that of the image without what a file system or a shell may take amiss, with the suffix that fits
    the bytes. A page of a file, or an image without a name, has its number in the name."""
    last = re.split(r"[/\\]", image.member or image.key)[-1]
    stem, dot, ending = last.rpartition(".")
    own = f".{ending.lower()}" if dot and stem else ""
    stem = stem if own else last
    suffix = _kind(data)[1]
    fits = own == suffix or any({own, suffix} <= same for same in _SAME)
    safe = _UNSAFE.sub("_", stem).strip("._-") or "image"
    safe = f"image_{safe}" if _RESERVED.fullmatch(safe) else safe
    number = f"_{image.ordinal}" if image.member is None and image.ordinal else ""
    return f"{safe[:_LONGEST]}{number}{own if fits else suffix}"


def _kind(data: bytes) -> tuple[str, str]:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", ".webp"
    return next(((media, suffix) for magic, media, suffix in _TYPES if data.startswith(magic)), _UNKNOWN)
