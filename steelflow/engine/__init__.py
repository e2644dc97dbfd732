"""Running a model over batches: onnxruntime everywhere, OpenVINO in bfloat16, torch on CUDA.

base.py           the interface
onnx.py, openvino.py, torch.py   the engines
batch.py          the batch size, by measurement
structure.py      checks an ONNX file before it is loaded
occlusion.py      which parts of an image decide
"""

from __future__ import annotations

from pathlib import Path

from steelflow.engine.base import Engine, Outputs
from steelflow.engine.onnx import OnnxEngine, available_providers
from steelflow.engine.openvino import OpenVinoEngine, prefers_openvino
from steelflow.errors import EngineError

__all__ = ["Engine", "Outputs", "open_engine"]

KINDS = ("auto", "onnxruntime", "openvino", "torch")


def open_engine(path: Path, kind: str = "auto") -> Engine:
    """Load the model at ``path`` (ONNX).

    ``auto`` takes torch if CUDA is available for torch and not for onnxruntime. It takes OpenVINO if the model may run
    in bfloat16 and the CPU can. Otherwise it takes onnxruntime. The other kinds are used as given.

    Raises:
        ModelError: the file is not a steelflow model.
        EngineError: no such engine, or it cannot run here.
    """
    if kind not in KINDS:
        raise EngineError(f"no engine {kind!r}; use one of: {', '.join(KINDS)}")
    if kind == "torch" or (kind == "auto" and _only_torch_has_cuda(path)):
        from steelflow.engine.torch import TorchEngine

        return TorchEngine(path)
    on_gpu = available_providers()[0].startswith(("Tensorrt", "CUDA"))
    if kind == "openvino" or (kind == "auto" and not on_gpu and prefers_openvino(path)):
        return OpenVinoEngine(path)
    return OnnxEngine(path)


def _only_torch_has_cuda(path: Path) -> bool:
    if any(name.startswith(("Tensorrt", "CUDA")) for name in available_providers()):
        return False
    if not Path("/proc/driver/nvidia").exists() or not path.with_suffix(".safetensors").is_file():
        return False  # checked before importing torch, which takes seconds
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())
