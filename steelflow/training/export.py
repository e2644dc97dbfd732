"""Export a trained network to ONNX (see ``models.spec``) and check that torch and onnxruntime agree."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from torch import Tensor

from steelflow.errors import ModelError
from steelflow.models.deployable import Deployable
from steelflow.models.network import Network
from steelflow.models.novelty import NOVELTY_KEY, Novelty
from steelflow.models.spec import MAX_EMBEDDING, METADATA_KEY, ModelSpec

TOLERANCE = 1e-4
OPSET = 18
TOGETHER = 32
"""Images that a trained network judges at a time: 256 took the largest network of the catalogue 22 GB."""


def embedding_dims(network: Network) -> int:
    return min(network.feature_dims, MAX_EMBEDDING)


@torch.no_grad()
def fit_projection(model: Deployable, images: Tensor) -> None:
    """Set the embedding to the leading principal components of the features of ``images`` (uint8 (N, 1, S, S)).

    The directions are eigenvectors of the features' covariance; features are centred on their mean. The largest
    coefficient of each direction is positive, so that equal features give equal embeddings.
    """
    if not isinstance(model.projection, torch.nn.Linear):
        return
    features = torch.cat(
        [model.network.pooled(model.network.features(model.normalise(part))) for part in torch.split(images, TOGETHER)]
    ).double()
    mean = features.mean(0)
    _, vectors = torch.linalg.eigh((features - mean).T @ (features - mean))
    directions = vectors.flip(1)[:, : model.projection.out_features].T
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    directions = directions * signs
    model.projection.weight.copy_(directions)
    model.projection.bias.copy_(-directions @ mean)


def export_onnx(
    model: Deployable, spec: ModelSpec, path: Path, images: npt.NDArray[np.uint8], novelty: Novelty | None = None
) -> float:
    """Write ``model`` to ``path`` with ``spec`` and ``novelty`` inside.

    Batch norms are folded into the convolutions before them. The batch size is dynamic.

    Args:
        images: uint8 (N, 1, S, S), two or more; torch and onnxruntime must agree on them.

    Returns:
        The largest difference of a logit, of a view or of a cell, at most ``TOLERANCE``.

    Raises:
        ModelError: torch and onnxruntime differ by more; the file is removed.
    """
    model = model.eval()
    size, outputs = spec.input_size, outputs_of(model)
    example = torch.zeros(2, 1, size, size, dtype=torch.uint8)
    with warnings.catch_warnings():
        # Only torch's deprecated exporter folds batch norms and writes one plain graph; it warns about that.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model,
            (example,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "N"} for name in ("image", *outputs)},
        )
    proto = onnx.load(path)
    inside = {METADATA_KEY: spec.model_dump_json()} | ({NOVELTY_KEY: novelty.to_text()} if novelty else {})
    onnx.helper.set_model_props(proto, inside)
    onnx.save(proto, path)
    difference = parity(model, path, images)
    if not difference <= TOLERANCE:
        path.unlink()
        raise ModelError(
            f"{path}: onnxruntime and torch differ by {difference:.1e} in a logit, {TOLERANCE:.0e} is allowed; "
            "the file was removed: an operation of this network cannot be exported correctly"
        )
    return difference


def outputs_of(model: Deployable) -> tuple[str, ...]:
    """The names of the outputs; a model of views may have a map."""
    return ("logits", "embedding") if model.sharpness is None else ("logits", "embedding", "map")


@torch.no_grad()
def parity(model: Deployable, path: Path, images: npt.NDArray[np.uint8]) -> float:
    """Largest absolute difference of a logit between torch and onnxruntime, over single images and larger batches; the
    logits of a map's cells count, too."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [name for name in outputs_of(model) if name != "embedding"]
    worst = 0.0
    for batch in (images[:1], images[:2], images[:17], images):
        for start in range(0, len(batch), TOGETHER):
            part = batch[start : start + TOGETHER]
            wanted = dict(zip(outputs_of(model), model(torch.from_numpy(part)), strict=True))
            for name, found in zip(names, session.run(names, {"image": part}), strict=True):
                worst = max(worst, float(np.abs(found - wanted[name].numpy()).max()))
    return worst
