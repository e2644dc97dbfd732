"""The files of a model of good strip: ONNX, the record of the fit, and a card; all of them or none."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch

from steelflow.begin.fit import Fitted
from steelflow.errors import ModelError
from steelflow.models.novelty import NOVELTY_KEY
from steelflow.models.spec import METADATA_KEY
from steelflow.training.export import OPSET

OUTPUTS = ("logits", "embedding", "map")
TOLERANCE = 1e-3
"""Of a logit, as a share of it where it is above 1: a distance is a small difference of large squares."""


def write_model(fitted: Fitted, record: dict[str, Any], out: Path, pictures: npt.NDArray[np.uint8]) -> Path:
    """Write ``begin.onnx``, ``metrics.json`` and ``begin.md`` to the folder ``out``.

    Args:
        record: what the fit was made from; becomes metrics.json, with the spec and the parity.
        pictures: uint8 (N, S, S), two or more; torch and onnxruntime must agree on them.

    Returns:
        The path of the ONNX file.

    Raises:
        ModelError: torch and onnxruntime disagree; nothing is written.
        OSError: the folder cannot be written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    name = fitted.spec.name
    with tempfile.TemporaryDirectory(prefix=".begin-", dir=out) as temporary:
        draft = Path(temporary)
        parity = export(fitted, draft / f"{name}.onnx", pictures)
        record = {"model": fitted.spec.model_dump(mode="json")} | record | {"parity": parity}
        (draft / "metrics.json").write_text(json.dumps(record, indent=2, default=str) + "\n")
        (draft / f"{name}.md").write_text(card(record))
        for file in ("metrics.json", f"{name}.md", f"{name}.onnx"):
            shutil.move(draft / file, out / file)  # the ONNX file moves last: if it exists, so do the others
    return out / f"{name}.onnx"


def export(fitted: Fitted, path: Path, pictures: npt.NDArray[np.uint8]) -> float:
    """Write the ONNX file with spec and novelty limits inside. Returns the largest difference of a logit to torch.

    Raises:
        ModelError: it is above ``TOLERANCE``.
    """
    size = fitted.spec.input_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # see training.export; and what is traced has the size of the example
        torch.onnx.export(
            fitted.model,
            (torch.zeros(2, 1, size, size, dtype=torch.uint8),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes={one: {0: "N"} for one in ("image", *OUTPUTS)},
        )
    proto = onnx.load(path)
    inside = {METADATA_KEY: fitted.spec.model_dump_json(), NOVELTY_KEY: fitted.novelty.to_text()}
    onnx.helper.set_model_props(proto, inside)
    onnx.save(proto, path)
    difference = parity(fitted, path, pictures)
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path.name}: onnxruntime and torch differ by {difference:.1e} in a logit; nothing was written: an "
            "operation of this network cannot be exported correctly"
        )
    return difference


@torch.no_grad()
def parity(fitted: Fitted, path: Path, pictures: npt.NDArray[np.uint8]) -> float:
    """Largest difference of a logit of a view or a cell, as ``TOLERANCE`` counts it, over batches of 1, 2 and 17."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for part in (pictures[:1, None], pictures[:2, None], pictures[:17, None]):
        found = session.run(OUTPUTS, {"image": part})
        wanted = [one.numpy() for one in fitted.model(torch.from_numpy(part))]
        apart = (np.abs(found[i] - wanted[i]) / np.maximum(1, np.abs(wanted[i])) for i in (0, 2))
        worst = max(worst, *(float(one.max()) for one in apart))
    return worst


def card(record: dict[str, Any]) -> str:
    """Markdown: what the model is, what it was made from, and its limits."""
    spec, views = record["model"], record["views"]
    cut = "each frame as a whole" if spec.get("view") is None else f"views of {spec['view']} pixels at native scale"
    return f"""# {spec["name"]}

A model of good strip, made without labels: `{spec["classes"][1]}` is what does not look like the strip of these nights.

## How it was made
- Frames: {record["frames"]["read"]:,} read, {record["frames"]["failed"]:,} unreadable; {cut}.
- Views: {views["trained"]:,} to fit on; {views["left_out"]:,} of them deviated most and were left out;
  {views["held_out"]:,} {"of other coils " if record["held_out_by_coil"] else ""}for the threshold.
- A finder, taught on planted defects, and its features{_pretrained(record["pretrained"])}; seed {record["seed"]}.
- Above the operating point are {record["false_alarms"]:.2%} of good views, by the tail of the held-out views' scores.
- ONNX and torch differ by at most {record["parity"]:.1e} in a logit.

## Limits
It has never seen a label. It finds what is unusual: also a new grade, other light, or a rare kind of good strip.
Confirm or reject its regions in the review queue; the labels make the first classifier.
"""


def _pretrained(origin: bool | dict[str, str]) -> str:
    return f", and those of {origin['file']} (`{origin['sha256'][:12]}`)" if isinstance(origin, dict) else ""
