"""Labels by people: the truth for training and for the gate before a promotion.

images/<ab>/<sha256>             bytes of every labelled image, by their hash: archives expire
batches/<time>-<random>.parquet  the labels of one import or one person, append-only: the truth
classes/<n>.json                 classes that were retired, renamed or merged, by whom and why
compacted.parquet                the batches so far in one file, for fast reading; may be deleted
snapshots/<hash>.parquet         the labels that a model was trained on
golden/<hash>.parquet            a frozen golden set
golden/pins/<n>.json             every choice of a golden set, with its reason
golden.json                      the current pin: a copy of the last one

store.py          all labels of an image, the current one, the labels for training;  batches.py, table.py: as files
images.py         the bytes of labelled images
intake.py         imports;  checks.py, names.py: what names may be;  standing.py: labels that do not count, and why
classes.py        classes that were retired, renamed or merged;  examples.py: pictures of each class
boxes.py          labels of regions;  framed.py: frames with their regions;  boxes_export.py: as COCO or VOC
export.py         labels as files
snapshot.py       the labels of one moment;  golden.py: the golden set;  stats.py: the store in figures
review.py         the review queue;  regions.py: that of regions;  newest.py, cluster.py, showable.py: what they use
second.py         the second reader
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
