"""Which actor gets which units, and what becomes of the units of one that is lost or late."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter as Tally
from collections.abc import Iterable

import pytest

from steelflow.executor.dispatch import IN_FLIGHT, Dispatch, Group, key_of
from steelflow.inspection.pipeline import Done, Seconds
from steelflow.records import ObjectInfo, Partition, Unit
from steelflow.report.writer import Counts

NIGHT = dt.date(2026, 11, 18)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def unit(name: str, line: str = "L1", images: int = 10) -> Unit:
    objects = tuple(ObjectInfo(f"{name}/{number}", 5000, "e") for number in range(images))
    return Unit(name, Partition(line, NIGHT), "loose", objects)


def results(units: Iterable[Unit]) -> list[Done]:
    return [Done(one, f"{one.id}.parquet", Counts(found=1, ok=1), Seconds()) for one in units]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dispatch(clock: Clock) -> Dispatch:
    return Dispatch(10.0, lambda one: f"{one.id}.parquet", clock)


def given(dispatch: Dispatch) -> dict[object, list[Group]]:
    found: dict[object, list[Group]] = {}
    for actor, group in dispatch.assign():
        found.setdefault(actor, []).append(group)
    return found


def test_each_actor_holds_two_groups_and_none_gets_a_second_before_all_have_one(dispatch: Dispatch) -> None:
    for number in range(10):
        dispatch.add([unit(str(number))])
    assert given(dispatch) == {}
    dispatch.join("a")
    dispatch.join("b")
    held = given(dispatch)
    assert [group.units[0].id for group in held["a"]] == ["0", "2"]
    assert [group.units[0].id for group in held["b"]] == ["1", "3"]
    assert given(dispatch) == {}
    dispatch.done("b", held["b"][0], results(held["b"][0].units))
    assert [group.units[0].id for group in given(dispatch)["b"]] == ["4"]


def test_a_unit_of_the_same_name_on_another_line_is_another_unit(dispatch: Dispatch) -> None:
    dispatch.add([unit("loose", "L1"), unit("loose", "L2")])
    assert dispatch.open == 2
    dispatch.join("a")
    (group,) = given(dispatch)["a"]
    assert len(dispatch.done("a", group, results(group.units))) == 2


def test_the_first_result_of_a_unit_counts(dispatch: Dispatch) -> None:
    dispatch.add([unit("one")])
    dispatch.join("a")
    (group,) = given(dispatch)["a"]
    dispatch.lost("a", "its node ended")
    dispatch.join("b")
    (again,) = given(dispatch)["b"]
    assert len(dispatch.done("a", group, results(group.units))) == 1  # it had finished after all
    assert dispatch.done("b", again, results(again.units)) == []
    assert dispatch.open == 0


def test_the_groups_of_a_lost_actor_go_first_to_another(dispatch: Dispatch) -> None:
    for number in range(4):
        dispatch.add([unit(str(number))])
    dispatch.join("a")
    given(dispatch)
    dispatch.lost("a", "its node ended")
    dispatch.join("b")
    assert [group.units[0].id for group in given(dispatch)["b"]] == ["0", "1"]


@pytest.mark.parametrize("names", [("good", "bad", "fine"), ("bad",)])
def test_a_unit_that_ends_its_actors_fails_alone(dispatch: Dispatch, names: tuple[str, ...]) -> None:
    dispatch.add(map(unit, names))
    back: list[Done] = []
    for number in range(20):
        dispatch.join(number)
        for actor, groups in given(dispatch).items():
            for group in groups:
                if any(one.id == "bad" for one in group.units):
                    dispatch.lost(actor, "its actor ended")
                    break
                back += dispatch.done(actor, group, results(group.units))
        back += dispatch.failed()
    assert dispatch.open == 0
    assert Tally(one.unit.id for one in back) == Tally(names)
    assert {one.unit.id: one.error for one in back if one.error} == {"bad": "given up after 3 tries: its actor ended"}


def test_a_group_is_late_by_its_size_and_the_measured_rate(dispatch: Dispatch, clock: Clock) -> None:
    for number in range(3):
        dispatch.add([unit(str(number), images=1000)])
    dispatch.join("a")
    held = given(dispatch)["a"]
    clock.now = 899
    assert dispatch.late() == []  # no rate is known
    clock.now = 901
    assert dispatch.late() == ["a"]
    clock.now = 100
    dispatch.done("a", held[0], results(held[0].units))  # ten images a second
    clock.now = 100 + 999
    assert dispatch.late() == []
    clock.now = 100 + 1001
    assert dispatch.late() == ["a"]


def test_groups_are_wanted_while_actors_have_room(dispatch: Dispatch) -> None:
    assert dispatch.wanted == 0
    dispatch.join("a")
    assert dispatch.wanted == IN_FLIGHT
    dispatch.add([unit("0")])
    assert dispatch.wanted == IN_FLIGHT - 1
    given(dispatch)
    assert dispatch.wanted == IN_FLIGHT - 1


@pytest.mark.parametrize("seed", range(30))
def test_no_unit_is_lost_or_doubled_whatever_happens_to_actors(seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    dispatch = Dispatch(10.0, lambda one: one.id, clock)
    units = [unit(str(number), f"L{number % 3}", 1 + number % 7) for number in range(60)]
    left, back, working, born = list(units), [], list[tuple[object, Group]](), 0
    while left or dispatch.open:
        clock.now += chance.uniform(0, 40)
        if left and (dispatch.wanted or not dispatch.actors):
            size = chance.randint(1, 6)
            dispatch.add(left[:size])
            left = left[size:]
        if chance.random() < 0.3 or not dispatch.actors:
            dispatch.join(born)
            born += 1
        working += list(dispatch.assign())
        chance.shuffle(working)
        for actor in dispatch.late():
            dispatch.lost(actor, "late")
        if working and chance.random() < 0.7:
            actor, group = working.pop()
            back += dispatch.done(actor, group, results(group.units))
        if working and chance.random() < 0.15:
            dispatch.lost(working[-1][0], "its node ended")  # its results may still come
        back += dispatch.failed()
    assert Tally(key_of(one.unit) for one in back) == Tally(map(key_of, units))
