"""What can be checked before a retraining changes anything: that models can be trained here, and that the labelled
images are there."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from steelflow.errors import ConfigError, LabelError
from steelflow.labels import LabelStore
from steelflow.models import CATALOGUE


def check_training(arch: str) -> None:
    """Raises ``ConfigError`` if torch is not installed, or the catalogue has no such architecture."""
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("retraining needs torch; install it with `pip install 'steelflow[train]'`")
    if arch not in CATALOGUE:
        raise ConfigError(f"selection.arch: {arch!r} is not in the catalogue; it has: {', '.join(CATALOGUE)}")


def check_images(labels: LabelStore, images: Iterable[str]) -> None:
    """Raises ``LabelError`` if a labelled image is not in the label store."""
    if missing := labels.images.missing(images):
        raise LabelError(
            f"{labels.uri}: {len(missing)} labelled images are missing, such as {missing[0][:16]}; restore them from a "
            "backup, or take their labels back with `steelflow labels withdraw`; nothing was changed"
        )
