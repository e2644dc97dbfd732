"""PyTorch, for CUDA: the same network, from the safetensors weights beside the ONNX file."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.engine.base import Outputs, outputs_of
from steelflow.engine.onnx import metadata, read
from steelflow.errors import EngineError, ModelError
from steelflow.models.novelty import NOVELTY_KEY, parse_novelty
from steelflow.models.spec import METADATA_KEY, parse_spec


class TorchEngine:
    """float32 on the first CUDA device, or on the CPU if there is none (slower than onnxruntime)."""

    def __init__(self, path: Path) -> None:
        try:
            import torch
        except ImportError as exc:
            raise EngineError("the torch engine needs torch; install it with `pip install 'steelflow[train]'`") from exc
        from steelflow.models.deployable import load_torch

        weights = path.with_suffix(".safetensors")
        if not weights.is_file():
            raise ModelError(
                f"{path}: the torch engine needs {weights.name} beside it; add it or use --engine onnxruntime"
            )
        content = read(path)
        self.digest = hashlib.sha256(content).hexdigest()
        self._torch = torch
        self._device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.on_device = self._device.type == "cuda"
        self.name = f"torch {self._device}"
        network, self.spec = load_torch(weights)
        found = metadata(content, path)
        if parse_spec(found.get(METADATA_KEY), str(path)) != self.spec:
            raise ModelError(f"{weights}: is not the same model as {path.name}; use both files of one training")
        self.novelty = parse_novelty(found.get(NOVELTY_KEY), self.spec.embedding_dims, str(path))
        self._network = network.to(self._device).eval()
        self._turn = threading.Lock()

    def run(self, batch: npt.NDArray[np.uint8]) -> Outputs:
        torch = self._torch
        with self._turn, torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device, non_blocking=True)
            return outputs_of(self.spec, *(output.float().cpu().numpy() for output in self._network(image)))
