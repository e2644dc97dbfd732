"""The zoo: one paper, one file. The catalogue maps the name of an architecture to what builds it.

Importing this package loads no torch; building a network does.
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
    """An entry of the catalogue: where its class is, and how it is used.

    ``network`` is ``<module of this package>:<class>``; the class takes ``(classes, input_size, channels=1,
    **options)``, where ``input_size`` is the side of the picture in pixels (of interest to those that flatten a map)
    and ``channels`` is 1, or 3 to count as the papers do.
    """

    network: str
    input_size: int
    source: str
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, classes: int, input_size: int | None = None, channels: int = 1) -> Network:
        """A fresh network, initialised from torch's global generator."""
        module, _, name = self.network.partition(":")
        make = getattr(import_module(f"steelflow.models.{module}"), name)
        network: Network = make(classes, input_size or self.input_size, channels, **self.options)
        return network


CATALOGUE: dict[str, Architecture] = {
    "ssdc_mininet": Architecture("ssdc_mininet:SSDCMiniNet", 100, "Pradipta, Richter, Kim: SSDC-MiniNet"),
}


def architecture(arch: str) -> Architecture:
    """The entry of the catalogue. Raises ``ModelError`` for a name that it does not have."""
    try:
        return CATALOGUE[arch]
    except KeyError:
        raise ModelError(f"no architecture {arch!r} in the catalogue; it has: {', '.join(sorted(CATALOGUE))}") from None
