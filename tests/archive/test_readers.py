from __future__ import annotations

import datetime as dt
import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from memory import MemoryStore
from packed import END, IMAGE, Packed

from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan
from steelflow.config import LimitSettings
from steelflow.errors import ObjectChanged, StoreError, StoreUnreachable
from steelflow.records import Failure, Partition, RawImage, Unit
from steelflow.report.judged import place_of
from steelflow.store.local import LocalStore

TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
LIMITS = LimitSettings(image_bytes=1000)
NIGHT = "line=L1/date=2026-11-18/"


def unit_of(store: MemoryStore, *keys: str) -> Unit:
    kind = "shard" if keys[0].endswith(".tar") else "loose"
    return Unit("u", Partition("L1", dt.date(2026, 11, 18)), kind, tuple(store.info(key) for key in keys))  # type: ignore[arg-type]


def test_loose_objects_are_rows_in_the_order_of_keys_whatever_happens_to_them() -> None:
    keys = [f"{NIGHT}coil=C1/{name}.jpg" for name in "abcd"]
    store = MemoryStore(dict(zip(keys, [b"A", b"B" * 1001, b"C", b"D"], strict=True)))
    unit = unit_of(store, *keys)
    store.delete(keys[2])
    rows = list(read_unit(store, unit, TEMPLATE, LIMITS))
    assert [row.key for row in rows] == keys
    assert [row.data.code if isinstance(row.data, Failure) else row.data for row in rows] == [
        b"A",
        "too_large",
        "missing",
        b"D",
    ]
    assert {(row.coil, row.member, row.ordinal) for row in rows} == {("C1", None, 0)}
    assert (keys[1], 0, None) not in store.asked


def test_a_store_that_fails_is_no_row() -> None:
    class Failing(MemoryStore):
        def get_many(
            self, keys: Sequence[str], etags: Sequence[str] | None = None
        ) -> Iterator[tuple[str, bytes | StoreError]]:
            for key in keys:
                yield key, StoreUnreachable("no answer")

        def get(self, *args: object, **kwargs: object) -> bytes:
            raise StoreUnreachable("no answer")

    store = Failing({"a.jpg": b"A", "n.tar": IMAGE + END})
    for key in store.objects:
        with pytest.raises(StoreUnreachable):
            list(read_unit(store, unit_of(store, key), TEMPLATE, LIMITS))


def test_a_shard_that_vanished_is_a_row_and_one_that_was_replaced_is_an_error() -> None:
    key = f"{NIGHT}coil=C1/n.tar"
    store = MemoryStore({key: IMAGE + END})
    unit = unit_of(store, key)
    store.objects[key] = END
    with pytest.raises(ObjectChanged):
        list(read_unit(store, unit, TEMPLATE, LIMITS))
    store.delete(key)
    (row,) = read_unit(store, unit, TEMPLATE, LIMITS)
    assert (row.key, row.member, row.ordinal, row.coil) == (key, None, 0, "C1")
    assert isinstance(row.data, Failure)
    assert row.data.code == "missing"


@pytest.mark.parametrize(
    ("folder", "member", "coil"),
    [
        (NIGHT, "coil=C7/0001.jpg", "C7"),
        (NIGHT, "./coil=C7/0001.jpg", "C7"),
        (NIGHT, "0001.jpg", None),
        (NIGHT, f"{NIGHT}coil=C7/0001.jpg", "C7"),
        (NIGHT + "coil=C8/", "0001.jpg", "C8"),
        (NIGHT + "coil=C8/", "coil=C7/0001.jpg", "C8"),
        ("", f"{NIGHT}coil=C7/0001.jpg", "C7"),
    ],
)
def test_the_coil_of_a_member(folder: str, member: str, coil: str | None) -> None:
    key = f"{folder}night.tar"
    store = MemoryStore({key: Packed().add(member, b"x").done()})
    (row,) = read_unit(store, unit_of(store, key), TEMPLATE, LIMITS)
    assert (row.key, row.member, row.coil) == (key, member, coil)


def test_position_and_time_of_a_member_complete_those_of_the_shard() -> None:
    template = KeyTemplate("{coil}/{captured_at}/{position}_{name}")
    key = "C7/20261118T231500Z.tar"
    store = MemoryStore({key: Packed().add("20261118T231501Z/0.0_a.jpg", b"x").add("odd.jpg", b"x").done()})
    first, second = read_unit(store, unit_of(store, key), template, LIMITS)
    assert (first.coil, first.position) == ("C7", 0.0)
    assert first.captured_at == dt.datetime(2026, 11, 18, 23, 15, 1, tzinfo=dt.UTC)
    assert (second.coil, second.position, second.captured_at) == (None, None, None)


def test_camera_side_and_frame_come_from_the_key_and_the_member() -> None:
    template = KeyTemplate("coil={coil}/{camera}/{side}/{frame}_{name}")
    shard, loose = "coil=C7/cam1/top/000.tar", "coil=C7/cam1/top/0007_a.png"
    content = Packed().add("0008_a.jpg", b"x").add("coil=C7/cam2/bottom/0009_b.jpg", b"x").add("odd.jpg", b"x").done()
    store = MemoryStore({shard: content, loose: b"x"})
    (row,) = read_unit(store, unit_of(store, loose), template, LIMITS)
    assert (row.coil, row.camera, row.side, row.frame) == ("C7", "cam1", "top", 7)
    rows = list(read_unit(store, unit_of(store, shard), template, LIMITS))
    assert [(row.camera, row.side, row.frame) for row in rows] == [
        ("cam1", "top", 8),
        ("cam2", "bottom", 9),
        ("cam1", "top", None),
    ]
    assert [place_of(row)[3:9] for row in rows] == [("C7", None, None, *row[7:10]) for row in rows]


def test_a_misnamed_image_stays_with_its_coil() -> None:
    template = KeyTemplate("coil={coil}/{position}m_{name}")
    shard, loose = "coil=C7/images.tar", "coil=C7/odd.jpg"
    store = MemoryStore({shard: Packed().add("1.5m_a.jpg", b"x").add("odd.jpg", b"x").done(), loose: b"x"})
    first, second = read_unit(store, unit_of(store, shard), template, LIMITS)
    (third,) = read_unit(store, unit_of(store, loose), template, LIMITS)
    assert [(row.coil, row.position) for row in (first, second, third)] == [("C7", 1.5), ("C7", None), ("C7", None)]
    night = MemoryStore({"night.tar": Packed().add("coil=C8/2.5m_a.jpg", b"x").add("./coil=C8/odd.jpg", b"x").done()})
    rows = read_unit(night, unit_of(night, "night.tar"), template, LIMITS)
    assert [(row.coil, row.position) for row in rows] == [("C8", 2.5), ("C8", None)]


def test_a_misnamed_member_has_the_coil_of_its_own_folder() -> None:
    """Beside its shard, or with a whole key of its own for a name."""
    template = KeyTemplate("line={line}/date={date}/coil={coil}/{position}m_{name}")
    packed = Packed().add("coil=C7/odd.jpg", b"x").add(f"{NIGHT}coil=C8/odd.jpg", b"x").add("odd.jpg", b"x").done()
    for key, coils in ((f"{NIGHT}night.tar", ["C7", "C8", None]), ("shards/night.tar", [None, "C8", None])):
        store = MemoryStore({key: packed})
        assert [row.coil for row in read_unit(store, unit_of(store, key), template, LIMITS)] == coils


@pytest.mark.parametrize("name", ["night.tar", "night.tgz", "night.zip"])
def test_the_bytes_say_the_format_and_not_the_name(name: str) -> None:
    tar = IMAGE + END
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.jpg", b"abc")
    for content in (tar, gzip.compress(tar), zipped.getvalue()):
        if name.endswith(".zip") and content == tar:
            continue  # a name that ends in .zip is believed where the bytes are no gzip: a zip may begin with a program
        store = MemoryStore({name: content})
        unit = Unit("u", Partition(None, None), "shard", (store.info(name),))
        assert [(row.member, row.data) for row in read_unit(store, unit, TEMPLATE, LIMITS)] == [("a.jpg", b"abc")]


def test_from_a_folder_to_images(tmp_path: Path) -> None:
    night = tmp_path / "line=L1/date=2026-11-18"
    (night / "coil=C1").mkdir(parents=True)
    (night / "coil=C1/a.jpg").write_bytes(b"A")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("b.jpg", "c.txt"):
            info = tarfile.TarInfo(f"coil=C2/{name}")
            archive.addfile(info)
    (night / "night.tgz").write_bytes(buffer.getvalue())
    store = LocalStore(tmp_path)
    found = plan(Partition("L1", dt.date(2026, 11, 18)), store.list(), TEMPLATE, 100)
    rows: list[RawImage] = [row for unit in found.units for row in read_unit(store, unit, TEMPLATE, LIMITS)]
    assert [(row.member, row.coil, row.data) for row in rows] == [(None, "C1", b"A"), ("coil=C2/b.jpg", "C2", b"")]
