"""Model versions that never change, and the log that says which of them inspects."""

from __future__ import annotations

from steelflow.registry.log import Entry
from steelflow.registry.registry import Registry, open_registry
from steelflow.registry.resolve import ModelFile, line_points, model_file, resolved
from steelflow.registry.version import File, Version

__all__ = [
    "Entry",
    "File",
    "ModelFile",
    "Registry",
    "Version",
    "line_points",
    "model_file",
    "open_registry",
    "resolved",
]
