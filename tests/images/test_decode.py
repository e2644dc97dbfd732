"""Bytes to a grey picture, against the pixels that were put in."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from steelflow.config import LimitSettings
from steelflow.images.decode import Grey, decode, resize
from steelflow.records import Failure

LIMITS = LimitSettings()
GREY = np.random.default_rng(0).integers(0, 256, (37, 53), np.uint8)


def packed(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Grey:
    found = decode(data, LIMITS)
    assert not isinstance(found, Failure), found
    return found


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_grey_level(kind: str) -> None:
    assert np.array_equal(decoded(packed(Image.fromarray(GREY), kind)), GREY)


def test_a_grey_jpeg_is_decoded_as_pillow_does() -> None:
    data = packed(Image.fromarray(GREY), "JPEG", quality=90)
    with Image.open(io.BytesIO(data)) as picture:
        assert np.abs(decoded(data).astype(int) - np.asarray(picture)).max() <= 1


def test_three_equal_channels_give_that_channel() -> None:
    colour = Image.fromarray(np.repeat(GREY[:, :, None], 3, 2))
    assert np.array_equal(decoded(packed(colour, "PNG")), GREY)


def test_sixteen_bits_keep_their_upper_eight() -> None:
    wide = GREY.astype(np.uint16) * 256 + 77
    assert np.array_equal(decoded(packed(Image.fromarray(wide), "PNG")), GREY)


def test_transparency_is_put_over_white() -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2, :, 3] = 255
    assert decoded(packed(Image.fromarray(clear), "PNG")).tolist() == [[0] * 4] * 2 + [[255] * 4] * 2


@pytest.mark.parametrize(
    ("data", "limits", "code"),
    [
        (b"", LIMITS, "empty"),
        (b"no image at all", LIMITS, "not_an_image"),
        (packed(Image.fromarray(GREY), "JPEG")[:-200], LIMITS, "truncated"),
        (packed(Image.fromarray(GREY), "PNG"), LimitSettings(image_bytes=100), "too_large"),
        (packed(Image.fromarray(GREY), "PNG"), LimitSettings(image_pixels=37 * 53 - 1), "too_large"),
    ],
)
def test_what_cannot_be_decoded_has_a_reason(data: bytes, limits: LimitSettings, code: str) -> None:
    found = decode(data, limits)
    assert isinstance(found, Failure)
    assert found.code == code


def test_resize_takes_the_mean_of_the_area() -> None:
    blocks = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((5, 5), np.uint8))
    assert np.array_equal(resize(blocks, 4), np.arange(16).reshape(4, 4))
    assert np.array_equal(resize(GREY, 80), cv2.resize(GREY, (80, 80), interpolation=cv2.INTER_LINEAR))
