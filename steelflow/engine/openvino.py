"""OpenVINO on the CPU, an optional extra: in float32 no faster than onnxruntime, but faster where the CPU computes in
bfloat16. A file says for itself that it may be run so, see ``PRECISION_KEY``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections import deque
from pathlib import Path
from typing import Any

from steelflow.engine.base import SLICE, Floats, Outputs, Pictures, check_contract, in_slices, judged
from steelflow.engine.onnx import metadata, read
from steelflow.errors import EngineError
from steelflow.models.novelty import NOVELTY_KEY, parse_novelty
from steelflow.models.spec import METADATA_KEY, ModelSpec, parse_spec

PRECISION_KEY = "steelflow.precision"
"""Metadata of an ONNX file whose accuracy was measured in another precision than float32. Its value ``bf16`` lets this
engine compute in bfloat16; without it, or on a CPU that cannot, everything is float32."""

BF16 = "bf16"


class OpenVinoEngine:
    """A copy of the network, with one stream and one thread, for each call under way: then OpenVINO computes on the
    thread of the caller, which neither hands over to another thread nor waits for one.

    The copies are compiled for ``SLICE`` images: compiled for any number of images they are slower, and are prepared
    again for each number that comes by.
    """

    on_device = False

    def __init__(self, path: Path) -> None:
        """Load ``path``. Raises ``EngineError`` without OpenVINO or for a network that it cannot run, ``ModelError``
        for a file that is no model of ours or contradicts its spec."""
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
            self._model = self._core.read_model(content)
            self._model.reshape({"image": [SLICE, 1, self.spec.input_size, self.spec.input_size]})
            self._free.append(self._compile())
        except RuntimeError as exc:
            raise EngineError(
                f"{path}: OpenVINO cannot run it: {' '.join(str(exc).split())[:200]}; use --engine onnxruntime"
            ) from exc
        # This also makes the first use of arrays in the process while there is one thread: two at once can wait for
        # each other for ever, one for Python's lock, one for the initialisation of OpenVINO's binding.
        check_contract(self, path)

    def run(self, batch: Pictures) -> Outputs:
        try:
            copy = self._free.pop()
        except IndexError:
            copy = self._compile()
        try:
            logits, embedding = in_slices(copy.compute, batch)
        finally:
            self._free.append(copy)
        return judged(logits, embedding, self.spec)

    def _compile(self) -> _Copy:
        how: dict[str, Any] = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
        how |= {"INFERENCE_PRECISION_HINT": self._precision, "CPU_DENORMALS_OPTIMIZATION": True}
        return _Copy(self._core.compile_model(self._model, "CPU", how))


class _Copy:
    """A compiled network, with views of the memory that it takes images from and leaves results in."""

    def __init__(self, network: Any) -> None:
        self._request = network.create_infer_request()
        self._image: Pictures = self._request.get_tensor("image").data
        self._logits: Floats = self._request.get_tensor("logits").data
        self._embedding: Floats = self._request.get_tensor("embedding").data

    def compute(self, part: Pictures) -> tuple[Floats, Floats]:
        """Of at most ``SLICE`` images. Where they are fewer, what is left of those before is computed once more."""
        count = len(part)
        self._image[:count] = part
        self._request.infer(share_outputs=True)
        return self._logits[:count].copy(), self._embedding[:count].copy()


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
