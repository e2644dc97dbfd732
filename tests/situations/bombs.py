"""Small files that ask for much work or memory. A new one is a line of ``BOMBS``: a name, how it is made, and the code
of the failure."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from pixels import GREY, chunk, saved
from tiffs import LONG, SHORT, page, tiff

MIB = 1 << 20
_SCAN = b"\xff\xda"


class Bomb(NamedTuple):
    name: str
    make: Callable[[], bytes]
    code: str


def repeated_scan(times: int, mode: str = "L") -> bytes:
    """A progressive JPEG of 990 × 1000 pixels with its last scan ``times`` more."""
    buffer = io.BytesIO()
    Image.new(mode, (990, 1000), 90 if mode == "L" else None).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rindex(_SCAN) : -2]
    return data[:-2] + scan * times + data[-2:]


def tiny_scans() -> bytes:
    data = saved(np.zeros((8, 8), np.uint8), "JPEG", progressive=True)
    scan = data[data.rindex(_SCAN) : -2]
    return data[:-2] + scan * 3_000_000 + data[-2:]


def _cmyk(before: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(buffer, "JPEG")
    data = buffer.getvalue()
    return data[:2] + before + data[2:]


def _png(*chunks: bytes) -> bytes:
    data = saved(GREY, "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def _gif(before: bytes) -> bytes:
    data = saved(GREY, "GIF")
    start = 13 + 3 * (2 << (data[10] & 7))
    return data[:start] + before + data[start:]


def _bmp(width: int, height: int, runs: bytes) -> bytes:
    start = 14 + 40 + 1024
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + head + bytes(1024) + runs


def _shared_strips(count: int, size: int) -> bytes:
    """Every strip is the same bytes: together they are ``count`` times the file."""
    out = bytearray(b"II*\0" + bytes(4) + bytes(size))
    starts = len(out)
    out += struct.pack("<I", 8) * count
    sizes = len(out)
    out += struct.pack("<I", size) * count
    entries = [(256, 4, 1, 64), (257, 4, 1, count), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
    entries += [(273, 4, count, starts), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, sizes)]
    struct.pack_into("<I", out, 4, len(out))
    out += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries) + bytes(4)
    return bytes(out)


def _huge_tile() -> bytes:
    tags = {259: (SHORT, [8]), 322: (LONG, [60_000]), 323: (LONG, [60_000])}
    return tiff(page((16, 16), [zlib.compress(bytes(64))], 8, tags=tags))


def _thumbnails() -> bytes:
    tags = {254: (LONG, [1])} | {number: (SHORT, [1]) for number in range(40_000, 40_900)}
    return tiff(*[page((8, 8), [bytes(64)], 8, tags=tags)] * 500)


def _jp2(side: int, marker: bytes, at: int, value: bytes) -> bytes:
    """A JPEG 2000 with other bytes at a place after a marker."""
    data = cv2.imencode(".jp2", np.zeros((side, side), np.uint8))[1].tobytes()
    place = data.index(marker) + at
    return data[:place] + value + data[place + len(value) :]


def _empty_packets(tiles: int) -> bytes:
    """A JPEG 2000 of small tiles with 33 resolutions in 1,000 layers, all of them empty."""
    sizes = struct.pack(">HIIIIIIIIHBBB", 0, 32 * tiles, 32, 0, 0, 32, 32, 0, 0, 1, 7, 1, 1)
    style = struct.pack(">BBHBBBBBB", 0, 0, 1000, 0, 32, 4, 4, 0, 1)
    steps = b"\x40" + b"\x48" * 97
    segments = (_SIZ, sizes), (_COD, style), (b"\xff\x5c", steps)
    head = b"".join(marker + struct.pack(">H", 2 + len(body)) + body for marker, body in segments)
    part = b"\xff\x93" + bytes(33_000)
    starts = (b"\xff\x90" + struct.pack(">HHIBB", 10, tile, 12 + len(part), 0, 1) for tile in range(tiles))
    return b"\xff\x4f" + head + b"".join(start + part for start in starts) + b"\xff\xd9"


def _strips(shape: tuple[int, int], strip: bytes, codec: int, count: int, **tags: int) -> bytes:
    more = {277: tags.get("channels", 1), 284: tags.get("planar", 1)}
    short = {number: (SHORT, [value]) for number, value in {259: codec, **more}.items()}
    return tiff(page(shape, [strip] * count, 8, tags={**short, 278: (LONG, [tags.get("rows", 1)])}))


def _scans_in_strips() -> bytes:
    data = repeated_scan(300)
    return _strips((4000, 990), data, 7, 4, rows=1000)


def _loop() -> bytes:
    """Two directories that point at each other."""
    data = bytearray(tiff(_PAGE, _PAGE))
    (first,) = struct.unpack_from("<I", data, 4)
    (tags,) = struct.unpack_from("<H", data, first)
    (second,) = struct.unpack_from("<I", data, first + 2 + 12 * tags)
    (tags,) = struct.unpack_from("<H", data, second)
    struct.pack_into("<I", data, second + 2 + 12 * tags, first)
    return bytes(data)


def _webp() -> bytes:
    """The header of the largest WebP, without pixels."""
    bits = (16383 - 1) | (16383 - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + bytes(64)
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0"


_COD, _SIZ = b"\xff\x52", b"\xff\x51"
_PAGE = page((8, 8), [bytes(64)], 8)
_PROFILE = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(MIB - 1), 9))

BOMBS = (
    Bomb("progressive, the last scan 600,000 times", lambda: repeated_scan(600_000), "bomb"),
    Bomb("CMYK, the last scan 600,000 times", lambda: repeated_scan(600_000, "CMYK"), "bomb"),
    Bomb("8 × 8 pixels, three million scans", tiny_scans, "bomb"),
    Bomb("CMYK, two million segments", lambda: _cmyk(b"\xff\xe7\x00\x02" * (2 * MIB)), "bomb"),
    Bomb("CMYK, EXIF data in 800 pieces", lambda: _cmyk((b"\xff\xe1\xff\xffExif\0\0" + bytes(65527)) * 800), "bomb"),
    Bomb("PNG, a million chunks", lambda: _png(chunk(b"prVt", b"") * MIB), "bomb"),
    Bomb("PNG, a million empty pieces of pixels", lambda: _png(chunk(b"IDAT", b"") * MIB), "bomb"),
    Bomb("PNG, many colour profiles", lambda: _png(_PROFILE * 20_000), "bomb"),
    Bomb("GIF, a million comments", lambda: _gif(b"\x21\xfe\x02cc\0" * MIB), "bomb"),
    Bomb("BMP, a jump over 255 rows of 40 million", lambda: _bmp(40_000_000, 2, b"\0\2\0\xff" * 1000), "too_large"),
    Bomb("BMP, runs of one pixel", lambda: _bmp(100, 100_000, b"\1\1" * (4 * MIB)), "too_large"),
    Bomb("BMP, runs of nothing", lambda: _bmp(100, 1000, b"\0\2\0\0" * (4 * MIB)), "bomb"),
    Bomb("PGM, comments", lambda: b"P2\n64 64\n255\n" + b"#\n" * (16 * MIB) + b"7 " * 4096, "bomb"),
    Bomb("PGM, comments in a large picture", lambda: b"P2\n900 900\n255\n" + b"#\n" * (8 * MIB), "bomb"),
    Bomb("TIFF, strips that share their bytes", lambda: _shared_strips(2000, 4 * MIB), "overlap"),
    Bomb("TIFF, a huge tile", _huge_tile, "too_large"),
    Bomb("TIFF, thumbnails with 900 tags", _thumbnails, "bomb"),
    Bomb(
        "BigTIFF, an image beyond all bytes", lambda: tiff(page((8, 8), [bytes(64)], 8), big=True, end=-1), "truncated"
    ),
    Bomb("JPEG 2000, 65,535 layers", lambda: _jp2(500, _COD, 6, b"\xff\xff"), "bomb"),
    Bomb("JPEG 2000, code blocks of 4 × 4", lambda: _jp2(9000, _COD, 10, b"\0\0"), "too_large"),
    Bomb("JPEG 2000, tiles of 1 × 1", lambda: _jp2(500, _SIZ, 22, struct.pack(">II", 1, 1)), "bomb"),
    Bomb("JPEG 2000, eight million empty packets", lambda: _empty_packets(256), "bomb"),
    Bomb("TIFF, 60,000 planes", lambda: _strips((1, 2), bytes(2), 1, 60_000, channels=60_000, planar=2), "unsupported"),
    Bomb("TIFF, a million strips", lambda: _strips((1_000_000, 1), b"\0", 1, 1_000_000), "too_large"),
    Bomb("TIFF, a million strips of LZMA", lambda: _strips((1_000_000, 1), bytes(8), 34925, 1_000_000), "too_large"),
    Bomb(
        "TIFF, deflate of 10 billion pixels",
        lambda: _strips((99_999, 99_999), bytes(8), 8, 1, rows=99_999),
        "too_large",
    ),
    Bomb("TIFF, progressive JPEGs of 300 scans", _scans_in_strips, "bomb"),
    Bomb("TIFF, directories that lead back", _loop, "several"),
    Bomb("WebP, 16,383 × 16,383 pixels", _webp, "too_large"),
    Bomb("JPEG 2000, 300 channels", lambda: _jp2(500, _SIZ, 38, struct.pack(">H", 300)), "unsupported"),
)
