"""Every file that carries an image is in the rows exactly once, or named with its reason."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from memory import MemoryStore
from mixtures import Mixture, mixture
from test_archives import ANY, LIMITS, place, verdict

from steelflow.archive.carried import misnamed
from steelflow.archive.readers import read_unit
from steelflow.archive.units import plan
from steelflow.records import Failure, Partition, RawImage


def rows_of(objects: dict[str, bytes]) -> list[RawImage]:
    store = MemoryStore(objects)
    found = plan(Partition(None, None), store.list(), ANY, 3, partial(misnamed, store))
    return [row for unit in found.units for row in read_unit(store, unit, ANY, LIMITS)]


def lost(made: Mixture) -> list[str]:
    """What is wrong with the rows of an archive; nothing if every image is there."""
    rows = rows_of(made.objects)
    read = Counter(row.data for row in rows if isinstance(row.data, bytes))
    named = {place(row) for row in rows if isinstance(row.data, Failure)}
    # An image that is cut is the last row of its shard, and says so.
    cut = [row for row in rows if isinstance(row.data, Failure) and row.data.code == "truncated" and row.member]
    named |= {above for row in cut for above in _containers(row, made)}
    wrong = [f"{path[0]}: {read[data]} rows" for data, path in made.images if read[data] > 1]
    wrong += [f"{path[0]}: lost" for data, path in made.images if not read[data] and not named & set(path)]
    truth = {data for data, _ in made.images}
    wrong += [f"{place(row)}: is no image" for row in rows if isinstance(row.data, bytes) and row.data not in truth]
    wrong += [f"{place(row)}: {verdict(row)}" for row in rows if isinstance(row.data, bytes) and verdict(row) != "ok"]
    places = Counter(map(place, rows))
    return wrong + [f"{one}: {count} rows of one place" for one, count in places.items() if count > 1]


def _containers(row: RawImage, made: Mixture) -> tuple[str, ...]:
    """The innermost container of an image."""
    paths = [path for _, path in made.images if path[0] == place(row)]
    return tuple(path[1] for path in paths)


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_no_image_is_lost_or_counted_twice(first: int) -> None:
    assert {seed: found for seed in range(first, first + 20) if (found := lost(mixture(seed)))} == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1600, 200))
def test_no_image_is_lost_or_counted_twice_in_many_archives(first: int) -> None:
    assert {seed: found for seed in range(first, first + 200) if (found := lost(mixture(seed)))} == {}


def test_the_archives_have_what_they_should() -> None:
    made = [mixture(seed) for seed in range(120)]
    depths = Counter(len(path) for one in made for _, path in one.images)
    assert sum(depths.values()) > 500
    assert set(range(1, 6)) <= set(depths)
