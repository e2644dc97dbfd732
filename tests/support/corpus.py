"""A corpus of sound files, and changes to them as damage and malice make them: cut, flipped, spliced, repeated, with
other numbers. The same seed gives the same inputs."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_LONGEST = 1 << 20  # bytes of an input


def mutants(corpus: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """``count`` inputs made of ``corpus`` by one to four changes each."""
    draw = random.Random(seed)
    for _ in range(count):
        data = bytearray(draw.choice(corpus))
        for _ in range(draw.randint(1, 4)):
            data = _changed(data, draw, corpus)[:_LONGEST]
        yield bytes(data)


def _changed(data: bytearray, draw: random.Random, corpus: Sequence[bytes]) -> bytearray:
    at = draw.randrange(len(data)) if data else 0
    near = min(at, draw.randrange(1, 600))  # headers are at the start
    match draw.randrange(8):
        case 0 if data:
            data[near] ^= 1 << draw.randrange(8)
        case 1 if data:
            data[near] = draw.randrange(256)
        case 2:
            number = struct.pack(draw.choice("<>") + draw.choice("HI"), draw.choice(_NUMBERS) & 0xFFFF)
            data[near : near + len(number)] = number
        case 3:
            wide = struct.pack(draw.choice("<>") + "I", draw.choice(_NUMBERS))
            data[near : near + 4] = wide
        case 4:
            del data[at:]
        case 5:
            del data[at : at + draw.randrange(1, 64)]
        case 6:
            piece = data[at : at + draw.randrange(1, 200)]
            data[at:at] = piece * draw.choice((1, 2, 50))
        case _:
            other = draw.choice(corpus)
            start = draw.randrange(len(other))
            data[at:at] = other[start : start + draw.randrange(1, 400)]
    return data
