from __future__ import annotations

import datetime as dt

import pytest
from memory import MemoryStore

from steelflow.archive.discovery import discover, objects, partitions
from steelflow.archive.template import KeyTemplate
from steelflow.errors import ConfigError
from steelflow.records import Partition

DEFAULT = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
D18, D19 = dt.date(2026, 11, 18), dt.date(2026, 11, 19)


def store_of(*keys: str) -> MemoryStore:
    return MemoryStore(dict.fromkeys(keys, b"x"))


PLANT = store_of(
    "line=L1/date=2026-11-18/coil=C1/a.jpg",
    "line=L1/date=2026-11-18/night.tar",
    "line=L1/date=2026-11-18/notes.txt",
    "line=L1/date=2026-11-19/coil=C2/a.jpg",
    "line=L1/date=2026-13-19/coil=C2/a.jpg",
    "line=L2/date=2026-11-18/coil=C1/a.jpg",
    "lost+found/a.jpg",
)


def keys(store: MemoryStore, template: KeyTemplate, partition: Partition) -> list[str]:
    return sorted(info.key for info in objects(store, template, partition))


def test_partitions_are_found_and_what_does_not_fit_is_told() -> None:
    found = discover(PLANT, DEFAULT)
    assert found.partitions == (Partition("L1", D18), Partition("L2", D18), Partition("L1", D19))
    assert found.strangers == ("line=L1/date=2026-13-19/", "lost+found/")


def test_partitions_come_by_date_then_line() -> None:
    """The order is part of what a run record stands for: the same night must give the same digest."""
    lines = [f"L{number:02}" for number in range(20)]
    store = store_of(*(f"line={line}/date={date}/coil=C1/a.jpg" for line in reversed(lines) for date in (D19, D18)))
    assert partitions(store, DEFAULT) == [Partition(line, date) for date in (D18, D19) for line in lines]


def test_dates_and_lines_narrow_the_search() -> None:
    assert partitions(PLANT, DEFAULT, dates=[D19]) == [Partition("L1", D19)]
    assert partitions(PLANT, DEFAULT, lines=["L2"]) == [Partition("L2", D18)]
    assert partitions(PLANT, DEFAULT, dates=[D18], lines=["L3"]) == []


def test_everything_of_a_partition_and_of_no_other_is_listed() -> None:
    PLANT.listed.clear()
    assert keys(PLANT, DEFAULT, Partition("L1", D18)) == [
        "line=L1/date=2026-11-18/coil=C1/a.jpg",
        "line=L1/date=2026-11-18/night.tar",
        "line=L1/date=2026-11-18/notes.txt",
    ]
    assert PLANT.listed == ["line=L1/date=2026-11-18/"]


@pytest.mark.parametrize(
    ("template", "key", "partition"),
    [
        ("cam-{line}_{date}/{coil}/{name}", "cam-L1_2026-11-18/C1/a.jpg", Partition("L1", D18)),
        ("raw/{date}/x/{line}/{name}", "raw/2026-11-18/x/L1/a.jpg", Partition("L1", D18)),
        ("{coil}/{date}/{name}", "C1/2026-11-18/a.jpg", Partition(None, D18)),
        ("{line}/{name}", "L1/a.jpg", Partition("L1", None)),
        ("{coil}/{name}", "C1/a.jpg", Partition(None, None)),
        ("{name}", "a.jpg", Partition(None, None)),
    ],
)
def test_other_layouts(template: str, key: str, partition: Partition) -> None:
    store, parsed = store_of(key), KeyTemplate(template)
    assert partitions(store, parsed) == [partition]
    assert keys(store, parsed, partition) == [key]


def test_one_partition_may_have_several_folders() -> None:
    store = store_of("C1/2026-11-18/a.jpg", "C2/2026-11-18/b.jpg", "C2/20261118/c.jpg", "C2/2026-11-19/d.jpg")
    template = KeyTemplate("{coil}/{date}/{name}")
    assert partitions(store, template) == [Partition(None, D18), Partition(None, D19)]
    assert keys(store, template, Partition(None, D18)) == [
        "C1/2026-11-18/a.jpg",
        "C2/2026-11-18/b.jpg",
        "C2/20261118/c.jpg",
    ]


def test_asking_for_a_date_that_the_template_cannot_tell_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"has no \{date\}, so a date cannot be selected"):
        partitions(PLANT, KeyTemplate("{line}/{name}"), dates=[D18])
