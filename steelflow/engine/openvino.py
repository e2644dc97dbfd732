"""OpenVINO on the CPU, an optional extra: in float32 no faster than onnxruntime, but faster where the CPU computes in
bfloat16. A file says for itself that it may be run so, see ``PRECISION_KEY``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from steelflow.engine.base import SLICE, Floats, Outputs, Pictures, check_contract, in_slices, softmax
from steelflow.engine.onnx import metadata, read
from steelflow.errors import EngineError
from steelflow.models.spec import METADATA_KEY, ModelSpec, parse_spec

PRECISION_KEY = "steelflow.precision"
"""Metadata of an ONNX file whose accuracy was measured in another precision than float32. Its value ``bf16`` lets this
engine compute in bfloat16; without it, or on a CPU that cannot, everything is float32."""

BF16 = "bf16"


class OpenVinoEngine:
    """One stream for each core, and for each caller a request of its own, so that callers do not wait for each other.

    The network is compiled for ``SLICE`` images, and a smaller part is filled up with black ones: compiled for any
    number of images it is slower, and is prepared again for each number that comes by.
    """

    on_device = False

    def __init__(self, path: Path) -> None:
        """Load ``path``. Raises ``EngineError`` without OpenVINO or for a network that it cannot run, ``ModelError``
        for a file that is no model of ours or contradicts its spec."""
        openvino = _openvino()
        content = read(path)
        found = metadata(content, path)
        self.digest = hashlib.sha256(content).hexdigest()
        self.spec: ModelSpec = parse_spec(found.get(METADATA_KEY), str(path))
        precision = BF16 if found.get(PRECISION_KEY) == BF16 and has_bf16() else "f32"
        self.name = f"openvino CPU {precision}"
        size, cores = self.spec.input_size, len(os.sched_getaffinity(0))
        core = openvino.Core()
        try:
            model = core.read_model(content)
            model.reshape({"image": [SLICE, 1, size, size]})
            how = {"NUM_STREAMS": cores, "INFERENCE_NUM_THREADS": cores, "INFERENCE_PRECISION_HINT": precision}
            # A thread that is pinned to a core waits for whatever else, such as decoding, the core is doing.
            how |= {"ENABLE_CPU_PINNING": False, "CPU_DENORMALS_OPTIMIZATION": True}
            self._network = core.compile_model(model, "CPU", how)
        except RuntimeError as exc:
            raise EngineError(
                f"{path}: OpenVINO cannot run it: {' '.join(str(exc).split())[:200]}; use --engine onnxruntime"
            ) from exc
        self._of_thread = threading.local()
        check_contract(self, path)

    def run(self, batch: Pictures) -> Outputs:
        logits, embedding = in_slices(self._compute, batch)
        return Outputs(softmax(logits, self.spec.temperature), embedding)

    def _compute(self, part: Pictures) -> tuple[Floats, Floats]:
        count = len(part)
        if count < SLICE:
            part = np.concatenate([part, np.zeros((SLICE - count, *part.shape[1:]), np.uint8)])
        request = self._request()
        request.infer({"image": np.ascontiguousarray(part)}, share_inputs=True)
        logits, embedding = (request.get_tensor(name).data[:count].copy() for name in ("logits", "embedding"))
        return logits, embedding

    def _request(self) -> Any:
        try:
            return self._of_thread.request
        except AttributeError:
            self._of_thread.request = self._network.create_infer_request()
            return self._of_thread.request


def prefers_openvino(path: Path) -> bool:
    """Whether ``path`` may be run in bfloat16, and OpenVINO is here to do so: then it is the fastest engine."""
    if importlib.util.find_spec("openvino") is None:  # asked first: it costs nothing
        return False
    return metadata(read(path), path).get(PRECISION_KEY) == BF16 and has_bf16()


def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU (AVX512-BF16 or AMX). Raises ``EngineError`` without it."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino() -> Any:
    """The package. Left to itself, it reports over the network that it was imported; it does not where the package that
    would send the report cannot be found."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # documented: makes its import fail
    try:
        return importlib.import_module("openvino")
    except ImportError as exc:
        raise EngineError(
            "the openvino engine needs openvino; install it with `pip install 'steelflow[openvino]'`"
        ) from exc
