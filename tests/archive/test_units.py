from __future__ import annotations

import datetime as dt
import random
import re
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelflow.archive.names import kind_of
from steelflow.archive.packed import Packed, pack
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import LOOKED_INTO, Plan, fingerprint, plan, superseded
from steelflow.records import ObjectInfo, Partition, Unit

TEMPLATE = KeyTemplate("coil={coil}/{name}")
HERE = Partition("L1", dt.date(2026, 11, 18))

image_keys = st.builds(
    lambda coil, name: f"coil={coil}/{name}.jpg" if coil else f"{name}.jpg", st.integers(0, 4), st.integers(0, 10_000)
)
key_sets = st.sets(image_keys, min_size=1, max_size=120)


def info(key: str) -> ObjectInfo:
    return ObjectInfo(key, 10, "etag")


def planned(keys: object, limit: int = 10) -> Plan:
    return plan(HERE, (info(key) for key in keys), TEMPLATE, limit)  # type: ignore[attr-defined]


def contents(found: Plan) -> dict[str, tuple[str, ...]]:
    return {unit.id: tuple(o.key for o in unit.objects) for unit in found.units}


@given(key_sets, st.integers(1, 20))
def test_every_object_is_in_one_unit_and_no_unit_is_too_large(keys: set[str], limit: int) -> None:
    units = contents(planned(keys, limit))
    assert sorted(key for unit in units.values() for key in unit) == sorted(keys)
    assert all(1 <= len(unit) <= limit and list(unit) == sorted(unit) for unit in units.values())


@given(key_sets, st.randoms(use_true_random=False))
def test_units_do_not_depend_on_the_order_of_listing(keys: set[str], rng: random.Random) -> None:
    ordered = sorted(keys)
    shuffled = ordered[:]
    rng.shuffle(shuffled)
    assert planned(ordered) == planned(shuffled)


@given(key_sets, image_keys)
def test_one_image_more_changes_one_unit_or_splits_it_alone(keys: set[str], late: str) -> None:
    before, after = contents(planned(keys - {late})), contents(planned(keys | {late}))
    changed = {unit for unit in before if before[unit] != after.get(unit)}
    fresh = {unit for unit in after if before.get(unit) != after[unit]}
    assert len(changed) <= 1
    old = {key for unit in changed for key in before[unit]}
    assert {key for unit in fresh for key in after[unit]} == old | {late}
    assert all(unit.startswith(tuple(changed)) for unit in fresh) or not changed


@given(key_sets, key_sets, st.integers(1, 20), st.integers(1, 20))
def test_once_superseded_reports_are_gone_none_counts_an_image_twice(
    first: set[str], second: set[str], limit: int, other: int
) -> None:
    existing, now = set(contents(planned(first, limit))), set(contents(planned(second, other)))
    gone = superseded(existing, now)
    assert gone <= existing - now
    left = sorted(unit.removeprefix("loose").removeprefix("-") for unit in existing - gone | now)
    assert not any(b.startswith(a) for a, b in pairwise(left))


def test_superseded_after_a_split_and_a_merge() -> None:
    assert superseded({"loose-01", "loose-00"}, {"loose-010", "loose-0110", "loose-00"}) == {"loose-01"}
    assert superseded({"loose-010", "loose-011"}, {"loose-01"}) == {"loose-010", "loose-011"}
    assert superseded({"loose"}, {"loose-0", "loose-1"}) == {"loose"}
    assert superseded({"loose-0"}, {"loose"}) == {"loose-0"}
    assert superseded({"shard-a-0123456789ab", "loose"}, {"shard-b-0123456789ab"}) == {"shard-a-0123456789ab", "loose"}
    assert superseded({"loose-older", "notes", "shard-of-mine"}, {"loose"}) == set()  # not of our making


def test_coils_stay_together_while_they_fit() -> None:
    keys = [f"coil={coil}/{i}.jpg" for coil in "ABCDEFGH" for i in range(60)]
    for unit in planned(keys, 100).units:
        coils = {o.key[:6] for o in unit.objects}
        assert len(unit.objects) == 60 * len(coils)


def test_shards_are_units_of_their_own_and_the_rest_is_counted() -> None:
    keys = ["a/night 1é.TAR.gz", "b/night 1é.tar.gz", "x.zip", ".hidden.zip", "._a.jpg", "notes.txt", "a/.DS_Store"]
    found = planned([*keys, "a.JPG"])
    ids = [unit.id for unit in found.units]
    assert ids == sorted(ids)
    assert [unit.kind for unit in found.units] == ["loose", "shard", "shard", "shard"]
    assert all(re.fullmatch(r"shard-(night-1|x)-[0-9a-f]{12}|loose", unit) for unit in ids)
    assert found.ignored_count == 4
    assert found.ignored_sample == (".hidden.zip", "._a.jpg", "notes.txt", "a/.DS_Store")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", "image"),
        ("a.JPeG", "image"),
        ("a/b.tiff", "image"),
        ("./a.png", "image"),
        ("../a.bmp", "image"),
        ("a.tar", "shard"),
        ("a.TGZ", "shard"),
        (".jpg", None),
        ("a/._b.jpg", None),
        (".trash/b.jpg", None),
        ("__MACOSX/b.jpg", None),
        ("a/@eaDir/b.jpg", None),
        ("a.jpg/", None),
        ("a.tar.xz", "shard"),
        ("jpg", None),
    ],
)
def test_kind_of(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_a_fingerprint_depends_on_everything_that_the_report_does() -> None:
    def of(key: str = "k", size: int = 1, etag: str = "e", model: str = "m", version: str = "v") -> str:
        return fingerprint(Unit("u", HERE, "loose", (ObjectInfo(key, size, etag),)), model, version)

    variants = [of(), of(key="l"), of(size=2), of(etag="f"), of(model="n"), of(version="w"), of(model="mv", version="")]
    assert len(set(variants)) == len(variants)
    assert of() == of()
    assert re.fullmatch("[0-9a-f]{64}", of())


def test_ids_and_fingerprints_stay_as_they_are() -> None:
    """Reports are found by them: with others every night would be inspected again, and old reports be left behind."""
    keys = [f"coil=C{coil}/{i}.jpg" for coil in range(3) for i in range(4)]
    units = planned([*keys, "2026/night 7.tar.gz"], limit=4).units
    assert [unit.id for unit in units] == ["loose-00100", "loose-00101", "loose-1", "shard-night-7-09b933e45e8f"]
    prints = [fingerprint(unit, "d" * 64, "3 limits template")[:16] for unit in units]
    assert prints == ["4ba330e74ee79971", "f285f4972970dcdd", "001242facaf8447b", "4d267a57750ca9e1"]


@given(st.lists(st.tuples(st.text(), st.integers(0, 2**63 - 1), st.text(st.characters(exclude_characters="\0")))))
def test_packed_objects_are_what_they_were(found: list[tuple[str, int, str]]) -> None:
    objects = [ObjectInfo(key, size, etag) for key, size, etag in found]
    packed = Packed([pack(place, one) for place, one in enumerate(objects)])
    assert list(packed) == objects
    assert len(packed) == len(objects)
    assert packed[1:] == objects[1:]
    assert packed[::-2] == objects[::-2]
    assert [packed[i] for i in range(-len(objects), len(objects))] == [*objects, *objects]


def test_a_planned_object_takes_little_room() -> None:
    keys = [f"coil=C{number // 100:05d}/{number:07d}.jpg" for number in range(20_000)]
    tracemalloc.start()
    try:
        found = planned(keys, 8192)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.units) > 2
    assert taken / len(keys) < 60  # bytes, of which the key is 24


@pytest.mark.parametrize("images", [0, 1, 3, 2500])
def test_images_of_a_suffix_that_is_none_are_found_beyond_those_looked_into(images: int) -> None:
    """If one of the files that are looked into is an image, all of its suffix are: otherwise all are counted."""
    objects = [info(f"coil=C/{i:04}.txt") for i in range(2500)] + [info(f"coil=C/{i:04}.pdf") for i in range(1500)]
    hidden = {one.key for one in objects[:images]}
    opened: list[str] = []

    def misnamed(some: Sequence[ObjectInfo]) -> list[ObjectInfo]:
        assert len(some) <= LOOKED_INTO
        opened.extend(one.key for one in some)
        return [one for one in some if one.key in hidden]

    found = plan(HERE, objects, TEMPLATE, 8192, misnamed)
    assert {one.key for unit in found.units for one in unit.objects} == hidden
    assert found.ignored_count == len(objects) - images
    assert len(opened) == len(set(opened)) <= (2 * LOOKED_INTO if not images else 2500 + LOOKED_INTO)
