"""Damaged and hostile inputs, drawn with a seed: each is a row or a reason, and nothing is raised."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from corpus import mutants
from memory import MemoryStore
from packed import TEMPLATE
from pixels import GREY, SITUATIONS, jpeg, saved

from steelflow.archive.readers import read_unit
from steelflow.archive.sidecar import SidecarError, raw_rows
from steelflow.config import LimitSettings
from steelflow.images.decode import decode
from steelflow.images.pages import pages
from steelflow.records import Failure, Partition, Unit

FEW, MANY = 200, 5000
LIMITS = LimitSettings(image_bytes=1 << 20, image_pixels=1_000_000)
FOUR = np.dstack([GREY] * 4)
PICTURES = [
    *(case.data for case in SITUATIONS if case.data),
    *(jpeg(6), jpeg(8, late=True), saved(GREY, "JPEG", progressive=True), saved(FOUR[:, :, :3], "JPEG")),
    *(saved(FOUR, "WEBP"), saved(FOUR, "PNG"), cv2.imencode(".jp2", FOUR)[1].tobytes()),
]
TABLES = [
    b"name,coil,position\na.jpg,C1,1.5\nb.jpg,C2,2.5\n",
    b'[{"name": "a.jpg", "coil": "C1"}, {"name": "b.jpg", "position": 1.5}]',
]


def _tar(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for number, data in enumerate(PICTURES[:3]):
            info = tarfile.TarInfo(f"folder/{number}" + "n" * 90 * number + ".jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _zip(method: int, inner: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.jpg", PICTURES[0])
        archive.writestr("frames.csv", TABLES[0])
        archive.writestr("inner.tar", inner)
    return buffer.getvalue()


SHARDS = [
    *(_tar(f"w:{packed}") for packed in ("", "gz", "bz2", "xz")),
    *(_zip(method, _tar("w:")) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)),
]


def picture(data: bytes) -> None:
    found = decode(data, LIMITS)
    assert isinstance(found, Failure) or (found.dtype, found.ndim) == (np.uint8, 2)
    for page in pages(data) or ():
        if isinstance(page, bytes):
            decode(page, LIMITS)


def shard(data: bytes) -> None:
    for name in ("n.tar", "n.zip"):
        store = MemoryStore({name: data})
        unit = Unit("u", Partition(None, None), "shard", (store.info(name),))
        rows = list(read_unit(store, unit, TEMPLATE, LIMITS))
        assert [row.ordinal for row in rows] == list(range(len(rows)))


def table(data: bytes) -> None:
    for name in ("frames.csv", "frames.json", "frames.parquet"):
        try:
            rows = list(raw_rows(name, data, lambda text: None))
        except SidecarError:
            continue
        assert all(isinstance(row, dict) for _, row in rows)


TARGETS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "picture": (picture, PICTURES),
    "shard": (shard, SHARDS),
    "table": (table, TABLES),
}


def survive(target: str, count: int, seed: int) -> None:
    check, corpus = TARGETS[target]
    for number, data in enumerate(mutants(corpus, count, seed)):
        try:
            check(data)
        except Exception as exc:
            raise AssertionError(f"{target}, seed {seed}, input {number}: {exc!r}; {len(data)} bytes") from exc


@pytest.mark.filterwarnings("default")  # libraries warn of what they read
@pytest.mark.parametrize("target", TARGETS)
def test_a_few_inputs(target: str) -> None:
    survive(target, FEW, seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
def test_many_inputs(target: str) -> None:
    survive(target, MANY, seed=1)
