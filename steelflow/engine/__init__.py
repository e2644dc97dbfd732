"""Running a model over batches: onnxruntime everywhere, torch on CUDA."""

from __future__ import annotations

from pathlib import Path

from steelflow.engine.base import Engine, Outputs
from steelflow.engine.onnx import OnnxEngine, available_providers

__all__ = ["Engine", "Outputs", "open_engine"]


def open_engine(path: Path, kind: str = "auto") -> Engine:
    """Load the model at ``path`` (ONNX). ``auto`` takes torch only where CUDA is there for torch and not for
    onnxruntime; ``onnxruntime`` and ``torch`` are taken at their word."""
    if kind == "torch" or (kind == "auto" and _only_torch_has_cuda(path)):
        from steelflow.engine.torch import TorchEngine

        return TorchEngine(path)
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
