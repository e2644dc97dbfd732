"""Examples of each class: bounded, undisputed, golden first, and the same ones every time."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from steelflow.labels import Label, LabelStore
from steelflow.labels.examples import examples
from steelflow.store.local import LocalStore

CLASSES = ["crazing", "patches", "scratches", "dents"]


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


def test_golden_images_come_first_and_disputed_ones_never(labels: LabelStore) -> None:
    images = list(labels.images.put_many(b"image %d" % number for number in range(20)))
    for image in images[:10]:
        labels.add([Label(image, "patches", "ann", "review")], classes=CLASSES)
    labels.add([Label(images[0], "crazing", "ben", "second")], classes=CLASSES)  # disputed
    golden = labels.current().filter(label="patches").select("image", "label").sort("image").tail(2)
    labels.freeze(golden, "ann", "to judge by")
    labels.add([Label(images[15], "scratches", "ann", "review", x=1, y=2, width=3, height=4)], classes=CLASSES)
    labels.add(
        [Label(images[16], "scratches", "ann", "review", x=1, y=2, width=3, height=4, verdict="good")], classes=CLASSES
    )
    found = examples(labels, CLASSES, 3)
    assert list(found) == CLASSES
    assert [image for image, _ in found["patches"][:2]] == golden["image"].to_list()
    assert len(found["patches"]) == 3
    assert all(box is None for _, box in found["patches"])
    assert images[0] not in [image for image, _ in found["patches"] + found["crazing"]]
    assert found["scratches"] == [(images[15], (1, 2, 3, 4))]
    assert (found["crazing"], found["dents"]) == ([], [])
    assert examples(LabelStore(labels.store), CLASSES, 3) == found


def test_a_golden_image_that_a_person_called_otherwise_is_no_example(labels: LabelStore) -> None:
    one, two = labels.images.put_many([b"one", b"two"])
    for image in (one, two):
        labels.add([Label(image, "patches", "ann", "review")], classes=CLASSES)
    labels.freeze(labels.current().select("image", "label"), "ann", "to judge by")
    labels.add([Label(one, "crazing", "ann", "review")], classes=CLASSES)
    assert examples(labels, CLASSES)["patches"] == [(two, None)]


def test_the_region_of_a_golden_frame_is_the_example(labels: LabelStore) -> None:
    one, two = labels.images.put_many([b"one", b"two"])
    labels.add([Label(one, "dents", "ann", "review", x=1, y=2, width=3, height=4)], classes=CLASSES)
    labels.add([Label(two, "dents", "ann", "review", x=5, y=6, width=7, height=8)], classes=CLASSES)
    labels.freeze(pl.DataFrame({"image": [two], "label": ["dents"]}), "ann", "to judge by")
    assert examples(labels, CLASSES)["dents"] == [(two, (5, 6, 7, 8)), (one, (1, 2, 3, 4))]


def test_nothing_is_labelled_yet(labels: LabelStore) -> None:
    assert examples(labels, CLASSES) == {name: [] for name in CLASSES}
