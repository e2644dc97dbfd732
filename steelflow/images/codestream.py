"""The structure of a JPEG 2000 code stream, as far as it decides what decoding costs.

Tiles, code blocks, precincts and layers are chosen freely by the writer of the file: a few hundred bytes can ask a
decoder for millions of them.

Source: ISO/IEC 15444-1, annex A: A.5.1 (SIZ), A.6.1 (COD), A.6.2 (COC), A.4.2 (SOT).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from steelflow.records import Failure

MOST_TILES = 8192
MOST_LAYERS = 1000
MOST_PACKETS = 4_000_000  # 0.4 µs each, measured where all are empty; one takes a byte at least

_START, _SIZ = b"\xff\x4f\xff\x51", 0xFF51
_COD, _COC, _SOT, _SOD, _END = 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_MOST_MARKERS = 100_000
_MOST_CHANNELS = 4
_BLOCK, _PRECINCT = 450, 400  # bytes that OpenJPEG needs for each, measured


@dataclass(frozen=True, slots=True)
class CodeStream:
    """``cost`` is the memory of code blocks and precincts in bytes per pixel, beside that of the values."""

    width: int
    height: int
    channels: int
    bits: int
    signed: bool
    cost: float

    @classmethod
    def of(cls, data: bytes) -> CodeStream | Failure:
        """Read the headers, also those of the tile parts. A failure if they are damaged or ask for too much."""
        at = data.find(_START)
        try:
            right, down, left, top, *tile, channels = struct.unpack_from(">8IH", data, at + 8)
            precision = data[at + 42]
            if at < 0 or not (0 <= left < right and 0 <= top < down) or min(tile[:2]) < 1:
                raise ValueError
            if not 1 <= channels <= _MOST_CHANNELS:
                return Failure("unsupported", f"JPEG 2000 of {channels} channels; save it as grey")
            tiles = -(-(right - tile[2]) // tile[0]) * -(-(down - tile[3]) // tile[1])
            if tiles > MOST_TILES:
                return Failure("bomb", f"{tiles:,} tiles in one JPEG 2000, the limit is {MOST_TILES:,}; save it again")
            pixels = (right - left) * (down - top)
            cost, most, packets = 0.0, 1, 0.0
            for layers, style in _styles(data, at + 2, channels):
                if layers > MOST_LAYERS:
                    return Failure("bomb", f"{layers:,} layers, the limit is {MOST_LAYERS:,}; save it again")
                most = max(most, layers)
                cost = max(cost, style.cost * channels)
                packets = max(packets, (tiles * style.resolutions + pixels * style.precincts) * channels)
            if min(most * packets, len(data)) > MOST_PACKETS:
                return Failure("bomb", f"more than {MOST_PACKETS:,} packets in one JPEG 2000; save it again")
        except (ValueError, IndexError, struct.error):
            return Failure("corrupt", "the header of the JPEG 2000 is damaged")
        return cls(right - left, down - top, channels, (precision & 0x7F) + 1, bool(precision >> 7), cost)


class _Style(NamedTuple):
    """Of one channel: bytes per pixel of its code blocks and precincts, and precincts per pixel. A tile has a packet
    for each resolution and layer, or more."""

    cost: float
    resolutions: int
    precincts: float


def _styles(data: bytes, at: int, channels: int) -> Iterator[tuple[int, _Style]]:
    """(layers, style) of every coding style, in the main header and in those of the tile parts."""
    part = 0
    for _ in range(_MOST_MARKERS):
        if at + 4 > len(data):
            return
        marker, size = struct.unpack_from(">HH", data, at)
        if marker == _SOT:
            length = struct.unpack_from(">I", data, at + 6)[0]
            part = at + length if length >= 14 else len(data)
        elif marker == _COD:
            layers = struct.unpack_from(">H", data, at + 6)[0]
            yield layers, _style(data[at + 9 : at + 2 + size], bool(data[at + 4] & 1))
        elif marker == _COC:
            wide = 2 if channels > 256 else 1
            yield 0, _style(data[at + 5 + wide : at + 2 + size], bool(data[at + 4 + wide] & 1))
        elif marker == _END or marker < 0xFF00:
            return
        at = part if marker == _SOD else at + 2 + size
    raise ValueError


def _style(style: bytes, own_precincts: bool) -> _Style:
    """``style`` begins with the number of decompositions."""
    levels = style[0]
    if levels > 32:
        raise ValueError
    blocks = 1 / (1 << ((style[1] & 15) + (style[2] & 15) + 4))
    precincts = 0.0
    if own_precincts:
        for level, sides in enumerate(style[5 : 6 + levels]):
            precincts += 1 / (1 << ((sides & 15) + (sides >> 4) + 2 * (levels - level)))
    return _Style(_BLOCK * blocks + _PRECINCT * precincts, levels + 1, precincts)
