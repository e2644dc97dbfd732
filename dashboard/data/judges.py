"""The models that classified images, loaded on demand to explain a result."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard.data import sources
from steelflow.engine import Engine, open_engine
from steelflow.engine.occlusion import Occlusion, occlusion_map
from steelflow.images.decode import Grey, resize
from steelflow.models.shipped import SHIPPED, resolve
from steelflow.registry import resolved


@st.cache_resource(ttl=3600, max_entries=3, show_spinner=False)
def judge(digest: str) -> Engine | None:
    """The model whose file has this SHA-256: from the registry, shipped, or configured. None if it is gone.

    Raises:
        RegistryError, ModelError, StoreError: it exists, but it is damaged or cannot be reached.
    """
    settings, registry = sources.settings(), sources.registry()
    for version in registry.versions():
        if version.digest == digest:
            return open_engine(registry.fetch(version, settings.home / "models"), "onnxruntime")
    for name, known in SHIPPED.items():
        if known == digest:
            return open_engine(resolve(name), "onnxruntime")
    engine = open_engine(resolved(settings).path, "onnxruntime")
    return engine if engine.digest == digest else None


def explained(engine: Engine, picture: Grey, label: str) -> Occlusion:
    """The occlusion map of ``label``, one of the model's classes, in a decoded image of any size."""
    spec = engine.spec
    return occlusion_map(engine, np.ascontiguousarray(resize(picture, spec.input_size)), spec.classes.index(label))
