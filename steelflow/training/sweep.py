"""Choose the input size by measurement: accuracy over seeds, accuracy under disturbance, and speed.

    python -m steelflow.training.sweep --data DIR --sizes 64,80,100 --seeds 0,1,2,3,4 --out FILE

Each seed has its own split and its own initial weights. The file is written after every run. Runs in the file are not
repeated, so a sweep can be stopped and resumed.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime as ort
import typer

from steelflow.images.decode import resize
from steelflow.training.data import Dataset, load_folder
from steelflow.training.export import export_onnx
from steelflow.training.recipe import Recipe
from steelflow.training.robustness import CONDITIONS
from steelflow.training.trained import Trained, logits_of, train_in_memory

BATCH = 32


def resized(data: Dataset, size: int) -> Dataset:
    return replace(data, images=np.stack([resize(picture, size) for picture in data.images]))


def under_disturbance(trained: Trained, native: Dataset) -> dict[str, float]:
    """Accuracy on the held-out part of ``native`` (camera resolution) under each condition."""
    rng = np.random.default_rng(0)
    pictures, labels = native.images[trained.held_out], native.labels[trained.held_out]
    found = {}
    for name, condition in CONDITIONS.items():
        disturbed = [resize(picture, trained.spec.input_size) for picture in condition(pictures, rng)]
        found[name] = round(float((logits_of(trained.model, np.stack(disturbed)).argmax(1) == labels).mean()), 4)
    return found


def images_per_second(model: bytes, size: int, threads: int, seconds: float = 1.0) -> int:
    """Run batches of 32 through onnxruntime on ``threads`` threads, each with its own single-threaded session."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, 1, size, size), dtype=np.uint8)
    counts = [0] * threads
    end = time.perf_counter() + seconds

    def work(place: int) -> None:
        while time.perf_counter() < end:
            session.run(None, {"image": batch})
            counts[place] += BATCH

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return round(sum(counts) / seconds)


def run(native: Dataset, arch: str, size: int, seed: int, epochs: int) -> dict[str, Any]:
    """Train once and measure everything."""
    data = resized(native, size)
    started = time.perf_counter()
    trained = train_in_memory(data, arch, replace(Recipe(), epochs=epochs), seed)
    seconds = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(trained.model, trained.spec, path, data.images[trained.held_out][:, None], trained.novelty)
        speed = {str(threads): images_per_second(path.read_bytes(), size, threads) for threads in (1, 2)}
    return {
        "size": size,
        "seed": seed,
        "epochs": epochs,
        "accuracy": round(trained.evaluation.accuracy, 4),
        "macro_f1": round(trained.evaluation.macro_f1, 4),
        "ece": round(trained.evaluation.ece, 4),
        "held_out": trained.evaluation.images,
        "under_disturbance": under_disturbance(trained, native),
        "images_per_second_by_threads": speed,
        "training_seconds": round(seconds, 1),
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder per class.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results.")],
    arch: str = "ssdc_mininet",
    sizes: str = "64,80,100,128,200",
    seeds: str = "0,1,2,3,4",
    epochs: int = Recipe().epochs,
    native: Annotated[int, typer.Option(help="Side of the camera pictures in pixels.")] = 200,
) -> None:
    pictures = load_folder(data, native)
    runs = json.loads(out.read_text())["runs"] if out.is_file() else []
    for size in map(int, sizes.split(",")):
        for seed in map(int, seeds.split(",")):
            if any((r["size"], r["seed"], r["epochs"]) == (size, seed, epochs) for r in runs):
                continue
            runs.append(run(pictures, arch, size, seed, epochs))
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps({"arch": arch, "data_hash": pictures.hash, "runs": runs}, indent=1) + "\n")
            typer.echo(runs[-1])


if __name__ == "__main__":
    typer.run(main)
