"""The structure of a JPEG: what its header says, and how often a decoder would go over its pixels.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

from collections.abc import Iterator

from steelflow.config import LimitSettings
from steelflow.records import Failure

MAGIC = b"\xff\xd8\xff"
MOST_SEGMENTS = 4096  # before the pixels: cameras write ten, colour profiles and comments some hundred

SCAN = b"\xff\xda"
_SCAN_BYTES = 8  # of the shortest scan
_LOSSLESS = {0xC3: "lossless", 0xCB: "lossless", 0xF7: "JPEG-LS"}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # markers of the header with the size
_SEQUENTIAL = (0xC0, 0xC1)
_START_OF_SCAN = 0xDA
_MOST_SCANS = 100
_SCANS_MATTER = 1_000_000  # pixels: in a smaller image a few hundred scans are fast
_PASSES = 16  # over the largest image: a progressive JPEG has some ten scans
_FEWEST = 1024  # pixels that a scan costs, however small the image is


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, first byte) of the segments before the pixels, with that of the first scan; at most ``MOST_SEGMENTS``.
    It ends where the structure is unusual."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        if data[at : at + 1] != b"\xff" or at + 4 > len(data) or data[at + 1] in (0x00, 0xFF):
            return
        yield data[at + 1], at
        if data[at + 1] == _START_OF_SCAN:
            return
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))


def too_many_scans(data: bytes, width: int, height: int, limits: LimitSettings) -> Failure | None:
    """The failure of an image whose scans together take too long. Each takes about the time of a whole image, even if
    it is empty."""
    pixels, most = max(_FEWEST, width * height), _PASSES * limits.image_pixels
    if pixels <= _SCANS_MATTER and (len(data) // _SCAN_BYTES * pixels <= most or _has_one_scan(data)):
        return None  # the usual image is not searched
    return too_much_work(data.count(SCAN), pixels, 1, limits)


def too_much_work(scans: int, pixels: int, images: int, limits: LimitSettings) -> Failure | None:
    """The failure of ``images`` JPEGs with together ``scans`` scans, each over ``pixels`` pixels."""
    pixels = max(_FEWEST, pixels)
    if scans * pixels > _PASSES * limits.image_pixels or (
        scans > _MOST_SCANS * images and images * pixels > _SCANS_MATTER
    ):
        return Failure("bomb", f"{scans:,} scans in one JPEG: each takes the time of a whole image; save it again")
    return None


def size(data: bytes) -> tuple[int, int] | None:
    """Width and height; None if the header is unusual."""
    for marker, at in segments(data):
        if marker in _FRAMES:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
    return None


def refusal(data: bytes) -> Failure | None:
    """Why no library here reads a JPEG: 12 bits, lossless or JPEG-LS. None if it is no JPEG, or should be readable."""
    if not data.startswith(MAGIC):
        return None
    for marker, at in segments(data):
        if marker in _FRAMES:
            bits = data[at + 4] if at + 4 < len(data) else 8
            if bits == 8 and marker not in _LOSSLESS:
                return None
            how = _LOSSLESS.get(marker, "lossy")
            return Failure("unsupported", f"a {how} JPEG of {bits} bits; save it as PNG, TIFF or 8-bit JPEG")
    return None


def overfull(data: bytes) -> Failure | None:
    """The failure of a JPEG with thousands of segments before its pixels, which Pillow keeps and is slow with."""
    if not data.startswith(MAGIC) or sum(1 for _ in segments(data)) < MOST_SEGMENTS:
        return None
    return Failure("bomb", f"{MOST_SEGMENTS:,} or more segments before the pixels; save it again")


def _has_one_scan(data: bytes) -> bool:
    """Whether the decoder surely stops after the first scan: it is sequential, and the scan has all components."""
    components = 0
    for marker, at in segments(data):
        if marker in _FRAMES:
            if marker not in _SEQUENTIAL or components or at + 9 >= len(data):
                return False
            components = data[at + 9]
        elif marker == _START_OF_SCAN:
            return at + 4 < len(data) and data[at + 4] == components
    return False
