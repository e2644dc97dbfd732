"""Running a model over batches: onnxruntime everywhere, OpenVINO in bfloat16, torch on CUDA."""

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

    ``auto`` takes torch only where CUDA is there for torch and not for onnxruntime, and OpenVINO only for a model that
    may be run in bfloat16 on a CPU that can; else onnxruntime. The other kinds are taken at their word.

    Raises:
        ModelError: the file is no model of ours.
        EngineError: no such engine, or it cannot run here.
    """
    if kind not in KINDS:
        raise EngineError(f"no engine {kind!r}; there are: {', '.join(KINDS)}")
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
        return False  # asked before importing torch, which takes seconds
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())
