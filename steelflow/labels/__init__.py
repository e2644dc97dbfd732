"""Labels by people: the truth for training and for the gate before a promotion.

images/<ab>/<sha256>             bytes of every labelled image, by their hash: archives expire
batches/<time>-<random>.parquet  the labels of one import or one person, append-only: the truth
classes/<n>.json                 classes that were retired, renamed or merged, by whom and why
compacted.parquet                the batches so far in one file, for fast reading; may be deleted
snapshots/<hash>.parquet         the labels that a model was trained on
golden/<hash>.parquet            a frozen golden set
golden/pins/<n>.json             every choice of a golden set, with its reason
golden.json                      the current pin: a copy of the last one
"""

from steelflow.labels.batches import Label
from steelflow.labels.classes import ClassChange, Classes
from steelflow.labels.golden import Golden, Pin
from steelflow.labels.regions import region_queue
from steelflow.labels.review import queue
from steelflow.labels.snapshot import Snapshot
from steelflow.labels.store import Added, LabelStore, open_labels

__all__ = [
    "Added",
    "ClassChange",
    "Classes",
    "Golden",
    "Label",
    "LabelStore",
    "Pin",
    "Snapshot",
    "open_labels",
    "queue",
    "region_queue",
]
