"""A batch that does not fit into the memory is one readable line."""

from __future__ import annotations

import pytest
import torch

from steelflow.errors import TrainingError
from steelflow.training.memory import enough_memory


def test_a_batch_that_is_too_large_is_one_line() -> None:
    with pytest.raises(TrainingError, match=r"of 64 images .* memory: set a smaller --batch-size"), enough_memory(64):
        torch.empty(1 << 60)
    with pytest.raises(TrainingError, match="does not fit into the GPU's memory"), enough_memory(64):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"), enough_memory(8):
        torch.ones(2, 3) @ torch.ones(2, 3)
