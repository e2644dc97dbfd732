"""The rate of PyTorch's DataLoader with the same model on the same files, for comparison.

Worker processes load files, Pillow decodes them, onnxruntime classifies on all cores, and a Parquet file with labels
and probabilities is written. The figure is the best of several settings.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import polars as pl

_BATCHES = (64, 256)


def dataloader_rate(folder: Path, model: Path, size: int, classes: int) -> tuple[float, str]:
    """The best images per second over the files of ``folder``, and its setting."""
    files = sorted(str(path) for path in folder.rglob("*.jpg"))
    workers = len(os.sched_getaffinity(0))
    rates = {
        f"{count} workers, batch {batch}": _run(files, model, size, classes, count, batch)
        for count in (workers, max(1, workers // 2))
        for batch in _BATCHES
    }
    best = max(rates, key=lambda name: rates[name])
    return rates[best], best


def _run(files: list[str], model: Path, size: int, classes: int, workers: int, batch_size: int) -> float:
    from torch.utils.data import DataLoader

    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    loader: Any = DataLoader(
        _Files(files, size),  # type: ignore[arg-type]  # any sequence will do
        batch_size,
        num_workers=workers,
        collate_fn=np.stack,
        multiprocessing_context="fork",
    )
    started = time.perf_counter()
    logits = np.concatenate([session.run(["logits"], {"image": batch})[0] for batch in loader])
    frame = pl.DataFrame({"file": files, "label": logits.argmax(axis=1)})
    frame = frame.with_columns(pl.Series(f"logit_{c}", logits[:, c]) for c in range(classes))
    with tempfile.TemporaryDirectory() as out:
        frame.write_parquet(Path(out) / "report.parquet")
        return len(files) / (time.perf_counter() - started)


class _Files:
    def __init__(self, files: list[str], size: int) -> None:
        self._files, self._size = files, size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        from PIL import Image

        with Image.open(self._files[index]) as image:
            image.draft("L", None)  # no scaling, grey only
            grey = image.convert("L").resize((self._size, self._size), Image.Resampling.BOX)
        return np.asarray(grey)[None]
