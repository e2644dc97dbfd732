"""What labels gained: the accuracy before and after the first retraining that used them. No Streamlit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from steelflow.retrain.record import RetrainResult
from steelflow.retrain.trial import GOLDEN

_LOOKED_AT = 10  # latest retrainings


@dataclass(frozen=True, slots=True)
class Gain:
    """A retraining: accuracy of the champion ``before`` and of the new version ``after`` on the golden set of
    ``images``. ``used`` is the number of the given labelled images that it learnt from or was judged on."""

    started_at: dt.datetime
    state: str
    version: str | None
    before: float
    after: float
    images: int
    used: int


def gain(
    records: Sequence[RetrainResult], labelled: Collection[str], in_snapshot: Callable[[str], Collection[str]]
) -> Gain | None:
    """The first retraining that knew one of these images; without images, the latest one. None if there is none.

    Args:
        records: latest first.
        labelled: images by their SHA-256.
        in_snapshot: the images of the labels of a retraining, by the hash of its snapshot.
    """
    found = None
    for record in records[:_LOOKED_AT]:
        gate, snapshot = record.details.gate, record.details.snapshot
        compared = None if gate is None else next((one for one in gate.comparisons if one.name == GOLDEN), None)
        if compared is None or compared.remembered:  # what the model before remembered is no measure
            continue
        used = len(set(labelled) & set(in_snapshot(snapshot))) if labelled and snapshot else 0
        if labelled and not used:
            continue
        found = Gain(
            record.started_at,
            record.state,
            record.challenger,
            compared.champion,
            compared.challenger,
            compared.images,
            used,
        )
        if not labelled:
            return found
    return found
