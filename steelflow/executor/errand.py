"""An errand: work of minutes that one node does as a whole, such as a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Errand(Protocol):
    """It travels to the node and has no secret in it. A lost errand is done again: it leaves nothing but its result."""

    @property
    def stores(self) -> tuple[str, tuple[str, ...]]:
        """The endpoint that the node must reach, and the URIs there."""
        ...

    def run(self, tell: Callable[[str], None], progress: Callable[[float], None]) -> Any:
        """Do it, on the node. What it returns travels back.

        Raises:
            SteelflowError: this node cannot do it.
        """
        ...
