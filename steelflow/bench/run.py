"""The complete benchmark: make sources, measure stages and end-to-end runs in turns, and compare medians."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steelflow.bench import sources, stages
from steelflow.bench.compare import compare as compare_programs
from steelflow.bench.memory import peak_mib
from steelflow.bench.orchestration import prefect_share
from steelflow.bench.peer_loops import BATCH
from steelflow.config import Settings
from steelflow.inspection.pipeline import load_model
from steelflow.inspection.tuned import cpu
from steelflow.store import open_store
from steelflow.store.embedded import embedded_s3

Say = Callable[[str], None]


def run_bench(
    settings: Settings, data: Path | None, count: int, rounds: int, s3: bool, compare: bool, say: Say
) -> dict[str, Any]:
    """Measure ``count`` images in ``rounds`` rounds. Every figure is the median of the rounds, in images/s."""
    model = load_model(settings)
    spec = model.engine.spec
    images = sources.originals(data)
    with tempfile.TemporaryDirectory(prefix="steelflow-bench-") as scratch:
        root = Path(scratch)
        loose, tars = root / "objects" / "loose", root / "objects" / "tars"  # bucket folders of the embedded server
        say(f"writing {count:,} images as loose files and tars")
        sources.write_loose(loose, images, count)
        sources.write_tars(tars, images, count)
        made = [sources.local("loose files", loose), sources.local("tar files", tars)]
        places, server = {"loose": str(loose), "tars": str(tars)}, None
        with contextlib.ExitStack() as stack:
            if s3:
                places |= {"loose in S3": "s3://loose", "tars in S3": "s3://tars"}
                server = stack.enter_context(embedded_s3(root))
                made.append(sources.as_source("loose in S3", open_store("s3://loose", server)))
                made.append(sources.as_source("tars in S3", open_store("s3://tars", server)))
            figures = _measure(made, images, model, count, rounds, say)
            compared = compare_programs(settings, spec, places, count, rounds, say, server) if compare else None
        result: dict[str, Any] = {
            "machine": {"cpu": cpu(), "workers": model.workers, "python": platform.python_version()},
            "model": {"name": spec.name, "input_size": spec.input_size, "engine": model.engine.name},
            "batch_size": model.batch_size,
            "images": count,
            **figures,
        }
        if compared is not None:
            result |= {"compare": compared, **_dataloader(compared)}
        say(f"peak memory at {count:,} and {4 * count:,} images")
        four = root / "four"
        sources.write_loose(four, images, 4 * count)
        small, large = peak_mib(loose, settings), peak_mib(four, settings)
        result["peak_mib"] = {str(count): small, str(4 * count): large, "ratio": large / small}
        if importlib.util.find_spec("prefect"):
            say(f"the nightly flow over {4 * count:,} images")
            result["prefect_share"] = prefect_share(four, settings)
    return result


def _measure(
    made: list[sources.Source], images: list[bytes], model: Any, count: int, rounds: int, say: Say
) -> dict[str, Any]:
    spec = model.engine.spec
    tests: dict[str, Callable[[], float]] = {
        "decode": lambda: stages.decode_only(images, count, spec.input_size, model.workers),
        "infer": lambda: stages.infer_only(model.engine, model.batch_size, count, model.workers),
    }
    for source in made:
        tests[f"fetch {source.name}"] = lambda source=source: stages.fetch_only(source)  # type: ignore[misc]
        tests[f"whole {source.name}"] = lambda source=source: stages.end_to_end(source, model)  # type: ignore[misc]
    rates: dict[str, list[float]] = {name: [] for name in tests}
    bounds: list[float] = []
    for turn in range(rounds):
        for name, test in tests.items():  # in turns, so that a slow minute of the machine affects all tests
            say(f"round {turn + 1} of {rounds}: {name}")
            rates[name].append(test())
        bounds.append(1 / (1 / rates["decode"][-1] + 1 / rates["infer"][-1]))
    figure = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "decode": figure["decode"],
        "infer": figure["infer"],
        "bound": statistics.median(bounds),
        "sources": {
            source.name: {
                "fetch": figure[f"fetch {source.name}"],
                "end_to_end": figure[f"whole {source.name}"],
                "ratio": statistics.median(
                    whole / bound for whole, bound in zip(rates[f"whole {source.name}"], bounds, strict=True)
                ),
            }
            for source in made
        },
    }


def _dataloader(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of PyTorch's DataLoader from loose files, as earlier versions named it."""
    for one in found:
        if (one["program"], one["source"]) == ("DataLoader", "loose") and "error" not in one:
            how = f"{len(os.sched_getaffinity(0))} workers, batch {BATCH}"
            return {"dataloader": {"images_per_second": one["images_per_second"], "setting": how}}
    return {}
