"""Write the files of a strip model: weights, ONNX, figures and a card; all of them or none."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steelflow.errors import TrainingError
from steelflow.models.deployable import save_torch
from steelflow.models.seen import Marks, marks, trained_on
from steelflow.models.weights_file import origin_of
from steelflow.training.annotations import Annotations
from steelflow.training.artifacts import versions
from steelflow.training.export import export_onnx
from steelflow.training.method import best_device
from steelflow.training.remembered import remembered
from steelflow.training.strip.card import card
from steelflow.training.strip.plan import StripPlan

if TYPE_CHECKING:
    from steelflow.training.strip.train import StripModel

_APART = ("pretrained", "start", "teacher", "device")  # fields of the plan that the record names by their content
_AGREE = 17  # views on which torch and onnxruntime must agree


@dataclass(frozen=True, slots=True)
class StripFiles:
    """Where they are."""

    onnx: Path
    weights: Path
    metrics: Path
    card: Path


def write_model(
    out: Path, annotations: Annotations, plan: StripPlan, trained: StripModel, seconds: float
) -> StripFiles:
    """Write to a temporary folder, then move the files, the ONNX file last.

    Raises:
        ModelError: torch and onnxruntime disagree.
        TrainingError: ``out`` cannot be written to.
    """
    name = trained.spec.name
    files = StripFiles(out / f"{name}.onnx", out / f"{name}.safetensors", out / f"{name}.json", out / f"{name}.md")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".training-", dir=out) as temporary:
            draft = Path(temporary)
            views = trained.views.views[:_AGREE].numpy()
            parity = export_onnx(trained.model, trained.spec, draft / files.onnx.name, views, trained.novelty)
            record = _record(annotations, plan, trained, seconds) | {"parity": parity, "versions": versions()}
            learned_from = _learned_from(annotations, plan, trained)
            save_torch(trained.model, trained.spec, draft / files.weights.name, learned_from)
            (draft / files.metrics.name).write_text(json.dumps(record, indent=2) + "\n")
            (draft / files.card.name).write_text(card(record))
            for file in (files.weights, files.metrics, files.card, files.onnx):
                shutil.move(draft / file.name, file)
    except OSError as exc:
        raise TrainingError(f"{out}: cannot be written: {exc.strerror}; name another folder with --out") from exc
    return files


def _learned_from(annotations: Annotations, plan: StripPlan, trained: StripModel) -> Marks:
    own = marks([annotations.items[i].digest for i in trained.training])
    before = _of_start(plan)
    return own if before is None else np.union1d(own, before)


def _of_start(plan: StripPlan) -> Marks | None:
    """Of the images that trained the model with which the training began."""
    onnx = None if plan.start is None else plan.start.with_suffix(".onnx")
    if onnx is None or not onnx.is_file():
        return None
    return trained_on(onnx, hashlib.sha256(onnx.read_bytes()).hexdigest())


def _record(annotations: Annotations, plan: StripPlan, trained: StripModel, seconds: float) -> dict[str, Any]:
    recipe = {
        key: value for key, value in asdict(plan).items() if key not in ("pretrained", "start", "teacher", "device")
    }
    knew = remembered([_of_start(plan)], [annotations.items[i].digest for i in trained.held_out])
    return {
        "model": trained.spec.model_dump(mode="json"),
        "held_out": trained.figures.to_dict() if trained.held_out else None,
        "images": {"training": len(trained.training), "held_out": len(trained.held_out)},
        "data_hash": annotations.hash,
        "seed": plan.seed,
        "recipe": recipe | {"steps": plan.schedules(len(trained.training))[0].steps},
        "pretrained": origin_of(plan.pretrained or False),
        **({"start": origin_of(plan.start), "start_knew": knew} if plan.start is not None else {}),
        "teacher": plan.teacher if plan.teacher is None else Path(plan.teacher).stem,
        "device": best_device(plan.device).type,
        "seconds": round(seconds, 1),
    }
