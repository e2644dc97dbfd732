"""Groups are never split; every class with two groups is in both parts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import picture
from hypothesis import given
from hypothesis import strategies as st

from steelflow.errors import ConfigError
from steelflow.training.annotations import Annotated, Annotations, load_annotations
from steelflow.training.annotations.groups import group_of, joined

CLASSES = ("crack", "good", "hole")


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("free/exp4_num_7036.jpg", "num 7036"),
        ("blowhole/exp1_num_7036.jpg", "num 7036"),
        ("good/coil=A1/frame=3/x.png", "coil=A1"),
        ("good/frame=3/x.png", "frame=3"),
        ("good/x.png", "good/x"),
        ("crack/x.png", "crack/x"),
    ],
)
def test_the_usual_groups(path: str, group: str) -> None:
    assert group_of(path) == group


def test_a_rule_of_ones_own(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"good/line{number % 2}_{number}.png", number)
        picture(tmp_path / f"crack/line{number % 2}_{number}.png", 10 + number)
    data = load_annotations(tmp_path, group_by=r"line(\d)")
    assert Counter(item.group for item in data.items) == {"0": 4, "1": 4}
    assert {item.group for item in load_annotations(tmp_path, group_by=r"line\d").items} == {"line0", "line1"}
    with pytest.raises(ConfigError, match=r"matches no path of .*, such as crack/line0_0\.png"):
        load_annotations(tmp_path, group_by="coil")
    with pytest.raises(ConfigError, match="is not a regular expression"):
        load_annotations(tmp_path, group_by="(")


def test_the_same_bytes_share_a_group_across_classes(tmp_path: Path) -> None:
    for path in ("good/a.png", "crack/b.png", "crack/c.png"):
        picture(tmp_path / path, seed=1)
    picture(tmp_path / "good/d.png", seed=2)
    groups = {item.path: item.group for item in load_annotations(tmp_path).items}
    assert len({groups["good/a.png"], groups["crack/b.png"], groups["crack/c.png"]}) == 1
    assert groups["good/d.png"] == "good/d"


def test_a_manifest_names_groups(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png", ord(name))
    (tmp_path / "labels.csv").write_text("path,label,group\na.png,good,coil 1\nb.png,crack,coil 1\n")
    assert {item.group for item in load_annotations(tmp_path / "labels.csv").items} == {"coil 1"}


def test_many_copies_in_any_order_are_joined_in_little_time() -> None:
    names = [f"{number:06d}" for number in range(100_000)]
    assert set(joined(names[::-1], [b"same"] * len(names))) == {"000000"}


def _data(rows: list[tuple[int, object]]) -> Annotations:
    items = tuple(Annotated(f"{n}.png", group, CLASSES[label]) for n, (group, label) in enumerate_groups(rows))
    return Annotations(Path(), CLASSES, ("good",), items)


def enumerate_groups(rows: list[tuple[int, object]]) -> list[tuple[int, tuple[str, int]]]:
    return [(number, (f"g{group}", label)) for number, (label, group) in enumerate(rows)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=60), st.integers(0, 5))
def test_a_split_keeps_groups_whole_and_both_parts_have_each_class(rows: list[tuple[int, object]], seed: int) -> None:
    data = _data(rows)
    training, held_out = data.split(seed)
    assert sorted(training + held_out) == list(range(len(rows)))
    groups = [item.group for item in data.items]
    assert not {groups[i] for i in training} & {groups[i] for i in held_out}
    assert data.split(seed) == (training, held_out)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_the_share_holds_for_every_class(share: float) -> None:
    rng = np.random.default_rng(0)
    rows = [(label, f"{label}-{rng.integers(40)}") for label in (0, 1, 2) for _ in range(200)]
    _, held_out = _data(rows).split(1, share)
    counts = Counter(rows[index][0] for index in held_out)
    assert all(abs(counts[label] - 200 * share) < 12 for label in (0, 1, 2))


def test_a_class_with_one_group_is_trained_on_and_with_two_is_held_out_too() -> None:
    rows = [(0, "a")] * 5 + [(1, "b"), (1, "c")] + [(2, "d")] * 9 + [(2, "e")] * 9
    data = _data(rows)
    training, held_out = data.split(0)
    assert set(range(5)) <= set(training)
    assert Counter(rows[index][0] for index in held_out) == {1: 1, 2: 9}


def test_seeds_differ_and_growth_moves_few_pictures() -> None:
    rows = [(1, str(number)) for number in range(200)]
    data = _data(rows)
    first, second = set(data.split(0)[1]), set(data.split(1)[1])
    assert first != second
    grown = set(_data([*rows, *((1, f"new {n}") for n in range(20))]).split(0)[1])
    assert len(first - grown) <= 6
