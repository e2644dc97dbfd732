"""What people said of images: the truth that training and the gate go by.

images/<ab>/<sha256>           bytes of every labelled image, by what is in them: archives expire
batches/<time>-<random>.parquet  what one import or one person said, append-only: the truth
compacted.parquet              the batches so far in one file, to be read quickly; may be deleted
snapshots/<hash>.parquet       the labels that a model was trained on
golden/<hash>.parquet          a frozen golden set
golden/pins/<n>.json           every choice of a golden set, with its reason
golden.json                    the pin that counts: a copy of the last of them
"""

from steelflow.labels.batches import Label
from steelflow.labels.golden import Golden, Pin
from steelflow.labels.review import queue
from steelflow.labels.snapshot import Snapshot
from steelflow.labels.store import Added, LabelStore, open_labels

__all__ = ["Added", "Golden", "Label", "LabelStore", "Pin", "Snapshot", "open_labels", "queue"]
