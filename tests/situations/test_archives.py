"""Every image of an archive is a row, exactly once; every other file is named."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from archives import COMPRESSIONS, GREY, JPEG, PNG, SITUATIONS, Situation, image, tar, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import MemoryStore

from steelflow.archive import formats
from steelflow.archive.fetch import fetch_image
from steelflow.archive.names import Ignored
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan
from steelflow.config import LimitSettings
from steelflow.images.decode import decode
from steelflow.records import Failure, Partition, RawImage

LIMITS = LimitSettings()
ANY = KeyTemplate("{name}")


def read(objects: dict[str, bytes], template: KeyTemplate = ANY) -> tuple[list[RawImage], list[str]]:
    """All rows, and the names of all ignored files."""
    store, ignored = MemoryStore(objects), Ignored()
    found = plan(Partition(None, None), store.list(), template, 100)
    rows = [row for unit in found.units for row in read_unit(store, unit, template, LIMITS, ignored)]
    names = [*found.ignored_sample, *ignored.sample]
    assert found.ignored_count + ignored.count == len(names)
    return rows, sorted(names)


def verdict(row: RawImage) -> str:
    decoded = row.data if isinstance(row.data, Failure) else decode(row.data, LIMITS)
    return decoded.code if isinstance(decoded, Failure) else "ok"


def place(row: RawImage) -> str:
    return row.key if row.member is None else f"{row.key}|{row.member}"


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_every_image_is_a_row_and_every_other_file_is_named(situation: Situation) -> None:
    rows, ignored = read(situation.objects)
    assert {place(row): verdict(row) for row in rows} == situation.rows
    assert len(rows) == len(situation.rows)
    assert ignored == sorted(situation.ignored)
    store = MemoryStore(situation.objects)
    for row in rows:  # and the dashboard finds each of them again
        assert fetch_image(store, row.key, row.member, row.ordinal, LIMITS) == row.data


@pytest.mark.parametrize("name", ["a.webp", "a.jp2", "a.j2k", "a.dib", "a.pgm"])
def test_the_grey_values_of_other_formats_are_the_pictures(name: str) -> None:
    grey = decode(SITUATIONS["other names of image formats"].objects[name], LIMITS)
    assert not isinstance(grey, Failure)
    np.testing.assert_array_equal(grey, GREY)


files = st.sampled_from(
    [("a.png", PNG), ("b.JPG", JPEG), ("c", PNG), ("d.dat", JPEG), ("e.txt", b"x"), ("f", b"no image"), ("g.jfif", b"")]
)
IMAGES = {"a.png", "b.JPG", "c", "d.dat", "g.jfif"}


@st.composite
def folders(draw: st.DrawFn, depth: int = 0) -> tuple[dict[str, bytes], Counter[str]]:
    """Files by name, shards among them, and how many images of each name they contain."""
    entries: dict[str, bytes] = {}
    count: Counter[str] = Counter()
    for number, (name, data) in enumerate(draw(st.lists(files, max_size=4))):
        entries[f"{number}/{name}"] = data
        count[name] += name in IMAGES
    if depth < formats.DEPTH:
        for number in range(draw(st.integers(0, 2))):
            inner, more = draw(folders(depth + 1))
            suffix = draw(st.sampled_from([*COMPRESSIONS, ".zip"]))
            entries[f"s{number}{suffix}"] = zipped(inner) if suffix == ".zip" else COMPRESSIONS[suffix](tar(inner))
            count += more
    return entries, count


@settings(deadline=None, max_examples=60)
@given(folders())
def test_no_image_is_lost_or_counted_twice_in_random_archives(made: tuple[dict[str, bytes], Counter[str]]) -> None:
    entries, count = made
    rows = [row for row in read_all(entries) if row.member is not None or isinstance(row.data, bytes)]
    assert Counter((row.member or row.key).rpartition("/")[2] for row in rows) == +count


def read_all(objects: dict[str, bytes]) -> list[RawImage]:
    store = MemoryStore(objects)
    found = plan(Partition(None, None), store.list(), ANY, 100)
    return [row for unit in found.units for row in read_unit(store, unit, ANY, LIMITS)]


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"])
def test_a_bomb_within_a_shard_is_refused_in_bounded_memory(suffix: str) -> None:
    zeros = tar({"a.png": bytes(48 << 20), "b.png": bytes(48 << 20), "c.png": PNG})
    packed = COMPRESSIONS[suffix](zeros)
    store = MemoryStore({"n.tar": tar({f"i{suffix}": packed, "x.png": PNG})})
    (unit,) = plan(Partition(None, None), store.list(), ANY, 10).units
    tracemalloc.start()
    try:
        codes = [
            row.data.code if isinstance(row.data, Failure) else "ok"
            for row in read_unit(store, unit, ANY, LimitSettings(image_bytes=1 << 20, expansion=1))
        ]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert codes == ["too_large", "bomb", "ok"]
    assert peak < 24 << 20


def test_members_of_inner_shards_have_the_fields_of_their_folders() -> None:
    template = KeyTemplate("line={line}/coil={coil}/{name}")
    inner = tar({"coil=C7/a.png": PNG, "b.png": PNG})
    rows, _ = read({"line=L1/n.tar": tar({"i.tar": inner, "coil=C8/i.tar": inner})}, template)
    assert [(row.member, row.coil) for row in rows] == [
        ("i.tar/coil=C7/a.png", "C7"),
        ("i.tar/b.png", None),
        ("coil=C8/i.tar/coil=C7/a.png", "C8"),
        ("coil=C8/i.tar/b.png", "C8"),
    ]


def test_an_image_of_another_kind_than_its_suffix_is_read_by_its_content() -> None:
    rows, ignored = read({"a.png": JPEG, "b.jpg": image("BMP"), "c.tif": PNG})
    assert [verdict(row) for row in rows] == ["ok", "ok", "ok"]
    assert ignored == []
