"""PyTorch, for CUDA: the same network from its safetensors weights, beside the ONNX file of the same name."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.engine.base import Outputs, softmax
from steelflow.errors import EngineError, ModelError


class TorchEngine:
    """float32 on the first CUDA device, or on the CPU where there is none (slower there than onnxruntime)."""

    def __init__(self, path: Path) -> None:
        try:
            import torch
        except ImportError as exc:
            raise EngineError("the torch engine needs torch; install it with `pip install 'steelflow[train]'`") from exc
        from steelflow.models.deployable import load_torch

        weights = path.with_suffix(".safetensors")
        if not weights.is_file():
            raise ModelError(f"{path}: the torch engine needs {weights.name} beside it; or use --engine onnxruntime")
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._torch = torch
        self._device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.on_device = self._device.type == "cuda"
        self.name = f"torch {self._device}"
        network, self.spec = load_torch(weights)
        self._network = network.to(self._device).eval()
        self._turn = threading.Lock()

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        torch = self._torch
        with self._turn, torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device, non_blocking=True)
            logits, embedding = self._network(image)
            return Outputs(
                softmax(logits.float().cpu().numpy(), self.spec.temperature), embedding.float().cpu().numpy()
            )
