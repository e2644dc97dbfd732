"""Work and memory are bounded by what a header says, before a decoder begins."""

from __future__ import annotations

import io
import threading
import time
import tracemalloc

import numpy as np
import pytest
from bombs import BOMBS, Bomb, repeated_scan
from PIL import Image
from pixels import GREY, png, saved

from steelflow.config import LimitSettings
from steelflow.images import limits
from steelflow.images.decode import decode
from steelflow.images.limits import Room, TooSlow, Turn
from steelflow.images.pages import pages
from steelflow.records import Failure

LIMITS = LimitSettings()


@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS if "TIFF" in bomb.name], ids=lambda bomb: bomb.name)
def test_the_pages_of_a_bomb_are_read_in_bounded_memory(bomb: Bomb) -> None:
    data = bomb.make()
    for page in pages(data) or ():
        assert isinstance(page, Failure) or len(page) < 2 * len(data)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb_is_a_failed_row(bomb: Bomb) -> None:
    data = bomb.make()
    tracemalloc.start()
    try:
        found = decode(data, LIMITS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(found, Failure), found
    assert found.code == bomb.code, found
    assert peak < (32 << 20) + 2 * len(data)


def test_the_scans_of_a_small_file_are_counted_in_two_seconds() -> None:
    """600,000 scans of 990 × 1000 pixels would take minutes."""
    data = repeated_scan(600_000)
    started = time.thread_time()
    found = decode(data, LIMITS)
    assert time.thread_time() - started < 2
    assert isinstance(found, Failure)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("size", [(200, 200), (1600, 900)])
def test_usual_progressive_images_are_read(mode: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).bytes(size[0] * size[1] * len(mode))
    buffer = io.BytesIO()
    Image.frombytes(mode, size, noise).save(buffer, "JPEG", progressive=True)
    found = decode(buffer.getvalue(), LIMITS)
    assert not isinstance(found, Failure), found
    assert found.shape == size[::-1]


@pytest.mark.parametrize(
    ("data", "weight"),
    [
        (saved(GREY, "PNG"), 1),
        (saved(np.dstack([GREY] * 3), "PNG"), 1),
        (saved(np.dstack([GREY] * 4), "PNG"), 3),
        (png(GREY.astype(np.uint16) * 257), 1),
        (png(np.dstack([GREY.astype(np.uint16) * 257] * 3)), 3),
        (saved(GREY.astype(np.float32) / 255, "TIFF", compression="tiff_deflate"), 3),
    ],
    ids=["grey", "RGB", "alpha", "16 bits", "RGB of 16 bits", "float"],
)
def test_a_pixel_counts_what_its_mode_costs(data: bytes, weight: int) -> None:
    assert not isinstance(decode(data, LimitSettings(image_pixels=weight * GREY.size)), Failure)
    found = decode(data, LimitSettings(image_pixels=weight * GREY.size - 1))
    assert isinstance(found, Failure)
    assert found.code == "too_large"


def test_a_decoder_that_reads_for_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", -1.0)
    with pytest.raises(TooSlow):
        limits.Timed(b"x").read(1)
    found = decode(saved(GREY, "PNG"), LIMITS)
    assert isinstance(found, Failure)
    assert found.code == "too_slow"
    with Image.open(limits.io.BytesIO(saved(GREY, "PNG"))) as image:
        assert image.size == GREY.shape[::-1]


def test_large_pictures_wait_for_each_other() -> None:
    """Of a room for two, never more than two are in it; one that needs more has it for itself."""
    room = Room(100)
    inside, most, lock = [0], [0], threading.Lock()

    def enter(size: int) -> None:
        for _ in range(200):
            taken = room.take(size)
            with lock:
                inside[0] += taken
                most[0] = max(most[0], inside[0])
            time.sleep(0)
            with lock:
                inside[0] -= taken
            room.give(taken)

    threads = [threading.Thread(target=enter, args=(size,)) for size in (40, 50, 50, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside[0], most[0] <= 100) == (0, True)


def test_the_memory_of_a_picture_is_given_back() -> None:
    turn = Turn(Room(limits.SMALL * 8))
    large = saved(np.zeros((3000, 3000), np.uint8), "PNG")
    for _ in range(20):
        assert not isinstance(decode(large, LIMITS, None, turn), Failure)
        assert turn.held > limits.SMALL
        turn.give_back()
    assert not isinstance(decode(saved(GREY, "PNG"), LIMITS, None, turn), Failure)
    assert turn.held == 0
