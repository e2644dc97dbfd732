"""Labelled images of one part, and a retraining that is under way."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import cv2
import numpy as np

from steelflow.config import Settings
from steelflow.labels import Label, open_labels
from steelflow.labels.snapshot import is_held_out
from steelflow.registry import Version, open_registry
from steelflow.retrain.retraining import Request, Retraining

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def retraining(settings: Settings, champion: Version | None = None, **how: Any) -> Retraining:
    request = {"trigger": "manual", "reason": "a test", "who": "ann", **how}
    return Retraining(
        settings=settings,
        request=Request(**request),
        registry=open_registry(settings),
        labels=open_labels(settings),
        tell=lambda _: None,
        progress=lambda _: None,
        champion=champion,
        started=NOW,
    )


def pictures(seed: int = 0, held_out: bool = False) -> Iterator[bytes]:
    """Images of one part, without end."""
    for number in count(1000 * seed):
        noise = np.random.default_rng(number).integers(0, 255, (24, 24), dtype=np.uint8)
        data = cv2.imencode(".png", noise)[1].tobytes()
        if is_held_out(hashlib.sha256(data).digest()) == held_out:
            yield data


def label(settings: Settings, name: str, training: int, evaluation: int = 0, seed: int = 0) -> list[str]:
    labels = open_labels(settings)
    data = [*islice(pictures(seed), training), *islice(pictures(seed, held_out=True), evaluation)]
    put = [labels.images.put(one) for one in data]
    labels.add([Label(image, name, "ann", "import") for image in put], new_classes=[name])
    return put
