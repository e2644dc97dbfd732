"""The model zoo: one paper, one file. The catalogue maps the name of an architecture to its class.

Importing this package does not load torch. Building a network does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from steelflow.errors import ModelError

if TYPE_CHECKING:
    from steelflow.models.network import Network


@dataclass(frozen=True, slots=True)
class Architecture:
    """An entry of the catalogue: the class of a network, and how it is used.

    ``network`` is ``<module of this package>:<class>``. The class takes ``(classes, input_size, channels=1,
    **options)``. ``input_size`` is the side of the image in pixels; only networks that flatten a map need it.
    ``channels`` is 1, or 3 to count parameters as the papers do. ``learning_rate`` is set if the recipe's learning rate
    is too high for the network.
    """

    network: str
    input_size: int
    source: str
    options: dict[str, Any] = field(default_factory=dict)
    learning_rate: float | None = None

    def build(self, classes: int, input_size: int | None = None, channels: int = 1) -> Network:
        """A fresh network, initialised from torch's global generator.

        Raises:
            ModelError: the module or the class of the entry does not exist, or ``input_size`` is too small.
        """
        network: Network = self.network_class()(classes, input_size or self.input_size, channels, **self.options)
        return network

    def network_class(self) -> type[Network]:
        """Raises ``ModelError`` if the module or the class of the entry does not exist."""
        module, _, name = self.network.partition(":")
        path = f"steelflow.models.{module}"
        try:
            found: type[Network] = getattr(import_module(path), name)
        except ModuleNotFoundError as exc:
            if exc.name != path:  # the module is there and imports what is not installed
                raise
            raise ModelError(f"catalogue: {self.network!r}: no module {path}; correct the entry, or add it") from exc
        except AttributeError as exc:
            raise ModelError(f"catalogue: {self.network!r}: {path} has no {name!r}; correct the entry") from exc
        return found


CATALOGUE: dict[str, Architecture] = {
    "steelnet": Architecture("steelnet:SteelNet", 100, "ours: docs/models.md"),
    "steelnet_s": Architecture("steelnet:SteelNet", 100, "ours, narrow", {"widths": (8, 24, 32, 48)}),
    "steelnet_l": Architecture("steelnet:SteelNet", 100, "ours, wide", {"widths": (24, 48, 64, 96)}),
    "steelnet_fast": Architecture("steelnet_fast:SteelNetFast", 100, "ours, half of the time"),
    "strip_light": Architecture("strip_light:StripLight", 256, "ours, for views of strip"),
    "strip_wide": Architecture(
        "strip_wide:StripWide", 256, "ours, for views of strip, from MobileNetV2", learning_rate=1e-3
    ),
    "ssdc_mininet": Architecture("ssdc_mininet:SSDCMiniNet", 100, "Pradipta, Richter, Kim: SSDC-MiniNet"),
    "cost_effective_cnn": Architecture(
        "cost_effective_cnn:CostEffectiveCNN",
        200,
        "Lee et al. 2024: Cost-Effective Steel Surface Defect Detector",
        learning_rate=1e-3,
    ),
    "casi_net": Architecture("casi_net:CASINet", 300, "Li et al. 2022: CASI-Net", learning_rate=1e-3),
    "casi_net_blfe": Architecture(
        "casi_net:CASINet",
        300,
        "Li et al. 2022: CASI-Net, BLFE alone",
        {"attention": False, "interaction": False},
        learning_rate=1e-3,
    ),
    "casi_net_blfe_si": Architecture(
        "casi_net:CASINet",
        300,
        "Li et al. 2022: CASI-Net without coordinate attention",
        {"attention": False},
        learning_rate=1e-3,
    ),
    "casi_net_blfe_ca": Architecture(
        "casi_net:CASINet",
        300,
        "Li et al. 2022: CASI-Net without self-interaction",
        {"interaction": False},
        learning_rate=1e-3,
    ),
    "mobilesteelnet": Architecture(
        "mobilesteelnet:MobileSteelNet", 224, "Zou et al. 2026: MobileSteelNet", learning_rate=1e-3
    ),
    "mobilenet_v2_transfer": Architecture(
        "mobilenet_v2_transfer:MobileNetV2Transfer",
        224,
        "Kamel, Hassan, Saeid: MobileNetV2 in two phases",
        learning_rate=1e-3,
    ),
    "resnet50v2_transfer": Architecture(
        "resnet50v2_transfer:ResNet50V2Transfer",
        224,
        "Kamel, Hassan, Saeid: ResNet50V2 in two phases",
        learning_rate=1e-3,
    ),
    # The baselines of the papers.
    "mobilenet_v1": Architecture("mobilenet_v1:MobileNetV1", 200, "Howard et al. 2017: MobileNets", learning_rate=1e-3),
    "mobilenet_v1_025": Architecture(
        "mobilenet_v1:MobileNetV1", 200, "Howard et al. 2017: MobileNets, width 0.25", {"width": 0.25}
    ),
    "mobilenet_v1_010": Architecture(
        "mobilenet_v1:MobileNetV1", 200, "Howard et al. 2017: MobileNets, width 0.1", {"width": 0.1}
    ),
    "effnet": Architecture("effnet:EffNet", 300, "Freeman, Roese-Koerner, Kummert 2018: EffNet", learning_rate=1e-3),
    "resnet50": Architecture("resnet50:ResNet50", 200, "He et al. 2016: Deep Residual Learning", learning_rate=1e-3),
    "densenet121": Architecture("densenet121:DenseNet121", 200, "Huang et al. 2017: DenseNet", learning_rate=1e-3),
}


def architecture(arch: str) -> Architecture:
    """The entry of the catalogue. Raises ``ModelError`` for an unknown name."""
    try:
        return CATALOGUE[arch]
    except KeyError:
        raise ModelError(f"no architecture {arch!r} in the catalogue; it has: {', '.join(sorted(CATALOGUE))}") from None
