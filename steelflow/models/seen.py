"""Which images trained a model, as far as its files tell: figures on them say little about new images.

A model's weights file has the marks of its training images in its metadata. A model that ships has them in
``weights/<name>.seen``, so that a copy of its ONNX file alone is known by its digest.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.errors import ModelError
from steelflow.models.shipped import WEIGHTS, resolve, shipped

SEEN = "steelflow.seen"
"""The entry of the metadata that has the marks."""

_PREFIX = 8  # bytes of a SHA-256 that are kept: two of a million images agree by chance once in 10⁷ sets

Marks = npt.NDArray[np.uint64]
"""Of N images, in ascending order: the first eight bytes of the SHA-256 of each image file."""


def marks(images: Collection[bytes]) -> Marks:
    """The marks of images, given the SHA-256 of each file."""
    return np.unique(_prefixes(images))


def as_text(known: Marks) -> str:
    return base64.b64encode(known.astype("<u8").tobytes()).decode()


def trained_on(model: str | Path, digest: str) -> Marks | None:
    """The images that trained a model, and those that trained the model it began with. None if nothing is known, or if
    safetensors is not installed.

    Args:
        model: the path of the ONNX file, or a name, as ``model.ref`` of the settings has it.
        digest: SHA-256 of the file, as hexadecimal digits.
    """
    known = shipped(digest)
    if known is not None:
        return np.frombuffer((WEIGHTS / f"{known.name}.seen").read_bytes(), "<u8").astype(np.uint64)
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        return None
    try:
        with safe_open(resolve(str(model)).with_suffix(".safetensors"), framework="numpy") as file:
            text = (file.metadata() or {}).get(SEEN)
        return None if text is None else np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64)
    except (OSError, SafetensorError, ModelError, ValueError):  # no weights, or those of another steelflow
        return None


def among(known: Marks | None, images: Collection[bytes]) -> npt.NDArray[np.bool_]:
    """Which of N ``images`` (the SHA-256 of each file) are known to have trained the model: (N,)."""
    return np.zeros(len(images), bool) if known is None else np.isin(_prefixes(images), known)


def seen(model: str | Path, digest: str, images: Collection[bytes]) -> int | None:
    """How many of these images trained the model; None if nothing is known about it. See ``trained_on``."""
    known = trained_on(model, digest)
    return None if known is None else int(among(known, images).sum())


def _prefixes(images: Collection[bytes]) -> Marks:
    return np.frombuffer(b"".join(one[:_PREFIX] for one in images), "<u8").astype(np.uint64)
