"""Whether the model that judges is a model of views, and its version in the registry."""

from __future__ import annotations

from steelflow.config import CHAMPION, Settings
from steelflow.engine import open_engine
from steelflow.errors import ModelError
from steelflow.models.shipped import resolve
from steelflow.registry import Registry, Version
from steelflow.registry.version import is_version
from steelflow.retrain.material import WHO


def judges_views(settings: Settings, champion: Version | None) -> bool:
    """Whether retraining is on frames: the champion is a model of views; or there is none yet, and the model of the
    settings (``model.ref``) is one."""
    if champion is not None:
        return champion.view is not None
    ref = settings.model.ref
    if ref == CHAMPION or is_version(ref):
        return False
    try:
        return open_engine(resolve(ref), "onnxruntime").spec.view is not None
    except ModelError:
        return False


def first_of_views(settings: Settings, registry: Registry) -> Version:
    """Register and promote the model of views that ``model.ref`` names as the first version, so that a rollback has a
    target."""
    why = "the model that inspects"
    first = registry.register(resolve(settings.model.ref), who=WHO, reason=why)
    registry.promote(first, who=WHO, reason=why)
    return first
