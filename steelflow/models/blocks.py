"""The layers that several papers share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

RELU: Callable[[], nn.Module] = partial(nn.ReLU, inplace=True)


def conv(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int] = 1,
    *,
    groups: int = 1,
    activation: Callable[[], nn.Module] = RELU,
) -> nn.Sequential:
    """Convolution, batch norm, activation; padded so that an odd kernel with stride 1 keeps the size of the map.

    ``kernel`` and ``stride`` are one number, or height and width.
    """
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (height - 1) // 2, (width - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        activation(),
    )


def separable(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """DS convolution (MobileNet, Howard et al. 2017): each channel on its own, then 1×1 across channels."""
    return nn.Sequential(conv(inputs, inputs, kernel, stride, groups=inputs), conv(inputs, outputs, 1))
