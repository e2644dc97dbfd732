"""The batch size: measured, within a limit on memory."""

from __future__ import annotations

import time

import numpy as np

from steelflow.engine.base import Engine, slice_of

_CANDIDATES = (128, 256)  # not fewer: a chunk has a fixed cost besides the network
_DEVICE_CANDIDATES = (64, 128, 256, 512, 1024)
_ACTIVATION_CHANNELS = 64  # full-resolution float32 planes that a network may hold per image: a generous bound
_BYTES_PER_PIXEL = 8  # of an image that waits in a batch: its pixels, a copy, and what the network says of it
_SECONDS_EACH = 0.04
_AS_GOOD_AS = 0.97


def choose_batch_size(engine: Engine, memory_limit_mib: int, callers: int) -> int:
    """The smallest batch size within 3 % of the fastest, if ``callers`` batches at a time stay below the memory limit.

    At equal speed a smaller batch is better: less memory, and a shorter wait at the end of a unit.
    """
    fits = _most(engine, memory_limit_mib * 1024 * 1024 // callers)
    candidates = [n for n in (_DEVICE_CANDIDATES if engine.on_device else _CANDIDATES) if n <= fits]
    if not candidates:
        return max(1, fits)
    speeds = [_images_per_second(engine, n) for n in candidates]
    best = max(speeds)
    return next(n for n, speed in zip(candidates, speeds, strict=True) if speed >= _AS_GOOD_AS * best)


def _most(engine: Engine, limit: int) -> int:
    """How many images of a batch fit into ``limit`` bytes. On a CPU one slice of them at a time is in the network."""
    pixels = engine.spec.input_size**2
    computed = pixels * 4 * _ACTIVATION_CHANNELS
    together = slice_of(engine.spec.input_size)
    if engine.on_device or limit < together * computed:
        return limit // computed
    return together + (limit - together * computed) // (pixels * _BYTES_PER_PIXEL)


def _images_per_second(engine: Engine, batch_size: int) -> float:
    size = engine.spec.input_size
    batch = np.random.default_rng(0).integers(0, 256, (batch_size, 1, size, size), dtype=np.uint8)
    engine.run(batch)
    fastest, spent = float("inf"), 0.0
    while spent < _SECONDS_EACH:
        start = time.perf_counter()
        engine.run(batch)
        elapsed = time.perf_counter() - start
        fastest, spent = min(fastest, elapsed), spent + elapsed
    return batch_size / fastest
