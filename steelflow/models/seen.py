"""Which images trained a model, as far as its files tell: figures on them say little about new images."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np

from steelflow.models.shipped import WEIGHTS, shipped

PREFIX = 8  # bytes of a SHA-256 that are kept: two of a million images agree by chance once in 10⁷ sets


def seen(model: str, digest: str, data_hash: str, images: Collection[bytes]) -> int | None:
    """How many of these images trained the model; None if nothing is known about it.

    A model that ships has the digests of its training images beside it. A model of ``train --on-all`` has a record that
    names its data.

    Args:
        model: the path of the ONNX file, or a name, as ``model.ref`` of the settings has it.
        digest: SHA-256 of the file, as hexadecimal digits.
        data_hash: of the data set that the images are from.
        images: SHA-256 of each image file.
    """
    known = shipped(digest)
    if known is None:
        return len(images) if _learned_all(Path(model), data_hash) else None
    wanted = np.frombuffer(b"".join(one[:PREFIX] for one in images), "<u8")
    return int(np.isin(wanted, np.frombuffer((WEIGHTS / f"{known.name}.seen").read_bytes(), "<u8")).sum())


def _learned_all(path: Path, data_hash: str) -> bool:
    """Whether the record beside the file says that all images of these data trained this model."""
    if path.suffix != ".onnx":
        return False
    try:
        record = json.loads(path.with_name("metrics.json").read_bytes())
        return bool(record["on_all"] and record["data_hash"] == data_hash and record["model"]["name"] == path.stem)
    except (OSError, ValueError, KeyError, TypeError):  # no record, or one of another steelflow
        return False
