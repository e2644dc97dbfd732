"""TIFF files, byte by byte: any tags, any number of directories, both byte orders, classic and big."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

_CODES = {1: "B", 2: "c", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 16: "Q"}
SHORT, LONG, FLOAT, DOUBLE, SSHORT, SLONG = 3, 4, 11, 12, 8, 9

Tags = Mapping[int, tuple[int, Sequence[float]]]


def page(
    size: tuple[int, int], segments: Sequence[bytes], bits: int, channels: int = 1, tags: Tags | None = None
) -> tuple[Tags, Sequence[bytes]]:
    """One directory, grey or RGB, with its strips or tiles; ``tags`` are added or changed, by number."""
    height, width = size
    found: dict[int, tuple[int, Sequence[float]]] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * channels),
        259: (SHORT, [1]),
        262: (SHORT, [2 if channels >= 3 else 1]),
        277: (SHORT, [channels]),
    }
    return found | dict(tags or {}), segments


def tiff(*pages: tuple[Tags, Sequence[bytes]], order: str = "<", big: bool = False, end: int = 0) -> bytes:
    """A file of these pages. ``end`` is the place of a further directory, 0 for none;
    a negative one counts from the largest number."""
    pointer, small = ("Q", 8) if big else ("I", 4)
    mark = b"II" if order == "<" else b"MM"
    out = bytearray(mark + struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else mark + struct.pack(f"{order}HI", 42, 0))
    link = 8 if big else 4
    for tags, segments in pages:
        starts = []
        for segment in segments:
            starts.append(len(out))
            out += segment + b"\0" * (len(segment) % 2)
        tiled = 322 in tags
        places = {
            324 if tiled else 273: (16 if big else LONG, starts),
            325 if tiled else 279: (LONG, [len(segment) for segment in segments]),
        }
        entries = b""
        for tag, (kind, values) in sorted({**tags, **places}.items()):
            raw = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
            if len(raw) > small:
                out += b"\0" * (len(out) % 2)
                raw, far = struct.pack(f"{order}{pointer}", len(out)), raw
                out += far
            entries += struct.pack(f"{order}HH{pointer}", tag, kind, len(values)) + raw.ljust(small, b"\0")
        out += b"\0" * (len(out) % 2)
        struct.pack_into(f"{order}{pointer}", out, link, len(out))
        count = len(tags) + len(places)
        out += struct.pack(f"{order}{'Q' if big else 'H'}", count) + entries
        link = len(out)
        out += struct.pack(f"{order}{pointer}", end % (1 << 8 * small))
    return bytes(out)
