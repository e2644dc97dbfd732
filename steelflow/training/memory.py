"""A batch that does not fit into the memory: what to do, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from steelflow.errors import TrainingError

_NO_MEMORY = "can't allocate memory"  # torch has no class of its own for this on a CPU


@contextmanager
def enough_memory(batch: int) -> Iterator[None]:
    """Raises ``TrainingError`` if torch finds no memory for a step with ``batch`` images."""
    try:
        yield
    except RuntimeError as exc:
        if not isinstance(exc, torch.OutOfMemoryError) and _NO_MEMORY not in str(exc):
            raise
        where = "the GPU's memory" if isinstance(exc, torch.OutOfMemoryError) else "memory"
        raise TrainingError(
            f"a batch of {batch} images does not fit into {where}: set a smaller --batch-size or --input-size"
        ) from exc
