"""onnxruntime, on the best execution provider that the installed build and the machine offer."""

from __future__ import annotations

import hashlib
import threading
from contextlib import nullcontext
from pathlib import Path

import onnxruntime as ort

from steelflow.engine.base import Floats, Outputs, Pictures, check_contract, in_slices, output_names, outputs_of
from steelflow.engine.structure import MOST_BYTES, check_structure
from steelflow.errors import EngineError, ModelError
from steelflow.models.novelty import NOVELTY_KEY, parse_novelty
from steelflow.models.spec import METADATA_KEY, ModelSpec, parse_spec

_PREFERENCE = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider")
CPU = "CPUExecutionProvider"


class OnnxEngine:
    """On a CPU, every call computes on its caller's thread alone. One caller per core keeps all cores busy, and no
    caller waits for another. For small networks this is faster than one call over all cores."""

    def __init__(self, path: Path, providers: list[str] | None = None) -> None:
        """Load ``path``. Raises ``ModelError`` if it is not a steelflow model, or contradicts its spec."""
        content = read(path)
        self.digest = hashlib.sha256(content).hexdigest()
        self._session = _session(content, path, providers or available_providers())
        provider = self._session.get_providers()[0]
        self.on_device = provider in _PREFERENCE[:2]
        self.name = f"onnxruntime {provider.removesuffix('ExecutionProvider')}"
        found = self._session.get_modelmeta().custom_metadata_map
        self.spec: ModelSpec = parse_spec(found.get(METADATA_KEY), str(path))
        self.novelty = parse_novelty(found.get(NOVELTY_KEY), self.spec.embedding_dims, str(path))
        self._wanted = output_names(self.spec)
        self._turn = threading.Lock() if self.on_device else nullcontext()
        check_contract(self, path)

    def run(self, batch: Pictures) -> Outputs:
        with self._turn:
            found = self._compute(batch) if self.on_device else in_slices(self._compute, batch)
        return outputs_of(self.spec, *found)

    def _compute(self, batch: Pictures) -> list[Floats]:
        found: list[Floats] = self._session.run(self._wanted, {"image": batch})
        return found


def read(path: Path) -> bytes:
    """The bytes of a model. Raises ``ModelError``, also if it asks for what no model of steelflow needs."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ModelError(
                f"{path}: {size:,} bytes, the limit is {MOST_BYTES:,}; name a model that steelflow exported"
            )
        with path.open("rb") as file:
            content = file.read(size)  # not the limit: Python would reserve all of it
    except OSError as exc:
        raise ModelError(f"{path}: cannot be read: {exc.strerror}; name a shipped model or an ONNX file") from exc
    check_structure(content, path)
    return content


def metadata(content: bytes, path: Path) -> dict[str, str]:
    """The metadata of the ONNX file. Raises ``ModelError`` if it is not an ONNX file."""
    found: dict[str, str] = _session(content, path, [CPU]).get_modelmeta().custom_metadata_map
    return found


def available_providers() -> list[str]:
    """Execution providers to try, best first, with the CPU last."""
    installed = ort.get_available_providers()
    return [name for name in _PREFERENCE if name in installed] + [CPU]


def _session(content: bytes, path: Path, providers: list[str]) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        return ort.InferenceSession(content, options, providers=providers)
    except Exception as exc:
        if providers != [CPU] and _cpu_runs(content, options):
            raise EngineError(
                f"{path}: onnxruntime cannot start {providers[0]}: {' '.join(str(exc).split())[:200]}; "
                "repair the driver, or install the plain onnxruntime package"
            ) from exc
        raise ModelError(
            f"{path}: not an ONNX model that onnxruntime can run; name a model that steelflow exported"
        ) from exc


def _cpu_runs(content: bytes, options: ort.SessionOptions) -> bool:
    try:
        ort.InferenceSession(content, options, providers=[CPU])
    except Exception:  # noqa: BLE001  whatever the error, the CPU cannot run it either
        return False
    return True
