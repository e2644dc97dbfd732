"""Frames of a strip with known defects, and a model of views that finds them by their grey level."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from steelflow.models.spec import METADATA_KEY, ModelSpec

SIDE, CELL = 64, 8
SHARPNESS = 4.0
STEEL, DARK, BRIGHT = 128, 20, 240
SPEC = ModelSpec(
    name="levels",
    arch="levels",
    classes=("dark", "good", "bright"),
    input_size=SIDE,
    embedding_dims=2,
    good=("good",),
    operating_point=0.5,
    view=SIDE,
    sharpness=SHARPNESS,
)

Picture = npt.NDArray[np.uint8]


def level_model(path: Path, spec: ModelSpec = SPEC) -> Path:
    """A model that calls a cell of 8×8 pixels dark below grey 60, bright above 200, and good in between."""
    logits = [
        ("Cast", ["image"], "pixels", {"to": TensorProto.FLOAT}),
        ("AveragePool", ["pixels"], "mean", {"kernel_shape": [CELL, CELL], "strides": [CELL, CELL]}),
        ("Sub", ["sixty", "mean"], "below", {}),
        ("Mul", ["below", "gain"], "dark", {}),
        ("Sub", ["mean", "twohundred"], "above", {}),
        ("Mul", ["above", "gain"], "bright", {}),
        ("Mul", ["mean", "zero"], "good", {}),
        ("Concat", ["dark", "good", "bright"], "map", {"axis": 1}),
        ("Mul", ["map", "sharpness"], "sharp", {}),
        ("ReduceLogSumExp", ["sharp"], "summed", {"axes": [2, 3], "keepdims": 0}),
        ("Sub", ["summed", "cells"], "averaged", {}),
        ("Div", ["averaged", "sharpness"], "logits", {}),
        ("GlobalAveragePool", ["pixels"], "global", {}),
        ("Flatten", ["global"], "flat", {}),
        ("Concat", ["flat", "flat"], "embedding", {"axis": 1}),
    ]
    values = {
        "sixty": 60.0,
        "twohundred": 200.0,
        "gain": 0.2,
        "zero": 0.0,
        "sharpness": SHARPNESS,
        "cells": np.log((SIDE / CELL) ** 2),
    }
    outputs = ["logits", "embedding", "map"] if spec.sharpness else ["logits", "embedding"]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in logits],
        "levels",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.float32(value), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.model_dump_json()})
    path.write_bytes(model.SerializeToString())
    return path


def frame(height: int, width: int, seed: int = 0) -> Picture:
    """Good steel with a little grain."""
    grain = np.random.default_rng(seed).integers(-8, 9, (height, width))
    return np.asarray(STEEL + grain, np.uint8)


def with_defect(picture: Picture, x: int, y: int, width: int, height: int, level: int = DARK) -> Picture:
    """A copy with a rectangle of one grey level."""
    changed = picture.copy()
    changed[y : y + height, x : x + width] = level
    return changed
