"""What may be changed from a page, by whom, and what stays when it may not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashboard.auth import actions
from dashboard.auth.access import Actor, NotAllowed
from dashboard.auth.labelling import Review, known
from steelflow.archive.fetch import Reference
from steelflow.errors import LabelError, RegistryError
from steelflow.labels import LabelStore
from steelflow.registry import Registry
from steelflow.store.base import Store
from steelflow.store.local import LocalStore

ANN, BEN = Actor("ann", "labeller"), Actor("ben", "labeller")
VIEWER, OPERATOR = Actor("vic", "viewer"), Actor("olga", "operator")
CLASSES = ("crazing", "patches", "scratches")


def row(number: int, label: str = "crazing", **more: Any) -> dict[str, Any]:
    place = {"object_key": f"L1/{number}.jpg", "member": None, "ordinal": 0}
    rest = {"line": "L1", "date": dt.date(2026, 11, 1), "coil": "C1", "label": label, "cluster": None}
    return {**place, **rest, **more}


def data(number: int) -> bytes:
    return b"\xff\xd8\xff" + bytes([number])


@pytest.fixture(params=["folder", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, fresh_bucket: Callable[[], Store]) -> Store:
    return LocalStore(tmp_path / "store", create=True) if request.param == "folder" else fresh_bucket()


@pytest.fixture
def labels(store: Store) -> LabelStore:
    return LabelStore(store)


def test_a_label_lands_with_name_time_place_and_bytes(labels: LabelStore) -> None:
    before = dt.datetime.now(dt.UTC)
    said = actions.label(ANN, labels, row(1), data(1), "patches", CLASSES)
    (found,) = labels.current().iter_rows(named=True)
    assert (found["label"], found["who"], found["source"]) == ("patches", "ann", "review")
    assert before <= found["at"] <= dt.datetime.now(dt.UTC)
    assert (found["object_key"], found["line"], found["coil"]) == ("L1/1.jpg", "L1", "C1")
    assert labels.image(found["image"]) == data(1)
    assert (said.before, said.by) == (None, None)


def test_a_viewer_changes_nothing(labels: LabelStore) -> None:
    with pytest.raises(
        NotAllowed, match="vic has the role viewer, but this needs the role labeller; nothing was changed"
    ):
        actions.label(VIEWER, labels, row(1), data(1), "patches", CLASSES)
    assert list(labels.store.list()) == []
    said = actions.label(ANN, labels, row(1), data(1), "patches", CLASSES)
    with pytest.raises(NotAllowed):
        actions.undo(VIEWER, labels, said)
    assert labels.history().height == 1


def test_only_a_class_that_is_meant_to_be_new_is_new(labels: LabelStore) -> None:
    with pytest.raises(LabelError, match="'pathces' is not a known class; did you mean 'patches'"):
        actions.label(ANN, labels, row(1), data(1), "pathces", CLASSES)
    for name in ("", "a/b", ".hidden", "x" * 101):
        with pytest.raises(LabelError):
            actions.label(ANN, labels, row(1), data(1), name, CLASSES, new=True)
    assert labels.history().is_empty()
    actions.label(ANN, labels, row(1), data(1), "edge crack", CLASSES, new=True)
    assert labels.classes() == ["edge crack"]


def test_undo_brings_back_what_stood(labels: LabelStore) -> None:
    first = actions.label(ANN, labels, row(1), data(1), "patches", CLASSES)
    second = actions.label(BEN, labels, row(1), data(1), "crazing", CLASSES)
    assert (second.before, second.by) == ("patches", "ann")
    with pytest.raises(LabelError, match="ben has labelled this image since, as crazing; nothing was undone"):
        actions.undo(ANN, labels, first)
    actions.undo(BEN, labels, second)
    assert labels.current()["label"].to_list() == ["patches"]
    only = actions.label(ANN, labels, row(2), data(2), "patches", CLASSES)
    actions.undo(ANN, labels, only)
    assert labels.current().height == 1
    assert labels.history().height == 5, "nothing that was said is lost"


def test_promote_and_roll_back(store: Store) -> None:
    registry = Registry(store)
    for name in ("steelnet", "ssdc_mininet"):
        registry.register(name, who="ann", reason="it ships")
    for actor in (VIEWER, ANN):
        with pytest.raises(NotAllowed):
            actions.promote(actor, registry, "v1", "because", None)
        with pytest.raises(NotAllowed):
            actions.rollback(actor, registry, "v1", "because")
    with pytest.raises(RegistryError, match="needs a reason"):
        actions.promote(OPERATOR, registry, "v1", "  ", None)
    assert registry.champion() is None
    entry = actions.promote(OPERATOR, registry, "v1", " better ", None)
    assert (entry.who, entry.reason) == ("olga", "better")
    with pytest.raises(RegistryError, match="v2 was compared with no champion, but the champion is now v1"):
        actions.promote(OPERATOR, registry, "v2", "a second browser", None)
    actions.promote(OPERATOR, registry, "v2", "faster", "v1")
    with pytest.raises(RegistryError, match="needs a reason"):
        actions.rollback(OPERATOR, registry, "v1", "")
    assert actions.rollback(OPERATOR, registry, "v1", "it was not").version == "v1"
    assert [entry.action for entry in registry.log()] == ["register", "register", "promote", "promote", "rollback"]


def test_a_way_through_the_queue(labels: LabelStore) -> None:
    review = Review([row(n) for n in range(4)])
    review.say(ANN, labels, data(0), "crazing", CLASSES)
    review.skip()
    review.say(ANN, labels, data(2), "patches", CLASSES)
    assert (review.place, review.labelled, review.agreed) == (3, 2, 1)
    last = review.last()
    assert last is not None
    assert last[0]["object_key"] == "L1/2.jpg"
    review.undo(ANN, labels)
    assert review.last() is None, "the step before was a skip"
    review.pass_over(known(labels))
    assert review.row is not None
    assert review.row["object_key"] == "L1/2.jpg", "what was taken back is asked again"
    review.undo(ANN, labels)
    review.undo(ANN, labels)
    review.undo(ANN, labels)
    assert (review.place, review.done) == (0, [])
    assert labels.current().is_empty()


def test_a_refused_label_leaves_the_image_in_its_place(labels: LabelStore) -> None:
    review = Review([row(0)])
    with pytest.raises(NotAllowed):
        review.say(VIEWER, labels, data(0), "crazing", CLASSES)
    assert (review.place, review.done) == (0, [])


def test_what_others_label_meanwhile_is_left_out(labels: LabelStore) -> None:
    mine = Review([row(n) for n in range(4)])
    mine.say(ANN, labels, data(0), "crazing", CLASSES)
    others = LabelStore(labels.store)
    actions.label(BEN, others, row(2), data(2), "patches", CLASSES)
    mine.pass_over(known(labels))
    assert [one["object_key"] for one in mine.rows] == ["L1/0.jpg", "L1/1.jpg", "L1/3.jpg"]
    assert mine.coming(5) == [Reference("L1/3.jpg", None, 0)]


def test_a_cluster_can_come_next(labels: LabelStore) -> None:
    review = Review([row(0), row(1), row(2, cluster=1), row(3, cluster=2), row(4, cluster=1)])
    review.skip()
    assert {number: len(rows) for number, rows in review.clusters().items()} == {1: 2, 2: 1}
    review.first(1)
    assert [one["object_key"][3] for one in review.rows] == ["0", "2", "4", "1", "3"]
