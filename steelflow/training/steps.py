"""Measure the time of a training step of an architecture, in each precision."""

from __future__ import annotations

import torch

from steelflow.models import architecture
from steelflow.training.loop import one_thread
from steelflow.training.precision import Precision, step_seconds

IMAGES = 8


def measure_steps(arch: str, size: int) -> dict[Precision, float]:
    """Seconds for eight pictures (``size`` × ``size`` pixels) of six classes, on one CPU thread."""
    network = architecture(arch).build(6, size).train().to(memory_format=torch.channels_last)
    images, labels = torch.randint(0, 256, (IMAGES, 1, size, size), dtype=torch.uint8), torch.arange(IMAGES) % 6
    with one_thread():
        return step_seconds(network, lambda x: (x / 255 - 0.5) / 0.25, images, labels)
