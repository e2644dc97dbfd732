"""The kind of a file that is no image, in words. Its content is not repeated: it may be a secret that a link led to."""

from __future__ import annotations

_KINDS = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file",
    b"\x7fELF": "a program",
    b"RIFF": "a RIFF file (such as audio or video)",
    b"\x00\x00\x00": "a video or another container",
    b"<": "XML or HTML",
    b"{": "JSON",
    b"PAR1": "a Parquet file",
}
_TEXT = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(0x20, 0x7F)))
_LOOKED_AT = 512


def kind_of_bytes(data: bytes) -> str:
    """Such as ``a PDF``, ``text`` or ``unknown binary data``."""
    start = data[:_LOOKED_AT]
    for magic, kind in _KINDS.items():
        if start.startswith(magic):
            return kind
    return "unknown binary data" if start.translate(None, _TEXT) else "text"
