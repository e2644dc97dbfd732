"""Finds the model file that ``model.ref`` of the settings names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from steelflow.config import CHAMPION, EMBEDDED, Settings
from steelflow.models.shipped import SELECTED, resolve
from steelflow.registry.registry import Registry, open_registry
from steelflow.registry.version import Version, is_version
from steelflow.store.embedded import serving


class ModelFile(NamedTuple):
    """An ONNX file; ``version`` is its name in the registry, None if it is not from the registry."""

    path: Path
    version: str | None


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
    if ref == CHAMPION and _never_used(settings):
        return ModelFile(resolve(SELECTED), None)
    with serving(settings, settings.registry_uri) as reached:
        registry = open_registry(reached)
        version = _wanted(registry, ref)
        if version is None:
            return ModelFile(resolve(SELECTED), None)
        return ModelFile(registry.fetch(version, settings.home / "models"), version.version)


def _wanted(registry: Registry, ref: str) -> Version | None:
    return registry.champion() if ref == CHAMPION else registry.version(ref)


def _never_used(settings: Settings) -> bool:
    """Whether the registry would be in the embedded store and is not there. Looked up in its folder: inspecting a
    folder need not start a server to learn that there is nothing on it."""
    scheme, _, path = settings.registry_uri.partition("://")
    embedded = scheme == "s3" and settings.store.endpoint == EMBEDDED
    return embedded and not (settings.home / "objects" / path / "log").is_dir()
