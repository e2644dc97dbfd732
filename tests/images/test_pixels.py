"""Pixels mean what the file says: grey levels against the picture that was put in."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from pixels import GREY, SITUATIONS, Situation, exif, jpeg, one, png, saved
from tiffs import LONG, SHORT, page, tiff

from steelflow.config import LimitSettings
from steelflow.images.decode import Depth, decode
from steelflow.records import Failure

LIMITS = LimitSettings()


@pytest.mark.parametrize("case", SITUATIONS, ids=lambda case: case.name)
def test_grey_levels_are_those_of_the_picture_or_the_reason_is_given(case: Situation) -> None:
    seen = Depth()
    found = decode(case.data, case.limits, seen)
    if isinstance(case.expected, str):
        assert isinstance(found, Failure), case.name
        assert found.code == case.expected
        return
    assert not isinstance(found, Failure), found
    assert found.shape == case.expected.shape
    assert np.abs(found.astype(int) - case.expected).max() <= case.tolerance
    assert found.mean() == pytest.approx(case.expected.mean(), abs=min(1, case.tolerance) + 1e-9)
    assert seen.images == case.wide


@pytest.mark.parametrize("case", [case for case in SITUATIONS if case.data[:2] in (b"II", b"MM")], ids=lambda c: c.name)
def test_a_cut_or_changed_file_is_a_failure_or_a_picture(case: Situation) -> None:
    """No bytes make ``decode`` raise."""
    rng = np.random.default_rng(len(case.data))
    for _ in range(20):
        data = bytearray(case.data[: rng.integers(1, len(case.data))])
        data[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
        found = decode(bytes(data), case.limits)
        assert isinstance(found, Failure) or found.dtype == np.uint8


def test_the_depth_that_is_used_is_counted() -> None:
    seen = Depth()
    for bits in (10, 12):
        decode(one((GREY.astype(np.uint16) * 257) >> (16 - bits)), LIMITS, seen)
    assert (seen.images, seen.bits) == (2, 12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_means_the_same_in_every_format(orientation: int) -> None:
    wide = GREY.astype(np.uint16) * 257
    upright = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: np.rot90(GREY, -1),
        7: GREY.T[::-1, ::-1],
        8: np.rot90(GREY),
    }[orientation]
    block = Image.Exif()
    block[274] = orientation
    files = {
        "TIFF": one(GREY, {274: (SHORT, [orientation])}),
        "TIFF, 16 bits": one(wide, {274: (SHORT, [orientation])}),
        "TIFF, LZW": saved(GREY, "TIFF", compression="tiff_lzw", exif=block),
        "PNG": saved(GREY, "PNG", exif=block),
        "PNG, 16 bits": png(wide, (b"eXIf", exif(orientation))),
        "WebP": saved(np.dstack([GREY] * 3), "WEBP", lossless=True, exif=block),
    }
    for name, data in files.items():
        found = decode(data, LIMITS)
        assert np.array_equal(found, upright), name  # type: ignore[arg-type]  # a Failure is not equal either
    for late in (False, True):
        found = decode(jpeg(orientation, late), LIMITS)
        assert not isinstance(found, Failure)
        assert found.flags.c_contiguous
        assert found.shape == upright.shape
        assert np.abs(found.astype(int) - upright).mean() < 4


def test_damaged_exif_data_turns_nothing() -> None:
    plain = decode(jpeg(), LIMITS)
    assert np.array_equal(decode(jpeg(99), LIMITS), plain)  # type: ignore[arg-type]
    assert np.array_equal(decode(jpeg(6).replace(exif(6), exif(6)[:9] + bytes(17)), LIMITS), plain)  # type: ignore[arg-type]


def test_the_second_picture_of_a_jpeg_is_not_an_image_of_the_strip() -> None:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(255 - GREY)], quality=95)
    found = decode(buffer.getvalue(), LIMITS)
    assert not isinstance(found, Failure)
    assert found.mean() == pytest.approx(GREY.mean(), abs=1)


def test_a_small_file_cannot_claim_much_memory() -> None:
    """Half a million strips, palettes and tables as large as the file, pixels that are not there."""
    assert code(tiff(page((1 << 19, 1), [b""] * (1 << 19), 8, tags={278: (LONG, [1])}))) == "too_large"
    assert code(tiff(page((8, 8), [bytes(64)], 8, tags={258: (SHORT, [8] * 100_000)}))) is None
    assert code(tiff(page((8, 8), [bytes(64)], 8, tags={320: (SHORT, [8] * 600_000)}))) == "corrupt"
    assert code(tiff(page((60_000, 60_000), [bytes(64)], 8))) == "too_large"
    assert code(tiff(page((8_000, 8_000), [bytes(64)], 8, 64))) == "too_large"


def code(data: bytes) -> str | None:
    found = decode(data, LIMITS)
    return found.code if isinstance(found, Failure) else None
