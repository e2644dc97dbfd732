"""The zoo: one paper, one file. The catalogue maps the name of an architecture to what builds it.

Importing this package loads no torch; building a network does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from steelflow.errors import ModelError

if TYPE_CHECKING:
    from steelflow.models.network import Network

Builder = Callable[[int], "Network"]


def _ssdc_mininet(classes: int) -> Network:
    from steelflow.models.ssdc_mininet import SSDCMiniNet

    return SSDCMiniNet(classes)


CATALOGUE: dict[str, Builder] = {
    "ssdc_mininet": _ssdc_mininet,
}


def builder(arch: str) -> Builder:
    """What builds an architecture. Raises ``ModelError`` for one that is not in the catalogue."""
    try:
        return CATALOGUE[arch]
    except KeyError:
        raise ModelError(f"no architecture {arch!r} in the catalogue; it has: {', '.join(sorted(CATALOGUE))}") from None


def build(arch: str, classes: int) -> Network:
    """A fresh network of the catalogue with ``classes`` outputs, initialised from torch's global generator.

    Raises:
        ModelError: ``arch`` is not in the catalogue.
    """
    return builder(arch)(classes)
