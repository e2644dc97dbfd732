"""What was measured once about a model on a machine: the engine that runs it, and the batch size.

Measuring takes a tenth of a second and more, so the answer is kept in ``home`` if there is one, for its owner only. It
is measured again when the machine, an engine, the model or a setting that matters is another one, and when the file is
damaged.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from steelflow.config import ModelSettings
from steelflow.engine import KINDS, Engine, open_engine
from steelflow.engine.batch import choose_batch_size
from steelflow.engine.openvino import prefers_openvino
from steelflow.errors import EngineError, StoreError
from steelflow.store.private import own_folder, own_home, write_own

FOLDER = "tuning"
_RUNTIMES = ("steelflow", "numpy", "onnxruntime", "onnxruntime-gpu", "openvino", "torch")
_MOST_BATCH = 4096
_IMAGES, _ROUNDS = 64, 5


class Tuning(NamedTuple):
    """``engine`` is a kind of ``open_engine``; ``batch_size`` in images."""

    engine: str
    batch_size: int


def tuned_engine(path: Path, settings: ModelSettings, workers: int, home: Path) -> tuple[Engine, int]:
    """The engine for the model at ``path`` and its batch size: as set, as remembered in ``home``, or measured.

    Raises ``EngineError`` and ``ModelError`` as ``open_engine`` does.
    """
    file = home / FOLDER / f"{_key(path, settings, workers)}.json"
    known = _remembered(file)
    kind = settings.engine if settings.engine != "auto" or known is None else known.engine
    engine = _fastest(path) if kind == "auto" else open_engine(path, kind)
    if settings.batch_size is not None:
        return engine, settings.batch_size
    if known is not None:
        return engine, known.batch_size
    batch = choose_batch_size(engine, settings.memory_limit_mib, workers)
    _remember(file, home, Tuning(_kind_of(engine), batch))
    return engine, batch


def machine() -> str:
    """The processor's name, the number of cores that this process may use, and the machine's name."""
    return f"{cpu()}, {len(os.sched_getaffinity(0))} cores, {platform.node()}"


def cpu() -> str:
    """The processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _key(path: Path, settings: ModelSettings, workers: int) -> str:
    """SHA-256 of all that the answer depends on."""
    try:
        model = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        model = ""  # the engine says what is wrong with the file
    runtimes = {}
    for name in _RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            runtimes[name] = importlib.metadata.version(name)
    runtimes["nvidia"] = str(Path("/proc/driver/nvidia").exists())
    asked = [settings.engine, settings.batch_size, settings.memory_limit_mib, workers]
    return hashlib.sha256(json.dumps([machine(), runtimes, model, asked]).encode()).hexdigest()


def _remembered(file: Path) -> Tuning | None:
    try:
        found = json.loads(file.read_bytes())
        tuning = Tuning(found["engine"], found["batch_size"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = tuning.engine in KINDS and type(tuning.batch_size) is int and 1 <= tuning.batch_size <= _MOST_BATCH
    return tuning if known else None


def _remember(file: Path, home: Path, tuning: Tuning) -> None:
    if not home.is_dir():  # a single command leaves no folder behind
        return
    with contextlib.suppress(OSError, StoreError):  # a home that cannot be written: measured again next time
        own_folder(own_home(home) / FOLDER)
        write_own(file, json.dumps(tuning._asdict()))


def _fastest(path: Path) -> Engine:
    """The engine that ``auto`` stands for. A model that may run in bfloat16, because its accuracy was measured so, runs
    in OpenVINO if that takes less processor time here; all others run as ``open_engine`` says."""
    engine = open_engine(path)
    if _kind_of(engine) != "openvino" or not prefers_openvino(path):
        return engine
    try:
        other = open_engine(path, "onnxruntime")
    except EngineError:
        return engine
    return min(engine, other, key=_seconds)


def _seconds(engine: Engine) -> float:
    """Processor time of a batch on one thread: other programs change it less than the time by the clock."""
    size = engine.spec.input_size
    batch = np.random.default_rng(0).integers(0, 256, (_IMAGES, 1, size, size), dtype=np.uint8)
    engine.run(batch)
    spent = []
    for _ in range(_ROUNDS):
        started = time.thread_time()
        engine.run(batch)
        spent.append(time.thread_time() - started)
    return min(spent)


def _kind_of(engine: Engine) -> str:
    """The kind by which ``open_engine`` opens the same engine: the first word of its name."""
    return engine.name.partition(" ")[0]
