"""Files whose grey levels are known: one picture in every depth, sample format and meaning that cameras write.

A new situation is a line of ``SITUATIONS``: a name, the bytes of the file, and the expected grey levels (uint8, H × W)
or the code of the failure.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from tiffs import DOUBLE, FLOAT, LONG, SHORT, SLONG, SSHORT, page, tiff

from steelflow.config import LimitSettings

Array = npt.NDArray[np.generic]
_RNG = np.random.default_rng(14)
_RAMP = np.linspace(0, 200, 37 * 53).reshape(37, 53)
GREY = (_RAMP + _RNG.integers(0, 56, (37, 53))).astype(np.uint8)  # 0 to 255, dark above, bright below
GREY[0, 0], GREY[-1, -1] = 0, 255
SIZE = GREY.shape
LIMITS = LimitSettings()


class Situation(NamedTuple):
    """``tolerance`` is in grey levels. ``wide`` says whether the file is a 16-bit one that does not give its depth."""

    name: str
    data: bytes
    expected: Array | str
    tolerance: int = 0
    limits: LimitSettings = LIMITS
    wide: bool = False


def saved(picture: Array, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def one(
    values: Array, tags: dict[int, tuple[int, list[float]]] | None = None, order: str = "<", big: bool = False
) -> bytes:
    """A TIFF with one strip of (H, W) or (H, W, C) values."""
    sample = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    channels = 1 if values.ndim == 2 else values.shape[2]
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    given = {339: (SHORT, [sample] * channels)} | (tags or {})
    return tiff(page(values.shape[:2], [raw], values.dtype.itemsize * 8, channels, given), order=order, big=big)


def packed(bits: int, photometric: int = 1) -> bytes:
    """A TIFF whose samples follow each other without a gap."""
    values = (GREY.astype(np.uint32) << 8 | GREY) >> (16 - bits)
    rows = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*SIZE, 2), axis=2)[:, :, 16 - bits :]
    raw = np.packbits(rows.reshape(SIZE[0], -1), axis=1).tobytes()
    return tiff(page(SIZE, [raw], bits, tags={262: (SHORT, [photometric])}))


def deflated(values: Array, predictor: int) -> bytes:
    """A tiled, deflated TIFF of (H, W) values with a predictor, in tiles of 32 × 16."""
    height, width = -(-SIZE[0] // 16) * 16, -(-SIZE[1] // 32) * 32
    whole = np.zeros((height, width), values.dtype)
    whole[: SIZE[0], : SIZE[1]] = values
    tiles = []
    for top in range(0, height, 16):
        for left in range(0, width, 32):
            tile = np.ascontiguousarray(whole[top : top + 16, left : left + 32])
            if predictor == 2:
                tile = np.diff(tile, axis=1, prepend=tile.dtype.type(0))
            elif predictor == 3:
                planes = tile.astype(tile.dtype.newbyteorder(">")).view(np.uint8).reshape(16, 32, -1).transpose(0, 2, 1)
                tile = np.diff(planes.reshape(16, -1), axis=1, prepend=np.uint8(0))
            tiles.append(zlib.compress(tile.tobytes()))
    sample = {"u": 1, "f": 3}[values.dtype.kind]
    tags = {259: (SHORT, [8]), 317: (SHORT, [predictor]), 322: (LONG, [32]), 323: (LONG, [16]), 339: (SHORT, [sample])}
    return tiff(page(SIZE, tiles, values.dtype.itemsize * 8, tags=tags))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values: Array, *extra: tuple[bytes, bytes], depth: int = 16) -> bytes:
    """A PNG of uint16 (H, W), (H, W, 2), (H, W, 3) or (H, W, 4), with extra chunks before the pixels."""
    kind = {2: 0, 3: {2: 4, 3: 2, 4: 6}.get(values.shape[-1], 0)}[values.ndim]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, kind, 0, 0, 0)
    chunks = [chunk(b"IHDR", head), *(chunk(*one) for one in extra), chunk(b"IDAT", zlib.compress(raw))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")


def netpbm(kind: str, values: Array, most: str) -> bytes:
    return f"P{kind}\n# a comment\n{values.shape[1]} {values.shape[0]}\n{most}\n".encode() + values.tobytes()


def exif(orientation: int) -> bytes:
    tags = {274: (SHORT, [orientation])}
    entries = struct.pack(">HHIHH", 274, SHORT, 1, tags[274][1][0], 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entries + bytes(4)


def jpeg(orientation: int | None = None, late: bool = False) -> bytes:
    """A grey JPEG; ``late`` puts a long comment before its EXIF data."""
    data = saved(GREY, "JPEG", quality=95)
    if orientation is None:
        return data
    body = b"Exif\0\0" + exif(orientation)
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    comment = b"\xff\xfe" + struct.pack(">H", 9002) + b"\xff\xe1 no EXIF" * 900 if late else b""
    return data[:20] + comment + segment + data[20:]


_WIDE = GREY.astype(np.uint16) * 257
_TWELVE = (_WIDE >> 4).astype(np.uint16)
_DARK = (_TWELVE >> 4).astype(np.uint16)  # a dark picture of 12 bits: no value uses the upper ones
_RGB = np.repeat(GREY[:, :, None], 3, 2)
_UNIT = (GREY / 255).astype(np.float32)
_BITS_12 = LimitSettings(sample_bits=12)
_HALF = np.where(np.arange(SIZE[1]) < 20, 255, 0).astype(np.uint8) * np.ones(SIZE, np.uint8)
_OVER_WHITE = np.where(_HALF == 255, GREY, 255).astype(np.uint8)
_CLEAR = np.zeros(SIZE, np.uint8)
_TWO = (np.array([0, 85, 170, 255], np.uint8))[GREY >> 6]


def _limits(kind: int, black: float, white: float) -> dict[int, tuple[int, list[float]]]:
    return {340: (kind, [black]), 341: (kind, [white])}


def _meaning(number: int) -> dict[int, tuple[int, list[float]]]:
    return {262: (SHORT, [number])}


def _with_alpha(values: Array, alpha: Array, kind: int = 2) -> bytes:
    return one(np.dstack([values, alpha]), {338: (SHORT, [kind])})


def _palette(bits: int, scale: int) -> dict[int, tuple[int, list[float]]]:
    """Colours that are the index turned over: 0 is white."""
    count = 1 << bits
    values = [(count - 1 - i) * 255 // (count - 1) * scale for i in range(count)]
    return {262: (SHORT, [3]), 320: (SHORT, values * 3)}


def _lab() -> bytes:
    rgb = np.repeat(_UNIT[:, :, None], 3, 2)
    lightness = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[:, :, 0]
    values = np.zeros((*SIZE, 3), np.uint16)
    values[:, :, 0] = np.rint(lightness / 100 * 65535)
    return one(values, _meaning(8))


def _j2k(bits: int, colours: bool) -> bytes:
    values = (_WIDE >> (16 - bits)).astype(np.uint16 if bits > 8 else np.uint8)
    _, data = cv2.imencode(
        ".jp2", np.dstack([values] * 3) if colours else values, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    )
    return data.tobytes()


TIFFS = (
    Situation("uint8", one(GREY), GREY),
    Situation("uint8, big-endian BigTIFF", one(GREY, order=">", big=True), GREY),
    Situation("uint8, white is 0", one(255 - GREY, _meaning(0)), GREY),
    Situation("2 bits packed", packed(2), _TWO),
    Situation("4 bits packed", packed(4), (GREY >> 4) * 17),
    Situation("10 bits packed", packed(10), GREY),
    Situation("12 bits packed", packed(12), GREY),
    Situation("12 bits packed, white is 0", packed(12, 0), 255 - GREY),
    Situation("14 bits packed", packed(14), GREY),
    Situation("uint16", one(_WIDE), GREY, wide=True),
    Situation("uint16, big-endian", one(_WIDE, order=">"), GREY, wide=True),
    Situation("uint16, white is 0", one(65535 - _WIDE, _meaning(0)), GREY, wide=True),
    Situation("12 bits in 16 that say nothing", one(_TWELVE), GREY >> 4, wide=True),
    Situation("12 bits in 16 with the setting", one(_TWELVE), GREY, limits=_BITS_12),
    Situation("12 bits in 16, white is 0, with the setting", one(4095 - _TWELVE, _meaning(0)), GREY, limits=_BITS_12),
    Situation("16 bits against the setting", one(_WIDE), "range", limits=_BITS_12),
    Situation("12 bits in 16 by SMaxSampleValue", one(_TWELVE, {341: (SHORT, [4095])}), GREY),
    Situation("12 bits in 16 by MaxSampleValue", one(_TWELVE, {281: (SHORT, [4095])}), GREY),
    Situation("the picture's own extremes are no depth", one(_WIDE, {281: (SHORT, [40000])}), GREY, wide=True),
    Situation("int8, both signs", one((GREY.astype(np.int16) - 128).astype(np.int8)), GREY),
    Situation("int16, both signs", one((_WIDE.astype(np.int32) - 32768).astype(np.int16)), GREY, 1),
    Situation("int16, 0 to 32767", one((_WIDE >> 1).astype(np.int16)), "range"),
    Situation("int16 around 0", one(GREY.astype(np.int16) - 128), "range"),
    Situation("int16, range stated", one((_WIDE >> 1).astype(np.int16), _limits(SSHORT, 0, 32767)), GREY, 1),
    Situation("int16, 12 bits by the setting", one(_TWELVE.astype(np.int16)), GREY, 1, _BITS_12),
    Situation("uint32, the whole range", one(_WIDE.astype(np.uint32) * 65537), GREY, 1),
    Situation("uint32, 0 to 255", one(GREY.astype(np.uint32)), GREY),
    Situation("uint32, 0 to 65535", one(_WIDE.astype(np.uint32)), GREY, 1),
    Situation("uint32, 0 to 4095", one(_TWELVE.astype(np.uint32)), "range"),
    Situation("uint32, range stated", one(_TWELVE.astype(np.uint32), {341: (LONG, [4095])}), GREY, 1),
    Situation("int32, 0 to a million", one(GREY.astype(np.int32) * 3921), "range"),
    Situation("int32, range stated", one(GREY.astype(np.int32) * 100 - 50, _limits(SLONG, -50, 25450)), GREY),
    Situation("float, 0 to 1", one(_UNIT), GREY),
    Situation("float, 0 to 1, white is 0", one(1 - _UNIT, _meaning(0)), GREY, 1),
    Situation("float, 0 to 255", one(GREY.astype(np.float32)), GREY),
    Situation("float, 0 to 65535", one(_WIDE.astype(np.float32)), GREY),
    Situation("float, 0 to 4095", one(_TWELVE.astype(np.float32)), "range"),
    Situation("float, 0 to 4095, by the setting", one(_TWELVE.astype(np.float32)), GREY, 1, _BITS_12),
    Situation("float, range stated", one(_UNIT * 7 - 2, _limits(FLOAT, -2, 5)), GREY),
    Situation("float beyond its stated range", one(_UNIT * 7, _limits(FLOAT, 0, 1)), "range"),
    Situation("float with a NaN", one(np.where(GREY == 255, np.nan, _UNIT).astype(np.float32)), "range"),
    Situation("float16", one(_UNIT.astype(np.float16)), GREY, 1),
    Situation("float64, range stated", one(_UNIT * 2.0, _limits(DOUBLE, 0, 2)), GREY),
    Situation("float, all black", one(_UNIT * 0), GREY * 0),
    Situation("uint8, tiles, predictor 2", deflated(GREY, 2), GREY),
    Situation("uint16, tiles, predictor 2", deflated(_WIDE, 2), GREY, wide=True),
    Situation("float, tiles, predictor 3", deflated(_UNIT, 3), GREY),
    Situation("float64, tiles, predictor 3", deflated(_UNIT.astype(np.float64), 3), GREY),
    Situation("RGB, 8 bits", one(_RGB), GREY),
    Situation("RGB, 16 bits", one(np.dstack([_WIDE] * 3)), GREY, wide=True),
    Situation("RGB, 12 in 16 bits, by the setting", one(np.dstack([_TWELVE] * 3)), GREY, limits=_BITS_12),
    Situation("RGB in planes", tiff(page(SIZE, [GREY.tobytes()] * 3, 8, 3, {284: (SHORT, [2])})), GREY),
    Situation("RGB, float", one(np.dstack([_UNIT] * 3)), GREY),
    Situation("palette of 16-bit colours", one(255 - GREY, _palette(8, 257)), GREY),
    Situation("palette of 8-bit colours", one(255 - GREY, _palette(8, 1)), GREY),
    Situation("CMYK", one(np.dstack([_CLEAR] * 3 + [255 - GREY]), _meaning(5)), GREY, 1),
    Situation("CIELAB, 16 bits", _lab(), GREY, 1),
    Situation("grey and alpha", _with_alpha(GREY, _HALF), _OVER_WHITE),
    Situation("grey and an empty alpha", _with_alpha(GREY, _CLEAR), GREY),
    Situation("RGB and an empty alpha", _with_alpha(_RGB, _CLEAR), GREY),
    Situation("RGB and an empty alpha, multiplied", _with_alpha(_RGB, _CLEAR, 1), GREY),
    Situation("RGB and a channel that is not alpha", _with_alpha(_RGB, _HALF, 0), GREY),
    Situation("five bands", one(np.dstack([GREY] * 5), _meaning(1)), "unsupported"),
    Situation("a colour mosaic", one(GREY, _meaning(32803)), "unsupported"),
    Situation("pixels beyond the end", one(GREY)[:8] + one(GREY)[8 + 500 :], "truncated"),
    Situation("fax", saved(GREY > 127, "TIFF", compression="group4"), (GREY > 127) * np.uint8(255)),
    Situation("JPEG in TIFF", saved(GREY, "TIFF", compression="jpeg"), GREY, 60),
    Situation("LZW", saved(GREY, "TIFF", compression="tiff_lzw"), GREY),
)

OTHERS = (
    Situation("PNG, 16 bits", png(_WIDE), GREY, wide=True),
    Situation("PNG, 16 bits, RGB", png(np.dstack([_WIDE] * 3)), GREY, wide=True),
    Situation("PNG, sBIT 12, scaled as the standard wants", png(_TWELVE << 4, (b"sBIT", b"\x0c")), GREY),
    Situation("PNG, sBIT 12, bits repeated", png(_TWELVE << 4 | _TWELVE >> 8, (b"sBIT", b"\x0c")), GREY),
    Situation("PNG, sBIT 12, as the camera gave it", png(_TWELVE, (b"sBIT", b"\x0c")), GREY),
    Situation("PNG, sBIT 12, dark, scaled", png(_DARK << 4, (b"sBIT", b"\x0c")), _DARK >> 4),
    Situation("PNG, sBIT 12, dark, not scaled", png(_DARK, (b"sBIT", b"\x0c")), _DARK >> 4),
    Situation("PNG, sBIT 10, RGB", png(np.dstack([_WIDE >> 6] * 3), (b"sBIT", b"\x0a" * 3)), GREY),
    Situation("PNG, 12 bits in 16 with the setting", png(_TWELVE), GREY, limits=_BITS_12),
    Situation("PNG, RGB, 12 bits in 16 with the setting", png(np.dstack([_TWELVE] * 3)), GREY, limits=_BITS_12),
    Situation("PNG, gamma is ignored", png(_WIDE, (b"gAMA", struct.pack(">I", 100000))), GREY, wide=True),
    Situation("PNG, 8 bits, empty alpha", saved(np.dstack([_RGB, _CLEAR]), "PNG"), GREY),
    Situation("PNG, 8 bits, alpha", saved(np.dstack([_RGB, _HALF]), "PNG"), _OVER_WHITE),
    Situation("PNG, 16 bits, empty alpha", png(np.dstack([_WIDE] * 3 + [_WIDE * 0])), GREY, wide=True),
    Situation("PNG, 16 bits, alpha", png(np.dstack([_WIDE] * 3 + [_HALF * np.uint16(257)])), _OVER_WHITE, wide=True),
    Situation(
        "PNG, 16 bits, one clear value", png(_WIDE, (b"tRNS", b"\0\0")), np.where(GREY == 0, 255, GREY), wide=True
    ),
    Situation("PNG, animated", png(_WIDE, (b"acTL", struct.pack(">II", 3, 0))), "several"),
    Situation("PNG, cut", png(_WIDE)[:-400], "truncated"),
    Situation("BMP", saved(GREY, "BMP"), GREY),
    Situation("WebP", saved(_RGB, "WEBP", lossless=True), GREY),
    Situation("GIF", saved(GREY, "GIF"), GREY),
    Situation(
        "GIF, animated", saved(GREY, "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)]), "several"
    ),
    Situation(
        "WebP, animated", saved(_RGB, "WEBP", save_all=True, append_images=[Image.fromarray(255 - _RGB)]), "several"
    ),
    Situation("JPEG 2000, 8 bits", _j2k(8, False), GREY, 1),
    Situation("JPEG 2000, 16 bits", _j2k(16, False), GREY, 1, wide=True),
    Situation("JPEG 2000, 16 bits, RGB", _j2k(16, True), GREY, 1, wide=True),
    Situation("PGM, 8 bits", netpbm("5", GREY, "255"), GREY),
    Situation("PGM, 12 bits", netpbm("5", _TWELVE.astype(">u2"), "4095"), GREY),
    Situation("PGM, 16 bits", netpbm("5", _WIDE.astype(">u2"), "65535"), GREY, wide=True),
    Situation("PGM, above its maxval", netpbm("5", _WIDE.astype(">u2"), "4095"), "corrupt"),
    Situation("PPM, 16 bits", netpbm("6", np.dstack([_WIDE] * 3).astype(">u2"), "65535"), GREY, wide=True),
    Situation("PFM", netpbm("f", _UNIT[::-1].astype("<f4"), "-1.0"), GREY),
    Situation("PFM, big-endian", netpbm("f", _UNIT[::-1].astype(">f4"), "1.0"), GREY),
    Situation("PGM, cut", netpbm("5", GREY, "255")[:-9], "truncated"),
    Situation("PGM, two in a file", netpbm("5", GREY, "255") * 2, "several"),
    Situation("JPEG of 12 bits", jpeg().replace(b"\xff\xc0\x00\x0b\x08", b"\xff\xc1\x00\x0b\x0c"), "unsupported"),
)
SITUATIONS = (*TIFFS, *OTHERS)
