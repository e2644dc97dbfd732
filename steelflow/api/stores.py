"""Open labels and the registry, and reach the stores behind what is opened."""

from __future__ import annotations

import atexit
import contextlib
import os
from typing import TYPE_CHECKING

from steelflow.api.arguments import Place
from steelflow.config import Settings, load_settings
from steelflow.store import open_store
from steelflow.store.embedded import serving

if TYPE_CHECKING:
    from steelflow.labels import LabelStore
    from steelflow.registry import Registry

_open = contextlib.ExitStack()
_reached: dict[str, Settings] = {}
atexit.register(_open.close)


def reached(settings: Settings, *places: str) -> Settings:
    """Settings with which the places can be read after this call. An embedded S3 server starts only if one of them is
    in it, and runs until this Python process ends: a lazy frame reads when it is collected."""
    if not any(place.startswith("s3://") for place in places):
        return settings
    key = settings.model_dump_json()
    if key not in _reached:
        _reached[key] = _open.enter_context(serving(settings, *places))
    return _reached[key]


def open_labels(place: Place | None = None, *, settings: Settings | None = None) -> LabelStore:
    """Open a label store: what people said about images. Nothing is read yet.

    Args:
        place: a folder or ``s3://bucket/prefix``. Default: the label store of the settings. A folder need not exist
            yet.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``.

    Returns:
        The label store. ``current()`` returns a Polars frame with one row for each labelled image: ``image`` (SHA-256
        of its bytes), ``label``, ``who``, ``source``, ``at`` (UTC), ``object_key``, ``member``, ``ordinal`` and
        others. ``history()`` has every label ever given, ``image(sha256)`` the bytes of an image. ``steelflow.train``
        accepts the store as its data.

    Raises:
        ConfigError: the settings are wrong.
        StoreError: later, if the store cannot be read.

    Example:
        labels = steelflow.open_labels("labels")
        labels.current().group_by("label").len()
    """
    from steelflow.labels import LabelStore

    settings = settings or load_settings()
    uri = settings.labels_uri if place is None else os.fspath(place)
    return LabelStore(open_store(uri, reached(settings, uri).store, create=True))


def open_registry(place: Place | None = None, *, settings: Settings | None = None) -> Registry:
    """Open a model registry: the model versions, and the log of which one inspects. Nothing is read yet.

    Args:
        place: a folder or ``s3://bucket/prefix``. Default: the registry of the settings. A folder need not exist yet.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``.

    Returns:
        The registry. ``versions()`` lists all versions, oldest first. ``champion()`` is the version that inspects, or
        None if nothing was promoted; the model that ships with steelflow then inspects. ``register``, ``promote`` and
        ``rollback`` change it.

    Raises:
        ConfigError: the settings are wrong.
        StoreError: later, if the registry cannot be read.
        RegistryError: later, if something in it is missing or was edited.

    Example:
        registry = steelflow.open_registry("registry")
        for version in registry.versions():
            print(version.version, version.arch, version.created_at)
        print(registry.champion())
    """
    from steelflow.registry import Registry

    settings = settings or load_settings()
    uri = settings.registry_uri if place is None else os.fspath(place)
    return Registry(open_store(uri, reached(settings, uri).store, create=True))
