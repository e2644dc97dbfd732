"""Quantise an exported model to int8: its convolutions use integers, calibrated on training images.

Static quantisation (Jacob et al. 2018): x ≈ s·(q − z), with a scale s and a zero point z for each map between layers,
and a scale for each output channel of a weight. The scales of the maps come from their values on the calibration
images. Weights use seven of the eight bits: on CPUs without VNNI, sums of 8-bit products saturate, and the model would
give wrong results there.

Some layers stay in float. The first convolution has one input channel and is faster in float. The last layers give
logits and embedding and cost little.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from steelflow.errors import ModelError

Calibration = Literal["minmax", "percentile"]
Pictures = npt.NDArray[np.uint8]

_METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
_PERCENTILE = 99.99
_ACTIVATIONS = {"Relu", "Clip", "LeakyRelu", "PRelu"}
# A batch norm that was not folded has no int8 form. OpenVINO 2026.4 crashes on DenseNet with int8 concatenations.
_NEVER = {"BatchNormalization", "Concat"}


def quantise(source: Path, out: Path, images: Pictures, calibration: Calibration = "minmax") -> None:
    """Write the model of ``source`` to ``out`` in int8, in the QDQ form that every runtime supports.

    Args:
        images: uint8 (N, 1, S, S), about a hundred training images.
        calibration: the range of a map, from minimum to maximum, or from the 0.01 % to the 99.99 % quantile.

    Raises:
        ModelError: onnxruntime cannot quantise this network.
    """
    try:
        with redirect_stdout(io.StringIO()):  # calibration prints its progress
            quant_pre_process(source, out, skip_optimization=True, skip_symbolic_shape=True)
            quantize_static(
                out,
                out,
                _Feed(images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=_METHODS[calibration],
                nodes_to_exclude=kept_in_float(onnx.load(source).graph),
                extra_options={"CalibPercentile": _PERCENTILE},
            )
    except Exception as exc:
        raise ModelError(f"{source}: cannot be quantised: {' '.join(str(exc).split())[:200]}; use float32") from exc


def kept_in_float(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that stay in float: all up to the first convolutions and the activations right after them,
    the nodes that give the model's outputs, batch norms and concatenations."""
    outputs = {output.name for output in graph.output}
    first: set[str] = set()  # outputs of the first convolutions
    later: set[str] = set()  # everything that depends on them
    names = []
    for node in graph.node:  # sorted: a node comes after its inputs
        before = not later.intersection(node.input)
        if before and node.op_type == "Conv":
            first.update(node.output)
            later.update(node.output)
        elif not before:
            later.update(node.output)
        activates = node.op_type in _ACTIVATIONS and bool(first.intersection(node.input))
        if before or activates or node.op_type in _NEVER or outputs.intersection(node.output):
            names.append(node.name)
    return names


def scale_of_logits(before: Path, after: Path, images: Pictures) -> float:
    """The factor a in logits(``after``) ≈ a · logits(``before``) on ``images``, by least squares; logits are centred.

    Quantisation scales logits by a factor near one and adds noise. Multiply the temperature by a to keep the confidence
    of the probabilities.
    """
    z, q = (_centred_logits(path, images) for path in (before, after))
    return float((z * q).sum() / (z * z).sum())


def _centred_logits(path: Path, images: Pictures) -> npt.NDArray[np.float64]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    logits = np.concatenate([session.run(["logits"], image)[0] for image in _one_by_one(images)]).astype(np.float64)
    centred: npt.NDArray[np.float64] = logits - logits.mean(axis=1, keepdims=True)
    return centred


def _one_by_one(images: Pictures) -> Iterator[dict[str, Pictures]]:
    return ({"image": images[i : i + 1]} for i in range(len(images)))


class _Feed:
    """The images one by one, in the form that calibration needs."""

    def __init__(self, images: Pictures) -> None:
        self._images = _one_by_one(images)

    def get_next(self) -> dict[str, Pictures] | None:
        return next(self._images, None)
