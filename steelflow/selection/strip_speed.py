"""Megapixels a second of models of views, on one thread, interleaved with ``steelnet``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from steelflow.engine.base import SLICE
from steelflow.engine.onnx import CPU, OnnxEngine
from steelflow.models.shipped import SELECTED, resolve
from steelflow.selection.provenance import provenance, write_result

_PIXELS = 8_000_000  # of each model in a round


def measure_speed(refs: Sequence[str], rounds: int, out: Path, command: str) -> dict[str, Any]:
    """Run each model, and ``steelnet``, over pictures of noise in turn, and write the result file.

    The clock is the thread's processor time: an engine computes on its caller's thread, and the time that other
    programs take does not count.
    """
    engines = {ref: OnnxEngine(resolve(ref), [CPU]) for ref in dict.fromkeys((SELECTED, *refs))}
    rates: dict[str, list[float]] = {ref: [] for ref in engines}
    rng = np.random.default_rng(0)
    for _ in range(rounds + 1):  # the first round is a warm-up
        for ref, engine in engines.items():
            size = engine.spec.input_size
            batch = rng.integers(0, 256, (SLICE, 1, size, size), dtype=np.uint8)
            times = max(1, _PIXELS // batch.size)
            started = time.thread_time()
            for _ in range(times):
                engine.run(batch)
            rates[ref].append(times * batch.size / (time.thread_time() - started) / 1e6)
    result = {
        "kind": "strip-speed",
        "rounds": rounds,
        "batch": SLICE,
        "models": {
            ref: {
                "input_size": engines[ref].spec.input_size,
                "median_mpx_s": round(statistics.median(found[1:]), 1),
                "best_mpx_s": round(max(found[1:]), 1),
                "times_steelnet": round(
                    statistics.median(one / other for one, other in zip(found[1:], rates[SELECTED][1:], strict=True)), 3
                ),
            }
            for ref, found in rates.items()
        },
        **provenance(command),
    }
    write_result(out, result)
    return result
