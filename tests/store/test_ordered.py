"""Work side by side: in order, bounded, and given up when nobody takes the results any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from steelflow.store.ordered import in_order


@pytest.mark.parametrize(("threads", "ahead"), [(1, None), (3, None), (3, 6)])
def test_results_come_in_order_and_few_items_are_taken_ahead(threads: int, ahead: int | None) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number

    for place, result in enumerate(in_order(lambda number: number * 2, items(), threads, ahead=ahead)):
        assert result == place * 2
        assert taken <= place + (ahead or threads)
    assert (place, taken) == (49, 50)
    assert list(in_order(str, [], threads)) == []


def test_items_are_worked_on_side_by_side() -> None:
    meeting = threading.Barrier(4, timeout=30)  # breaks unless all four wait at once
    assert len(list(in_order(lambda _: meeting.wait(), range(4), 4))) == 4


def test_an_error_stands_in_the_place_of_its_result() -> None:
    results = in_order(lambda number: 1 // (2 - number), range(9), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_who_stops_early_leaves_no_work_and_no_thread_behind() -> None:
    done, gate = [], threading.Event()

    def work(number: int) -> int:
        if number:
            gate.wait(30)
        done.append(number)
        return number

    results = in_order(work, range(100), 1, ahead=10, name="early")
    assert next(results) == 0
    threading.Timer(0.1, gate.set).start()
    results.close()  # type: ignore[attr-defined]  # a generator, as every reader of it knows
    assert done in ([0], [0, 1])  # the one that had begun
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("early")]
