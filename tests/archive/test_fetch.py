"""One image out of an archive: what comes is what inspection saw, or the reason why not."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from steelflow.archive.discovery import objects, partitions
from steelflow.archive.fetch import Reference, fetch_image, fetch_images
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan
from steelflow.config import MIB, LimitSettings
from steelflow.records import Failure, ObjectInfo
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.synth import PlantSpec
from steelflow.synth import objects as plant_objects

LIMITS = LimitSettings()
TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
SPEC = PlantSpec(seed=5, lines=("L1",), nights=1, coils=6, images=5, broken=2, sharded=0.5)


def tar(*members: tuple[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as file:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return packed.getvalue()


def code(data: bytes | Failure) -> str:
    assert isinstance(data, Failure), data[:20]
    return data.code


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, fresh_bucket: Callable[[], Store]) -> Store:
    return LocalStore(tmp_path, create=True) if request.param == "folder" else fresh_bucket()


def test_every_row_of_a_night_leads_back_to_its_bytes(store: Store) -> None:
    """Loose images, tar, tar.gz and zip; broken files too, since their bytes can be had."""
    for key, data in plant_objects(SPEC):
        store.put(key, data)
    (night,) = partitions(store, TEMPLATE)
    units = plan(night, objects(store, TEMPLATE, night), TEMPLATE, 1000).units
    rows = {
        Reference(row.key, row.member, row.ordinal): row.data
        for unit in units
        for row in read_unit(store, unit, TEMPLATE, LIMITS)
    }
    assert len(rows) == 6 * 5 + 2
    assert len({reference.key.rpartition(".")[2] for reference in rows}) >= 3
    assert dict(fetch_images(store, [*rows, *rows], LIMITS)) == rows
    for reference, data in rows.items():
        assert fetch_image(store, *reference, LIMITS) == data
    by_name = [reference._replace(ordinal=None) for reference in rows]
    assert dict(fetch_images(store, by_name, LIMITS)) == rows


def test_a_shard_is_read_once_for_all_its_images(tmp_path: Path) -> None:
    class Counting(LocalStore):
        stats = 0

        def stat(self, key: str) -> ObjectInfo:
            self.stats += 1
            return super().stat(key)

    store = Counting(tmp_path)
    members = [(f"{i}.jpg", b"%d" % i) for i in range(9)]
    store.put("a.tar", tar(*members))
    asked = [Reference("a.tar", f"{i}.jpg", i) for i in (7, 2, 4)]
    assert list(fetch_images(store, asked, LIMITS)) == [(asked[1], b"2"), (asked[2], b"4"), (asked[0], b"7")]
    assert store.stats == 1


def test_an_image_that_cannot_be_fetched_gives_the_reason(store: Store) -> None:
    shard = tar(("a.jpg", b"A"), ("b.jpg", b"B" * 5000), ("c.jpg", b"C"))
    store.put("x.tar", shard)
    store.put("cut.tar", shard[:3000])
    store.put("twice.zip", zipped(("d/a.jpg", b"A"), ("a.jpg", b"B")))
    store.put("twice.tar", tar(("a.jpg", b"A"), ("a.jpg", b"B")))
    store.put("loose.jpg", b"L" * 2000)
    store.put("large.jpg", b"L" * (MIB + 1))
    store.put("just.jpg", b"L" * MIB)
    expected = {
        Reference("gone.jpg"): "missing",
        Reference("gone.tar", "a.jpg", 0): "missing",
        Reference("gone.tar", "a.jpg"): "missing",
        Reference("x.tar", "b.jpg", 0): "replaced",
        Reference("x.tar", "c.jpg", 3): "missing",
        Reference("x.tar", "d.jpg"): "missing",
        Reference("x.tar"): "ambiguous",
        Reference("cut.tar", "b.jpg", 1): "truncated",
        Reference("cut.tar", "c.jpg", 2): "missing",
        Reference("twice.tar", "a.jpg"): "ambiguous",
        Reference("loose.jpg", "a.jpg", 0): "missing",
    }
    for reference, why in expected.items():
        assert code(fetch_image(store, *reference, LIMITS)) == why, reference
    assert fetch_image(store, "twice.tar", "a.jpg", 1, LIMITS) == b"B"
    assert fetch_image(store, "twice.zip", "a.jpg", None, LIMITS) == b"B"
    assert fetch_image(store, "x.tar", None, 2, LIMITS) == b"C"
    assert fetch_image(store, "large.jpg", None, 0, LIMITS) == b"L" * (MIB + 1)
    assert fetch_image(store, "just.jpg", None, 0, LIMITS) == b"L" * MIB
    assert code(fetch_image(store, "large.jpg", None, 0, LimitSettings(image_bytes=MIB))) == "too_large"
    small = LimitSettings(image_bytes=1000)
    assert code(fetch_image(store, "loose.jpg", None, 0, small)) == "too_large"
    assert code(fetch_image(store, "x.tar", "b.jpg", 1, small)) == "too_large"


def test_a_shard_that_is_replaced_while_it_is_read(tmp_path: Path) -> None:
    class Moving(LocalStore):
        """Tells what was there before."""

        def stat(self, key: str) -> ObjectInfo:
            info = super().stat(key)
            self.put(key, tar(("other.jpg", b"O")))
            return info

    store = Moving(tmp_path)
    store.put("x.tar", tar(("a.jpg", b"A"), ("b.jpg", b"B")))
    asked = [Reference("x.tar", "a.jpg", 0), Reference("x.tar", "b.jpg")]
    assert {code(data) for _, data in fetch_images(store, asked, LIMITS)} == {"replaced"}
