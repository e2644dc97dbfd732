"""Classes that are retired, renamed and merged: what their labels mean afterwards, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from steelflow.errors import LabelError
from steelflow.labels import Label, LabelStore
from steelflow.labels.classes import ClassAction
from steelflow.labels.stats import stats
from steelflow.store.local import LocalStore

Steps = list[tuple[ClassAction, str, str | None]]


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    """Three images of a, two of b and one of c."""
    store = LabelStore(LocalStore(tmp_path / "labels", create=True))
    images = list(store.images.put_many(b"image %d" % number for number in range(6)))
    store.add([Label(image, name, "ann", "import") for image, name in zip(images, "aaabbc", strict=True)], "abc")
    return store


def done(labels: LabelStore, steps: Steps) -> None:
    for action, name, into in steps:
        labels.change_class(action, name, into, who="olga", reason="a test")


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        ([], {"a": 3, "b": 2, "c": 1}),
        ([("retire", "a", None)], {"b": 2, "c": 1}),
        ([("retire", "a", None), ("restore", "a", None)], {"a": 3, "b": 2, "c": 1}),
        ([("rename", "a", "d")], {"d": 3, "b": 2, "c": 1}),
        ([("rename", "a", "d"), ("rename", "d", "a")], {"a": 3, "b": 2, "c": 1}),
        ([("rename", "a", "d"), ("rename", "d", "e")], {"e": 3, "b": 2, "c": 1}),
        ([("merge", "a", "b")], {"b": 5, "c": 1}),
        ([("merge", "a", "b"), ("merge", "b", "c")], {"c": 6}),
        ([("merge", "a", "b"), ("rename", "b", "a")], {"a": 5, "c": 1}),
        ([("merge", "a", "b"), ("retire", "b", None)], {"c": 1}),
        ([("rename", "a", "d"), ("retire", "d", None), ("restore", "d", None)], {"d": 3, "b": 2, "c": 1}),
    ],
)
def test_labels_count_by_the_names_of_today(labels: LabelStore, steps: Steps, counts: dict[str, int]) -> None:
    history = labels.history()
    done(labels, steps)
    again = LabelStore(labels.store)
    assert Counter(again.current()["label"]) == counts
    assert Counter(again.snapshot().frame["label"]) == counts
    assert again.classes() == sorted(counts)
    assert set(stats(again)["classes"]) == set(counts)
    assert again.history().equals(history), "no label is changed"
    changes = again.class_names().changes
    assert [(one.action, one.name, one.into) for one in changes] == steps
    assert all((one.who, one.reason) == ("olga", "a test") for one in changes)


@pytest.mark.parametrize(
    ("steps", "action", "name", "into", "words"),
    [
        ([], "retire", "x", None, "'x' is not a known class; the known classes are: a, b, c"),
        ([], "restore", "a", None, "'a' is not retired; the retired classes are: none"),
        ([], "rename", "a", "b", "`steelflow labels merge` joins the two"),
        ([], "rename", "a", "x/y", "not a valid name for a folder"),
        ([], "rename", "a", " ", "not a valid name"),
        ([], "merge", "a", "x", "'x' is not another known class"),
        ([], "merge", "a", "a", "'a' is not another known class"),
        ([], "retire", "good", None, "the class of good surface"),
        ([("rename", "a", "d")], "retire", "a", None, "'a' was renamed to 'd' by olga .*; use 'd'"),
        ([("rename", "a", "d")], "rename", "b", "d", "is a class already"),
        ([("retire", "a", None)], "merge", "a", "b", "`steelflow labels restore`"),
        ([("retire", "a", None)], "merge", "b", "a", "`steelflow labels restore`"),
        ([("retire", "a", None)], "rename", "b", "a", "`steelflow labels restore`"),
    ],
)
def test_what_is_refused_says_what_to_do_and_changes_nothing(
    labels: LabelStore, steps: Steps, action: ClassAction, name: str, into: str | None, words: str
) -> None:
    done(labels, steps)
    with pytest.raises(LabelError, match=words) as caught:
        labels.change_class(action, name, into, who="olga", reason="a test", good=["good"])
    assert "\n" not in str(caught.value)
    assert len(labels.class_names().changes) == len(steps)


def test_what_is_so_already_is_not_changed_again(labels: LabelStore) -> None:
    steps: Steps = [("retire", "a", None), ("rename", "b", "d"), ("merge", "c", "d")]
    done(labels, steps + steps)
    assert len(labels.class_names().changes) == 3
    with pytest.raises(LabelError, match="--who and --reason"):
        labels.change_class("retire", "d", who="olga", reason=" ")


def test_a_class_that_only_the_model_has_can_be_retired(labels: LabelStore) -> None:
    labels.change_class("retire", "x", who="olga", reason="not here", classes=["x"])
    assert labels.class_names().offered(["x", "a"]) == ["a"]


def test_an_edited_change_is_named(labels: LabelStore) -> None:
    done(labels, [("retire", "a", None), ("retire", "b", None)])
    key = "classes/00000001.json"
    was = labels.store.get(key)
    labels.store.put(key, was.replace(b'"retire"', b'"delete"'))
    with pytest.raises(LabelError, match=f"{key}: was changed by hand"):
        labels.current()
    labels.store.delete(key)
    with pytest.raises(LabelError, match=f"{key}: is missing"):
        labels.current()


def test_the_golden_set_and_the_snapshots_follow(labels: LabelStore) -> None:
    chosen = labels.freeze(labels.current().select("image", "label"), "ann", "all of them")
    done(labels, [("retire", "a", None), ("rename", "b", "d")])
    golden = labels.golden()
    assert golden is not None
    assert golden.hash == chosen.hash
    assert Counter(golden.frame["label"]) == {"d": 2, "c": 1}
    assert Counter(golden.chosen["label"]) == {"a": 3, "d": 2, "c": 1}
    image = golden.chosen.filter(golden.chosen["label"] == "a")["image"][0]
    labels.add([Label(image, "d", "ben", "review")])
    assert labels.snapshot().frame.is_empty(), "an image of a retired class of the golden set is not trained on either"
    done(labels, [("restore", "a", None)])
    snapshot = labels.snapshot()
    labels.write_snapshot(snapshot)
    done(labels, [("rename", "d", "e")])
    read = labels.read_snapshot(snapshot.hash)
    assert read is not None
    assert "d" not in set(read.frame["label"])
