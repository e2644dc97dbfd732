"""Finds the model file that ``model.ref`` of the settings names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from steelflow.config import CHAMPION, Settings
from steelflow.models.shipped import SELECTED, resolve
from steelflow.registry.operating_points import points_of
from steelflow.registry.registry import Registry
from steelflow.registry.version import Version, is_version
from steelflow.store.embedded import reading


class ModelFile(NamedTuple):
    """An ONNX file; ``version`` is its name in the registry, None if it is not from the registry."""

    path: Path
    version: str | None

    @property
    def digest(self) -> str:
        """SHA-256 of the file, which names the model in reports."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def model_file(settings: Settings) -> Path:
    """The ONNX file of the configured model, see ``resolved``."""
    return resolved(settings).path


def resolved(settings: Settings) -> ModelFile:
    """The model that ``model.ref`` names. ``champion`` is the registry's champion, or the shipped model if none was
    promoted; ``v3`` is that version; anything else is the name of a shipped model, or a path. Files of the registry are
    cached in ``home/models``.

    Raises:
        ModelError: no such model.
        RegistryError: no such version, or one of its objects was changed.
        StoreError: the registry cannot be reached.
    """
    ref = settings.model.ref
    if ref != CHAMPION and not is_version(ref):
        return ModelFile(resolve(ref), None)
    with reading(settings, settings.registry_uri) as store:
        registry = Registry(store)
        version = _wanted(registry, ref)
        if version is None:
            return ModelFile(resolve(SELECTED), None)
        return ModelFile(registry.fetch(version, settings.home / "models"), version.version)


def line_points(settings: Settings, digest: str) -> Mapping[str | None, float]:
    """The operating points that were set for a model, by line; see ``operating_points.points_of``."""
    with reading(settings, settings.registry_uri) as store:
        return points_of(store, digest)


def _wanted(registry: Registry, ref: str) -> Version | None:
    return registry.champion() if ref == CHAMPION else registry.version(ref)
