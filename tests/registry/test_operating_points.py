"""Operating points by model and line: the newest counts, none is lost, a damaged one is named."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from steelflow.errors import RegistryError
from steelflow.models.spec import ModelSpec
from steelflow.registry.operating_points import changes_of, point_on, points_of, reset_points, set_point
from steelflow.store.local import LocalStore

ONE, OTHER = "a" * 64, "b" * 64
SPEC = ModelSpec(
    name="m", arch="a", classes=("bad", "good"), input_size=32, embedding_dims=2, good=("good",), operating_point=0.5
)
ANN = {"who": "ann", "reason": "too many alarms"}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "registry", create=True)


def test_a_model_without_changes_has_its_own_point(store: LocalStore) -> None:
    assert points_of(store, ONE) == {}
    assert point_on({}, "line1", SPEC) == 0.5


def test_a_line_goes_before_all_lines_and_all_before_the_model(store: LocalStore) -> None:
    set_point(store, ONE, None, 0.3, **ANN)
    set_point(store, ONE, "line1", 0.2, **ANN)
    points = points_of(store, ONE)
    assert points == {None: 0.3, "line1": 0.2}
    assert [point_on(points, line, SPEC) for line in ("line1", "line2", None)] == [0.2, 0.3, 0.3]
    assert points_of(store, OTHER) == {}  # a successor starts with its own


def test_the_newest_counts_and_the_earlier_ones_stay(store: LocalStore) -> None:
    for point in (0.1, 0.9, 0.4):
        set_point(store, ONE, "line1", point, **ANN)
    assert points_of(store, ONE) == {"line1": 0.4}
    changes = changes_of(store, ONE)
    assert [(one.number, one.point, one.who) for one in changes] == [(1, 0.1, "ann"), (2, 0.9, "ann"), (3, 0.4, "ann")]
    assert all(one.at.tzinfo is not None for one in changes)


def test_a_reset_removes_one_or_all(store: LocalStore) -> None:
    for line in (None, "line1", "line2"):
        set_point(store, ONE, line, 0.2, **ANN)
    reset_points(store, ONE, "line1", **ANN)
    assert points_of(store, ONE) == {None: 0.2, "line2": 0.2}
    reset_points(store, ONE, None, **ANN)
    assert points_of(store, ONE) == {}


def test_what_changes_nothing_writes_nothing(store: LocalStore) -> None:
    assert reset_points(store, ONE, None, **ANN) is None
    assert set_point(store, ONE, None, 0.0, **ANN) is not None
    assert set_point(store, ONE, None, 0.0, **ANN) is None
    assert reset_points(store, ONE, "line1", **ANN) is None
    assert len(changes_of(store, ONE)) == 1


@pytest.mark.parametrize("point", [-0.1, 1.0, float("nan"), float("inf")])
def test_a_point_out_of_range_is_refused(point: float, store: LocalStore) -> None:
    with pytest.raises(RegistryError, match="give a number from 0 to below 1"):
        set_point(store, ONE, None, point, **ANN)
    assert points_of(store, ONE) == {}


def test_a_change_needs_a_name_a_reason_and_a_digest(store: LocalStore) -> None:
    with pytest.raises(RegistryError, match="needs a name and a reason"):
        set_point(store, ONE, None, 0.1, who=" ", reason="x")
    with pytest.raises(RegistryError, match="not the name of a line"):
        set_point(store, ONE, "", 0.1, **ANN)
    with pytest.raises(RegistryError, match="not the digest of a model"):
        points_of(store, "../log")


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b'{"number": 1}', json.dumps({"point": 7}).encode()],
)
def test_a_damaged_change_is_named(damage: bytes, store: LocalStore, tmp_path: Path) -> None:
    set_point(store, ONE, None, 0.1, **ANN)
    file = tmp_path / f"registry/operating-points/{ONE}/00000001.json"
    if damage.startswith(b'{"point"'):
        damage = json.dumps({**json.loads(file.read_bytes()), "point": 7}).encode()
    file.write_bytes(damage)
    with pytest.raises(RegistryError, match=r"00000001\.json: was changed by hand"):
        points_of(store, ONE)


def test_a_missing_change_is_named(store: LocalStore) -> None:
    for point in (0.1, 0.2, 0.3):
        set_point(store, ONE, None, point, **ANN)
    store.delete(f"operating-points/{ONE}/00000002.json")
    with pytest.raises(RegistryError, match=r"00000002\.json: is missing"):
        points_of(store, ONE)


def _set(root: Path, line: str) -> None:
    set_point(LocalStore(root, create=True), ONE, line, 0.25, who="ann", reason="together")


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    lines = [f"line{number}" for number in range(5)]
    processes = [context.Process(target=_set, args=(tmp_path / "registry", line)) for line in lines]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert points_of(LocalStore(tmp_path / "registry"), ONE) == dict.fromkeys(lines, 0.25)
