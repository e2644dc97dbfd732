"""OpenVINO on the CPU, an optional extra. It is faster than onnxruntime if the model and the CPU allow bfloat16; see
``PRECISION_KEY``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelflow.engine.base import (
    Floats,
    Outputs,
    Pictures,
    check_contract,
    in_slices,
    output_names,
    outputs_of,
    slice_of,
)
from steelflow.engine.onnx import metadata, read
from steelflow.errors import EngineError
from steelflow.models.novelty import NOVELTY_KEY, parse_novelty
from steelflow.models.spec import METADATA_KEY, ModelSpec, parse_spec

PRECISION_KEY = "steelflow.precision"
"""Metadata key of an ONNX file whose accuracy was measured in a precision other than float32. With the value ``bf16``
this engine computes in bfloat16. Without it, or if the CPU cannot, it computes in float32."""

BF16 = "bf16"


class OpenVinoEngine:
    """One copy of the network, with one stream and one thread, for every concurrent call. OpenVINO then computes on the
    caller's thread, without handing over to another thread.

    The copies are compiled for ``slice_of`` images. Compiled for any number of images they are slower, and OpenVINO
    prepares them again for every new number.
    """

    on_device = False

    def __init__(self, path: Path) -> None:
        """Load ``path``. Raises ``EngineError`` without OpenVINO, or if it cannot run the network; ``ModelError`` if
        the file is not a steelflow model, or contradicts its spec."""
        self._core = _openvino().Core()
        content = read(path)
        found = metadata(content, path)
        self.digest = hashlib.sha256(content).hexdigest()
        self.spec: ModelSpec = parse_spec(found.get(METADATA_KEY), str(path))
        self.novelty = parse_novelty(found.get(NOVELTY_KEY), self.spec.embedding_dims, str(path))
        self._precision = BF16 if found.get(PRECISION_KEY) == BF16 and has_bf16() else "f32"
        self.name = f"openvino CPU {self._precision}"
        self._free: deque[_Copy] = deque()
        try:
            size = self.spec.input_size
            self._model = self._core.read_model(content)
            self._model.reshape({"image": [slice_of(size), 1, size, size]})
            self._free.append(self._compile())
        except RuntimeError as exc:
            raise EngineError(
                f"{path}: OpenVINO cannot run this model: {' '.join(str(exc).split())[:200]}; use --engine onnxruntime"
            ) from exc
        # This is also the first use of arrays in the process, with one thread. With two threads it can deadlock: one
        # waits for Python's lock, the other for the initialisation of OpenVINO's binding.
        check_contract(self, path)

    def run(self, batch: Pictures) -> Outputs:
        try:
            copy = self._free.pop()
        except IndexError:
            copy = self._compile()
        try:
            found = in_slices(copy.compute, batch)
        finally:
            self._free.append(copy)
        return outputs_of(self.spec, *found)

    def _compile(self) -> _Copy:
        how: dict[str, Any] = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        how |= {"INFERENCE_PRECISION_HINT": self._precision, "CPU_DENORMALS_OPTIMIZATION": True}
        return _Copy(self._core.compile_model(self._model, "CPU", how), output_names(self.spec))


class _Copy:
    """A compiled network, with views of its input and output memory."""

    def __init__(self, network: Any, outputs: Sequence[str]) -> None:
        self._request = network.create_infer_request()
        self._image: Pictures = self._request.get_tensor("image").data
        self._outputs: list[Floats] = [self._request.get_tensor(name).data for name in outputs]

    def compute(self, part: Pictures) -> list[Floats]:
        """The outputs for at most ``slice_of`` images. Unused places keep earlier images, computed again in vain."""
        count = len(part)
        self._image[:count] = part
        self._request.infer(share_outputs=True)
        return [output[:count].copy() for output in self._outputs]


def prefers_openvino(path: Path) -> bool:
    """Whether ``path`` may run in bfloat16 and OpenVINO can do so here: then it is the fastest engine."""
    if importlib.util.find_spec("openvino") is None:  # checked first: it costs nothing
        return False
    return metadata(read(path), path).get(PRECISION_KEY) == BF16 and has_bf16()


def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU (AVX512-BF16 or AMX). Raises ``EngineError`` without it."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino() -> Any:
    """The openvino package, without its telemetry: by default, importing it sends a report over the network. Without
    the package ``openvino_telemetry`` it does not."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # documented: makes its import fail
    try:
        return importlib.import_module("openvino")
    except ImportError as exc:
        raise EngineError(
            "the openvino engine needs openvino; install it with `pip install 'steelflow[openvino]'`"
        ) from exc
