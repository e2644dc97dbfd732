"""SteelNet Fast: SteelNet's parts, arranged for half of its time on a CPU core.

Where SteelNet's time goes, and what is different here (onnxruntime, batches of 32; the candidates are in
docs/results/steelnet-fast-search.json):

- A third is the 11×11 depthwise kernel on a map of 13×13. One more stride comes first: on a map of 7×7 a kernel of 7×7
  sees as much of the image and costs a sixth. The operations saved pay for wider layers.
- A fifth is the 5×5 stem. A 3×3 stem costs a third of it.
- A tenth is the gate after the stem. It must leave onnxruntime's blocked layout and enter it again, so it is left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steelflow.models.blocks import conv, separable
from steelflow.models.network import Network
from steelflow.models.ssdc_mininet import Excitation, start_near_identity


class SteelNetFast(Network):
    """21,550 parameters with six classes; 3.4 MFLOPs (2·MAC) at 100×100.

    The widths are multiples of 16: onnxruntime computes channels in blocks of 16.
    """

    feature_dims = 96

    def __init__(self, classes: int, input_size: int = 100, channels: int = 1) -> None:  # noqa: ARG002  any size does
        super().__init__()
        self.stem = conv(channels, 16, 3, 2)
        self.body = nn.Sequential(
            separable(16, 32, 3, 2),
            separable(32, 48, 3, 2),
            separable(48, 64, 3, 2),
            start_near_identity(separable(64, self.feature_dims, 7)),
        )
        self.gate = Excitation(self.feature_dims)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(self.feature_dims, classes)

    def features(self, x: Tensor) -> Tensor:
        z = self.pool(self.body(self.stem(x)))
        return torch.flatten(z * self.gate(z), 1)
