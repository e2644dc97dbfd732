"""Design of Cost-Effective Steel Surface Defect Detector Based on Deep Learning. J. Lee et al., IJASEIT 2024.

Table II: four layers of 3×3 convolution, ReLU and 2×2 max pooling with 8, 16, 32 and 64 channels, 200×200 → 12×12, then
two fully connected layers of 16 and 6. The paper contradicts itself: its Table V gives 0.08 M weights for the proposed
network and 0.17 M for the authors' previous one, but Table II has 172,102 with three channels. This file follows Table
II.
"""

from __future__ import annotations

from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models.network import Network

WIDTHS = (8, 16, 32, 64)


class CostEffectiveCNN(Network):
    """172,102 parameters with three channels, six classes and 200×200; the first fully connected layer has 147,472."""

    feature_dims = 16

    def __init__(self, classes: int, input_size: int = 200, channels: int = 1) -> None:
        super().__init__()
        side = input_size // 2 ** len(WIDTHS)
        if side == 0:
            raise ModelError(
                f"cost_effective_cnn: an image of {input_size} pixels is too small for four poolings; use 16 or more"
            )
        layers: list[nn.Module] = []
        for inputs, outputs in zip((channels, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(WIDTHS[-1] * side**2, self.feature_dims), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(self.feature_dims, classes)
        for module in self.body:
            # The network has no normalisation: with torch's default, every layer would lose most of the variance.
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> Tensor:
        features: Tensor = self.body(x)
        return features
