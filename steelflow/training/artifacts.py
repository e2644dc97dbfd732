"""Write the files of a training: weights, ONNX, figures, learning curves and a card; all of them or none."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.models.deployable import Deployable, save_torch
from steelflow.models.novelty import Novelty
from steelflow.models.seen import Marks
from steelflow.models.spec import ModelSpec
from steelflow.training.card import card
from steelflow.training.curves import draw_curves
from steelflow.training.export import export_onnx
from steelflow.training.loop import History
from steelflow.training.state import Progress


@dataclass(frozen=True, slots=True)
class Artifacts:
    onnx: Path
    weights: Path
    metrics: Path
    card: Path
    curves: Path


def write_artifacts(
    out_dir: Path,
    model: Deployable,
    spec: ModelSpec,
    history: History,
    record: dict[str, Any],
    images: npt.NDArray[np.uint8],
    novelty: Novelty,
    learned_from: Marks | None = None,
) -> Artifacts:
    """Write to a temporary folder, then move the files, so that ``out_dir`` never holds half a model.

    ``record`` becomes metrics.json; parity, versions and curves are added. torch and onnxruntime must agree on
    ``images`` (N, 1, S, S). ``learned_from`` has the marks of the images that trained the model.

    Raises:
        ModelError: torch and onnxruntime disagree.
        OSError: the folder cannot be written to.
    """
    name = spec.name
    files = Artifacts(
        onnx=out_dir / f"{name}.onnx",
        weights=out_dir / f"{name}.safetensors",
        metrics=out_dir / "metrics.json",
        card=out_dir / f"{name}.md",
        curves=out_dir / f"{name}.curves.png",
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".training-", dir=out_dir) as temporary:
        draft = Path(temporary)
        parity = export_onnx(model, spec, draft / files.onnx.name, images, novelty)
        record = record | {"parity": parity, "versions": versions(), "curves": _columns(history.curves)}
        save_torch(model, spec, draft / files.weights.name, learned_from)
        draw_curves(history.curves, draft / files.curves.name, history.kept if record["recipe"]["patience"] else None)
        (draft / files.metrics.name).write_text(json.dumps(record, indent=2) + "\n")
        (draft / files.card.name).write_text(card(record))
        for file in (files.weights, files.metrics, files.curves, files.card, files.onnx):
            shutil.move(draft / file.name, file)  # the ONNX file moves last: if it exists, so do the others
    return files


def _columns(curves: Sequence[Progress]) -> dict[str, list[float | None]]:
    names = ("epoch", "loss", "learning_rate", "validation_loss", "validation_accuracy", "seconds")
    return {name: [getattr(epoch, name) for epoch in curves] for name in names}


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that determine a model."""
    return {"python": platform.python_version()} | {
        package: version(package) for package in ("steelflow", "torch", "numpy", "onnx", "onnxruntime")
    }
