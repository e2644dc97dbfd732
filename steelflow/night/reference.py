"""The drift references of the model that inspects."""

from __future__ import annotations

from steelflow.config import Settings
from steelflow.registry import open_registry
from steelflow.registry.version import REFERENCE


def brought_by(version: str | None, settings: Settings) -> bytes | None:
    """The drift reference that a version of the registry brings, as the bytes of a profile.

    None if it brings none, or if ``version`` is None: the model is not from the registry.

    Raises:
        RegistryError: no such version, or its reference was changed.
    """
    if version is None:
        return None
    registry = open_registry(settings)
    known = registry.version(version)
    return registry.read(known, REFERENCE) if REFERENCE in known.files else None
