"""One image of a TIFF to grey.

libtiff (through Pillow) only unpacks the bytes of the strips or tiles: each is presented to it as a grey image of 8
bits. What the bytes mean (sample format, depth, predictor, photometric interpretation) is decided here, because Pillow
knows few combinations and reads some of them wrongly. JPEG, fax and other codecs that need to know the samples go
through Pillow as a whole.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from steelflow.config import LimitSettings
from steelflow.images import jpeg, tiff
from steelflow.images.limits import Turn, too_many_pixels
from steelflow.images.orientation import turned
from steelflow.images.samples import Depth, Grey, Span, Values, grey_levels, luma, over_white
from steelflow.images.tiff import Directory, TiffError
from steelflow.records import Failure

_BYTES = frozenset((1, 5, 8, 32773, 32946, 34925, 50000))  # none, LZW, deflate, PackBits, deflate, LZMA, Zstandard
_JPEG = frozenset((6, 7))
_BY_PILLOW = frozenset((2, 3, 4, 6, 7, 32771))  # fax, JPEG
_WHITE_IS_0, _BLACK_IS_0, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
_CHANNELS = {_WHITE_IS_0: 1, _BLACK_IS_0: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _LAB: 3, _ICC_LAB: 3}
_UNSIGNED, _SIGNED, _FLOAT, _UNDEFINED = 1, 2, 3, 4
_KINDS = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f", _UNDEFINED: "u"}
_WHOLE = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}  # bits that numpy has a type for
_MULTIPLIED, _ALPHA = 1, 2
_MEANING = (
    *(tiff.PLANAR, tiff.PREDICTOR, tiff.COLOURS, tiff.EXTRA, tiff.SAMPLE_FORMAT, tiff.ORIENTATION),
    *(tiff.SMALLEST, tiff.LARGEST, tiff.LEAST, tiff.MOST),
)
_MOST_CHANNELS, _MOST_COLOURS = 64, 3 << 16  # values that are read
_BLOCK = 1 << 20  # samples that are unpacked at a time


class _Layout(NamedTuple):
    width: int
    height: int
    bits: int
    kind: str
    channels: int
    photometric: int
    planar: bool


def decode_tiff(data: bytes, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    """Grey levels of a TIFF with one image, turned as its orientation says. Errors of Pillow are the caller's."""
    try:
        found = tiff.images(data)
        one = next(found)
        if next(found, None) is not None:
            return Failure("several", "the file has several images; each is a row of its own, or save them as files")
        grey = _grey(one, limits, seen, turn)
    except TiffError as exc:
        return exc.failure
    return grey if isinstance(grey, Failure) else turned(grey, one.first(tiff.ORIENTATION, 1))


def _grey(one: Directory, limits: LimitSettings, seen: Depth | None, turn: Turn | None) -> Grey | Failure:
    layout = _layout(one)
    width, height = _covered(one, layout)
    if refused := too_many_pixels(width, height, limits, _cost(one, layout), turn):
        return refused
    _check_segments(one, layout)
    if one.first(tiff.COMPRESSION, 1) in _JPEG:
        _check_scans(one, width, height, limits)
    if one.first(tiff.COMPRESSION, 1) not in _BYTES or layout.photometric == _YCBCR:
        return _by_pillow(one, layout)
    needed = _CHANNELS.get(layout.photometric)
    if needed is None:
        raise TiffError("unsupported", f"photometric interpretation {layout.photometric}; save it as grey or RGB")
    if layout.channels < needed:
        raise TiffError("corrupt", f"{layout.channels} samples per pixel, {needed} are needed")
    values = _samples(one, layout)
    colours = _colours(one, layout, values[:, :, :needed], limits, seen)
    if isinstance(colours, Failure):
        return colours
    grey = colours if colours.ndim == 2 else luma(colours)
    if layout.photometric == _WHITE_IS_0:
        grey = 255 - grey
    return _opaque(one, layout, grey, values[:, :, needed:], limits)


def _layout(one: Directory) -> _Layout:
    width, height = one.first(tiff.WIDTH, 0), one.first(tiff.HEIGHT, 0)
    bits = set(one.values(tiff.BITS, _MOST_CHANNELS)) or {1}
    formats = set(one.values(tiff.SAMPLE_FORMAT, _MOST_CHANNELS)) or {_UNSIGNED}
    channels = one.first(tiff.CHANNELS, 1)
    if width < 1 or height < 1 or channels < 1:
        raise TiffError("corrupt", f"{width}×{height} pixels with {channels} samples")
    if channels > _MOST_CHANNELS:  # each plane is cut out of the file on its own
        raise TiffError("unsupported", f"{channels:,} samples per pixel, at most {_MOST_CHANNELS} are read")
    kind = _KINDS.get(int(min(formats)))
    if len(bits) > 1 or len(formats) > 1 or kind is None:
        raise TiffError("unsupported", f"samples of bits {sorted(bits)} and formats {sorted(formats)}; save as grey")
    fax = one.first(tiff.COMPRESSION, 1) in (2, 3, 4)
    photometric = one.first(tiff.PHOTOMETRIC, _RGB if channels >= 3 else _WHITE_IS_0 if fax else _BLACK_IS_0)
    planar = channels > 1 and one.first(tiff.PLANAR, 1) == 2
    return _Layout(width, height, int(bits.pop()), kind, channels, photometric, planar)


def _covered(one: Directory, layout: _Layout) -> tuple[int, int]:
    """The size that is decoded: whole tiles, and the tiles of one row at least."""
    if tiff.TILE_OFFSETS not in one.tags:
        return layout.width, layout.height
    across, down = (max(1, one.first(tag, 0)) for tag in (tiff.TILE_WIDTH, tiff.TILE_HEIGHT))
    return -(-layout.width // across) * across, max(layout.height, down)


def _cost(one: Directory, layout: _Layout) -> float:
    """Bytes per pixel at the peak, measured: the unpacked bytes twice, and what the arithmetic needs."""
    raw = layout.channels * layout.bits / 8
    needed = _CHANNELS.get(layout.photometric, 1)
    found = 4 + 2 * raw
    if layout.photometric in (_LAB, _ICC_LAB):
        return found + 50
    if layout.kind != "u" or layout.bits > 16:
        found += 9 * needed
    elif layout.bits not in _WHOLE["u"]:
        found += 16
    if one.first(tiff.PREDICTOR, 1) != 1:
        found += raw * (2 if layout.kind == "f" else 1)
    if needed > 1 or layout.photometric == _PALETTE:
        found += 8
    return found + (8 if layout.channels > needed else 0)


def _check_segments(one: Directory, layout: _Layout) -> None:
    """Decoders leave a missing strip or tile black, and read too short ones on into what follows."""
    sizes = [size for _, size in one.segments()]
    tiled = tiff.TILE_OFFSETS in one.tags
    width = one.first(tiff.TILE_WIDTH, 0) if tiled else layout.width
    height = one.first(tiff.TILE_HEIGHT, 0) if tiled else min(one.first(tiff.ROWS_PER_STRIP, 1 << 31), layout.height)
    if min(width, height) < 1:
        raise TiffError("corrupt", "strips or tiles without a size")
    down = -(-layout.height // height)
    planes = layout.channels if layout.planar else 1
    wanted = down * -(-layout.width // width) * planes
    if len(sizes) != wanted:
        raise TiffError("truncated", f"has {len(sizes):,} of {wanted:,} strips or tiles; write it again")
    if one.first(tiff.COMPRESSION, 1) == 1 and layout.photometric != _YCBCR:
        row = -(-width * (layout.channels // planes) * layout.bits // 8)
        last = height if tiled else layout.height - (down - 1) * height
        if any(size < row * (last if i % down == down - 1 else height) for i, size in enumerate(sizes)):
            raise TiffError("truncated", "a strip or tile has too few bytes; copy or write the file again")


def _check_scans(one: Directory, width: int, height: int, limits: LimitSettings) -> None:
    """libtiff goes over a strip or tile once for each scan of its JPEG, and cannot be interrupted."""
    segments = one.segments()
    pixels = -(-width * height // len(segments))
    scans = sum(one.data.count(jpeg.SCAN, start, start + size) for start, size in segments)
    if refused := jpeg.too_much_work(scans, pixels, len(segments), limits):
        raise TiffError(refused.code, refused.detail)


def _samples(one: Directory, layout: _Layout) -> Values:
    """The values, (H, W, channels)."""
    if not layout.planar:
        return _plane(one, layout, (0, 1))
    single = layout._replace(channels=1)
    planes = [_plane(one, single, (number, layout.channels)) for number in range(layout.channels)]
    return np.concatenate(planes, axis=2)


def _plane(one: Directory, layout: _Layout, plane: tuple[int, int]) -> Values:
    """The values of the samples that are stored together, (H, W, channels)."""
    tiled = tiff.TILE_OFFSETS in one.tags
    piece = one.first(tiff.TILE_WIDTH, 0) if tiled else layout.width
    if piece < 1:
        raise TiffError("corrupt", "tiles without a width")
    across = -(-layout.width // piece)
    row = -(-piece * layout.channels * layout.bits // 8)
    changes: dict[int, tuple[int, ...]] = {
        tiff.WIDTH: (across * row,),
        tiff.BITS: (8,),
        tiff.CHANNELS: (1,),
        tiff.PHOTOMETRIC: (_BLACK_IS_0,),
        **dict.fromkeys(_MEANING, ()),
    }
    if tiled:
        changes[tiff.TILE_WIDTH] = (row,)
    # Not Image.open: its limit is meant for pixels, and ours has been checked.
    with TiffImagePlugin.TiffImageFile(io.BytesIO(tiff.alone(one, changes, plane))) as image:
        rows = np.asarray(image).reshape(layout.height * across, row)
    numbers = _numbers(rows, layout, one.order, one.first(tiff.PREDICTOR, 1), piece)
    return numbers.reshape(layout.height, across * piece, layout.channels)[:, : layout.width]


def _numbers(rows: Grey, layout: _Layout, order: str, predictor: int, piece: int) -> Values:
    """(rows, piece × channels) numbers of rows of bytes, with the predictor undone."""
    bits, kind, channels = layout.bits, layout.kind, layout.channels
    count = piece * channels
    if bits not in _WHOLE[kind]:
        if kind != "u" or bits > 16 or predictor != 1:
            raise TiffError("unsupported", f"{bits}-bit samples of kind {kind!r}, predictor {predictor}; save as grey")
        return _unpacked(rows, bits, count)
    size = bits // 8
    if predictor == 3:
        if kind != "f":
            raise TiffError("corrupt", "a predictor for floating-point values, and none here")
        summed = np.cumsum(rows.reshape(len(rows), -1, channels), axis=1, dtype=np.uint8)
        planes = summed.reshape(len(rows), size, count)
        return np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")[:, :, 0].astype(f"f{size}")
    native = np.ascontiguousarray(rows).view(f"{order}{kind}{size}").astype(f"{kind}{size}", copy=False)
    if predictor == 2:
        whole = native.view(f"u{size}").reshape(len(rows), piece, channels)
        return np.cumsum(whole, axis=1, dtype=f"u{size}").reshape(len(rows), count).view(f"{kind}{size}")
    if predictor != 1:
        raise TiffError("unsupported", f"predictor {predictor}; save it without")
    return native


def _unpacked(rows: Grey, bits: int, count: int) -> Values:
    """Numbers of 1 to 16 bits that follow each other without a gap, the highest bit first."""
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    found = np.empty((len(rows), count), np.uint8 if bits <= 8 else np.uint16)
    step = max(1, _BLOCK // count)
    for top in range(0, len(rows), step):
        single = np.unpackbits(rows[top : top + step], axis=1)[:, : count * bits]
        found[top : top + step] = single.reshape(len(single), count, bits) @ weights
    return found


def _colours(
    one: Directory, layout: _Layout, values: Values, limits: LimitSettings, seen: Depth | None
) -> Grey | Failure:
    """Grey (H, W), or red, green and blue (H, W, 3)."""
    if layout.photometric == _PALETTE:
        return _looked_up(one, layout, values[:, :, 0])
    if layout.photometric in (_LAB, _ICC_LAB):
        return _from_lab(layout, values)
    plain = values[:, :, 0] if values.shape[2] == 1 else values
    levels = grey_levels(plain, layout.bits, _stated(one, layout), limits.sample_bits, seen)
    if layout.photometric == _CMYK and not isinstance(levels, Failure):
        height, width, _ = levels.shape
        return np.asarray(Image.frombytes("CMYK", (width, height), levels.tobytes()).convert("RGB"))
    return levels


def _stated(one: Directory, layout: _Layout) -> Span | None:
    """The values of black and white that the file gives. Of integers up to 16 bits only 2ⁿ − 1 counts: some programs
    write the extremes of the picture there."""
    most = one.values(tiff.LARGEST, 1) or (one.values(tiff.MOST, 1) if layout.kind == "u" else ())
    if not most:
        return None
    white = float(most[0])
    least = one.values(tiff.SMALLEST, 1)
    black = float(least[0]) if least else 0.0
    if layout.kind == "u" and layout.bits <= 16:
        used = int(white).bit_length()
        is_depth = black == 0 and white == (1 << used) - 1 and 8 < used < layout.bits
        return (0.0, white) if is_depth else None
    return (black, white) if np.isfinite([black, white]).all() and black < white else None


def _looked_up(one: Directory, layout: _Layout, index: Values) -> Grey:
    """The colours of a palette. Some programs write 8-bit colours where the standard wants 16 bits; so does libtiff."""
    palette = np.array(one.values(tiff.COLOURS, _MOST_COLOURS), np.uint16)
    if layout.kind != "u" or palette.size != 3 << layout.bits:
        raise TiffError("corrupt", f"a palette of {palette.size} values for {layout.bits} bits")
    colours = palette.reshape(3, -1).T
    return (colours >> 8 if palette.max() > 255 else colours).astype(np.uint8)[index]


def _from_lab(layout: _Layout, values: Values) -> Grey:
    """CIELAB (D50) as sRGB."""
    if layout.bits not in (8, 16) or layout.kind == "f":
        raise TiffError("unsupported", f"CIELAB of {layout.bits} bits; save it as grey")
    scale = 1 << (layout.bits - 8)
    unsigned = values.view(f"u{layout.bits // 8}").astype(np.float32) / scale
    lab = np.empty(values.shape, np.float32)
    white = 255 if layout.photometric == _ICC_LAB else 256 - 1 / scale  # of the upper 8 bits
    lab[:, :, 0] = unsigned[:, :, 0] * (100 / white)
    offset = unsigned[:, :, 1:]
    lab[:, :, 1:] = offset - 128 if layout.photometric == _ICC_LAB else np.where(offset < 128, offset, offset - 256)
    return np.rint(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB) * 255).clip(0, 255).astype(np.uint8)


def _opaque(one: Directory, layout: _Layout, grey: Grey, extra: Values, limits: LimitSettings) -> Grey | Failure:
    """Without transparency. Channels that the file does not call alpha are not used; beside grey they may be images of
    their own, so those are refused."""
    kinds = one.values(tiff.EXTRA, _MOST_CHANNELS)
    place = next((i for i, kind in enumerate(kinds[: extra.shape[2]]) if kind in (_MULTIPLIED, _ALPHA)), None)
    if place is None:
        if extra.shape[2] and layout.photometric in (_WHITE_IS_0, _BLACK_IS_0):
            raise TiffError("unsupported", f"{layout.channels} channels that are neither colours nor alpha")
        return grey
    alpha = extra[:, :, place]
    top = 1.0 if layout.kind == "f" else float(np.iinfo(alpha.dtype).max)
    if limits.sample_bits is not None and layout.bits > 8 and int(alpha.max()) < 1 << limits.sample_bits:
        top = float((1 << limits.sample_bits) - 1)
    levels = np.rint(alpha.astype(np.float32) * np.float32(255 / top)).clip(0, 255).astype(np.uint8)
    return over_white(grey, levels, multiplied=kinds[place] == _MULTIPLIED)


def _by_pillow(one: Directory, layout: _Layout) -> Grey | Failure:
    """Codecs that need to know the samples."""
    white_is_0 = layout.photometric == _WHITE_IS_0 and layout.bits == 8
    changes: dict[int, tuple[int, ...]] = {tiff.ORIENTATION: ()}
    if white_is_0:
        changes[tiff.PHOTOMETRIC] = (_BLACK_IS_0,)
    codec = one.first(tiff.COMPRESSION, 1)
    if codec not in _BYTES | _BY_PILLOW or layout.bits > 8 or layout.kind != "u":
        raise TiffError("unsupported", f"compression {codec} with {layout.bits}-bit samples; save it with LZW or none")
    with TiffImagePlugin.TiffImageFile(io.BytesIO(tiff.alone(one, changes))) as image:
        grey: Grey = np.asarray(image.convert("L"))
    return np.asarray(255 - grey) if white_is_0 else grey
