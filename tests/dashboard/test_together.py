"""One label for many images: who may, what is kept, and what became of each image."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dashboard.auth.access import Actor
from dashboard.auth.together import MOST, label_together
from steelflow.archive.fetch import ImageRef
from steelflow.errors import LabelError, SteelflowError
from steelflow.labels import LabelStore
from steelflow.records import Failure
from steelflow.store.local import LocalStore

ANN, BEN, VIEWER = Actor("ann", "labeller"), Actor("ben", "labeller"), Actor("vic", "viewer")
CLASSES = ("crazing", "patches", "scratches")


def row(number: int) -> dict[str, Any]:
    place = {"object_key": f"L1/{number}.jpg", "member": None, "ordinal": 0}
    return {**place, "line": "L1", "date": dt.date(2026, 11, 1), "coil": "C1", "label": "crazing"}


def data(number: int) -> bytes:
    return b"\xff\xd8\xff" + bytes([number])


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


def fetch(places: Sequence[ImageRef]) -> Iterator[tuple[ImageRef, bytes | Failure]]:
    """Every image but the one with the number 9, which left the archive."""
    for place in places:
        number = int(place.key.removeprefix("L1/").removesuffix(".jpg"))
        yield place, Failure("missing", "no such object") if number == 9 else data(number % 256)


def test_all_images_get_the_label_as_one_batch_with_who(labels: LabelStore) -> None:
    rows = [row(number) for number in (1, 2, 9, 3, 3)]
    label_together(BEN, labels, rows[:1], fetch, "crazing", CLASSES)
    done = label_together(ANN, labels, rows, fetch, "patches", CLASSES)
    assert (done.labelled, done.changed, len(done.missing)) == (3, 1, 1)
    assert "9.jpg" in done.missing[0]
    assert labels.history()["batch"].n_unique() == 2
    now = labels.current()
    assert now.select("label", "who", "source", "line", "coil").unique().rows() == [
        ("patches", "ann", "review", "L1", "C1")
    ]
    assert sorted(now["object_key"]) == ["L1/1.jpg", "L1/2.jpg", "L1/3.jpg"]
    assert now["note"].unique().to_list() == ["one of 4 that were labelled together"]
    again = label_together(ANN, labels, rows, fetch, "patches", CLASSES)
    assert (again.labelled, again.unchanged) == (0, 3)
    assert labels.history()["batch"].n_unique() == 2


@pytest.mark.parametrize(
    ("who", "numbers", "name", "words"),
    [
        (VIEWER, [1], "patches", "vic has the role viewer"),
        (ANN, [], "patches", "no image was chosen"),
        (ANN, [9], "patches", "none of these images"),
        (ANN, [1], "pathces", "did you mean 'patches'"),
        (ANN, range(10, 11 + MOST), "patches", "at most 500"),
    ],
)
def test_what_is_refused_adds_no_label(
    labels: LabelStore, who: object, numbers: Sequence[int], name: str, words: str
) -> None:
    with pytest.raises((LabelError, SteelflowError), match=words):
        label_together(who, labels, [row(n) for n in numbers], fetch, name, CLASSES)  # type: ignore[arg-type]  # parametrised
    assert labels.history().is_empty()


def test_a_class_that_is_meant_to_be_new_is_new(labels: LabelStore) -> None:
    label_together(ANN, labels, [row(1)], fetch, "edge crack", CLASSES, new=True)
    assert labels.classes() == ["edge crack"]
