"""What the functions of the API take: places, settings, a callback for progress."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from steelflow.config import EngineName, Settings, load_settings

Place = str | os.PathLike[str]
"""A local path, or a URI such as ``s3://bucket/prefix``."""

Progress = Callable[[int], object]
"""Called with the number of images that are done since the last call."""


def chosen(settings: Settings | None, model: Place | None, engine: EngineName | None) -> Settings:
    """The settings of the caller, or the usual ones, with the caller's model and engine."""
    return (settings or load_settings()).with_model(None if model is None else os.fspath(model), engine)


def told(progress: Callable[[Any], object] | None) -> Callable[[Any], None]:
    """A callback that is always there and returns nothing, as the library expects."""

    def tell(value: Any) -> None:
        if progress is not None:
            progress(value)

    return tell
