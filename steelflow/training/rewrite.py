"""Rewrite an exported model with other metadata, or with its weights stored in float16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from steelflow.errors import ModelError


def with_metadata(source: Path, out: Path, changes: dict[str, str]) -> None:
    """Write ``source`` to ``out`` with these metadata entries added or replaced."""
    model = onnx.load(source)
    helper.set_model_props(model, {entry.key: entry.value for entry in model.metadata_props} | changes)
    onnx.save(model, out)


def with_half_weights(source: Path, out: Path) -> None:
    """Write ``source`` to ``out`` with its weights in float16. The file has half the size; the speed stays the same,
    because runtimes convert the weights to float32 when they load them.

    Raises:
        ModelError: a weight is beyond ±65,504.
    """
    model = onnx.load(source)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        with np.errstate(over="ignore"):
            half = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(half).all():
            raise ModelError(f"{source}: {tensor.name} has weights too large for float16; use the float32 model")
        name = f"{tensor.name}.float16"
        casts.append(helper.make_node("Cast", [name], [tensor.name], f"{name}.cast", to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(half, name))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.save(model, out)
