"""The benchmark of frames: megapixels a second of the stages alone and end to end, and the peak of memory.

Other programs on the same cores slow the clock's rate, and hardly the rate by processor time. So both are measured.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from steelflow.bench import sources, stages
from steelflow.bench.memory import peak_mib
from steelflow.config import FrameSettings, Settings
from steelflow.frames.views import grid
from steelflow.inspection.pipeline import Model, load_model

Say = Callable[[str], None]
Test = tuple[float, Callable[[], object]]
"""The megapixels that a measurement processes, and the measurement."""

_DISTINCT = 96  # frames that are drawn; the others repeat them
_PER_TAR = 500

PLAIN = FrameSettings(background=24)
"""How synthetic frames are judged: in views, with the area beside the strip masked, which is darker than this level."""


class Rate(NamedTuple):
    """Megapixels per second: of all workers by the clock, and per second of one core's processor time."""

    wall: float
    core: float


@dataclass(frozen=True, slots=True)
class FrameBench:
    """``frames`` of ``width`` × ``height`` pixels are measured in each of ``rounds`` rounds, and the peak of memory at
    each number of frames in ``memory``."""

    width: int = 1600
    height: int = 256
    frames: int = 1000
    rounds: int = 5
    memory: tuple[int, ...] = (1_000, 50_000)


def run_frame_bench(settings: Settings, what: FrameBench, say: Say) -> dict[str, Any]:
    """Measure the configured model on synthetic frames, judged as ``settings.frame`` says or else as ``PLAIN``.

    Every figure is the median of the rounds.

    Raises:
        ModelError, EngineError, StoreError: as in an inspection.
        DataError: a frame failed, or the process whose memory is measured did.
    """
    frame = settings.frame or PLAIN
    settings = settings.model_copy(update={"frame": frame})
    model = load_model(settings)
    spec = model.engine.spec
    side = frame.view or spec.view or spec.input_size
    views = len(grid(max(what.height, side), max(what.width, side), side, frame.overlap))
    shape = views * spec.input_size**2 / (what.width * what.height)
    say(f"drawing frames of {what.width}×{what.height}")
    images = list(islice(drawn(what.width, what.height), min(_DISTINCT, what.frames)))
    with tempfile.TemporaryDirectory(prefix="steelflow-bench-") as scratch:
        root = Path(scratch)
        sources.write_tars(root / "tars", images, what.frames, _PER_TAR)
        sources.write_loose(root / "loose", images, what.frames)
        made = [sources.local("tar files", root / "tars"), sources.local("loose files", root / "loose")]
        found = {
            "model": {"name": spec.name, "arch": spec.arch, "digest": model.engine.digest, "engine": model.engine.name},
            "input_size": spec.input_size,
            "workers": model.workers,
            "batch_size": model.batch_size,
            "frames": {
                "width": what.width,
                "height": what.height,
                "count": what.frames,
                "bytes": round(sum(map(len, images)) / len(images)),
            },
            "views": {"side": side, "overlap": frame.overlap, "per_frame": views},
            "view_pixels_per_pixel": round(shape, 3),
            "rounds": what.rounds,
            **_rates(_tests(model, frame, images, made, views, what), shape, what.rounds, say),
        }
        if what.memory:
            found["peak_mib"] = _peaks(root / "memory", images, settings, what.memory, say)
    return found


def drawn(width: int, height: int) -> Iterator[bytes]:
    """JPEGs of the synthetic plant's frames, without end."""
    from steelflow.synth.frame_spec import FramePlantSpec
    from steelflow.synth.frames import frame_objects

    seed = 0
    while True:
        plant = FramePlantSpec(seed=seed, width=width, height=height, nights=1, coils=2, frames=6, sharded=0, broken=0)
        yield from (data for _, data in frame_objects(plant))
        seed += 1


def _tests(
    model: Model, frame: FrameSettings, images: list[bytes], made: list[sources.Source], views: int, what: FrameBench
) -> dict[str, Test]:
    megapixels = what.frames * what.width * what.height / 1e6
    batches = max(1, round(what.frames * views / model.batch_size / model.workers)) * model.workers
    judged, size = batches * model.batch_size, model.engine.spec.input_size
    tests: dict[str, Test] = {
        "decode": (megapixels, partial(stages.decode_frames, images, what.frames, model.workers)),
        "infer": (
            judged * size * size / 1e6,
            partial(stages.infer_only, model.engine, model.batch_size, judged, model.workers),
        ),
    }
    for source in made:
        tests[source.name] = (megapixels, partial(stages.end_to_end, source, model, frame))
    return tests


def _rates(tests: dict[str, Test], shape: float, rounds: int, say: Say) -> dict[str, Any]:
    """Measure in turns, so that a slow minute of the machine affects all tests. ``shape``: view pixels per pixel."""
    found: dict[str, list[Rate]] = {name: [] for name in (*tests, "infer, frame pixels", "bound")}
    for turn in range(rounds):
        for name, (megapixels, test) in tests.items():
            say(f"round {turn + 1} of {rounds}: {name}")
            found[name].append(_measured(megapixels, test))
        decode, infer = found["decode"][-1], Rate(*(rate / shape for rate in found["infer"][-1]))
        found["infer, frame pixels"].append(infer)
        found["bound"].append(Rate(*(1 / (1 / one + 1 / other) for one, other in zip(decode, infer, strict=True))))
    return {
        "megapixels_per_second": {name: _median(rates)._asdict() for name, rates in found.items()},
        "share_of_bound": {
            name: _median(
                [
                    Rate(*(one / most for one, most in zip(rate, bound, strict=True)))
                    for rate, bound in zip(found[name], found["bound"], strict=True)
                ]
            )._asdict()
            for name in tests
            if name not in ("decode", "infer")
        },
    }


def _measured(megapixels: float, test: Callable[[], object]) -> Rate:
    started, spent = time.perf_counter(), time.process_time()
    test()
    spent, seconds = time.process_time() - spent, time.perf_counter() - started
    return Rate(megapixels / seconds, megapixels / spent)


def _median(rates: list[Rate]) -> Rate:
    return Rate(*(round(statistics.median(values), 3) for values in zip(*rates, strict=True)))


def _peaks(
    folder: Path, images: list[bytes], settings: Settings, counts: tuple[int, ...], say: Say
) -> dict[str, dict[str, float]]:
    """Peak memory in MiB by kind of source and number of frames."""
    peaks: dict[str, dict[str, float]] = {"tar files": {}, "loose files": {}}
    for count in counts:
        say(f"peak memory at {count:,} frames")
        sources.write_linked_tars(folder / f"tars-{count}", images, count, _PER_TAR)
        sources.write_loose(folder / f"loose-{count}", images, count)
        for kind, source in (("tar files", "tars"), ("loose files", "loose")):
            peaks[kind][str(count)] = round(peak_mib(folder / f"{source}-{count}", settings), 1)
    return peaks
