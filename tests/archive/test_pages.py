"""The pages of a TIFF: each is an image of its own, wherever the file lies, and can be fetched again."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from memory import MemoryStore
from pixels import GREY, SIZE, jpeg
from tiffs import LONG, SHORT, page, tiff

from steelflow.archive.fetch import ImageRef, fetch_image, fetch_images
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings
from steelflow.images.decode import decode
from steelflow.images.pages import pages
from steelflow.records import Failure, Partition, RawImage, Unit

LIMITS = LimitSettings()
TEMPLATE = KeyTemplate("coil={coil}/{position}.{name}")
LEVELS = (10, 60, 110, 160, 210)  # of the pages: each is even


def even(level: int, **tags: tuple[int, list[int]]) -> tuple[object, list[bytes]]:
    more = {int(name[1:]): value for name, value in tags.items()}
    return page(SIZE, [bytes([level]) * GREY.size], 8, tags=more)  # type: ignore[arg-type]


STACK = tiff(*(even(level) for level in LEVELS))  # type: ignore[arg-type]
ONE = tiff(even(99))  # type: ignore[arg-type]


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data in members.items():
            file.writestr(f"{name}.tif", data)
    return packed.getvalue()


def tarred(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(f"{name}.tif")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def rows(store: MemoryStore, kind: str = "loose") -> list[RawImage]:
    infos = sorted(store.list(), key=lambda info: info.key)
    return list(read_unit(store, Unit("u", Partition(None, None), kind, tuple(infos)), TEMPLATE, LIMITS))  # type: ignore[arg-type]


def level(data: bytes | Failure) -> float | str:
    """The level of an even picture, or the code of the failure."""
    found = data if isinstance(data, Failure) else decode(data, LIMITS)
    return found.code if isinstance(found, Failure) else float(found.mean())


def test_each_page_of_a_loose_file_is_a_row() -> None:
    found = rows(MemoryStore({"coil=C1/1.5.a.tif": STACK, "coil=C1/2.b.tif": ONE, "coil=C1/3.c.jpg": jpeg()}))
    assert [(row.member, row.ordinal) for row in found] == [(f"page={n + 1}", n) for n in range(5)] + [(None, 0)] * 2
    assert [level(row.data) for row in found[:6]] == [*LEVELS, 99]
    assert {(row.coil, row.position) for row in found[:5]} == {("C1", 1.5)}


@pytest.mark.parametrize(("key", "packed"), [("n.zip", zipped), ("n.tar", tarred)])
def test_each_page_of_a_member_is_a_row(key: str, packed: Callable[..., bytes]) -> None:
    found = rows(MemoryStore({key: packed(a=ONE, b=STACK, c=ONE)}), "shard")
    assert [row.member for row in found] == ["a.tif", *(f"b.tif#page={n}" for n in range(1, 6)), "c.tif"]
    assert [row.ordinal for row in found] == list(range(7))
    assert [level(row.data) for row in found] == [99, *LEVELS, 99]


@pytest.mark.parametrize(
    ("key", "data"), [("a.tif", STACK), ("n.zip", zipped(a=ONE, b=STACK)), ("n.tar", tarred(b=STACK))]
)
def test_every_page_can_be_fetched_by_its_row(key: str, data: bytes) -> None:
    store = MemoryStore({key: data})
    found = rows(store, "loose" if key == "a.tif" else "shard")
    references = [ImageRef(row.key, row.member, row.ordinal) for row in found]
    fetched = dict(fetch_images(store, references, LIMITS))
    assert [fetched[reference] for reference in references] == [row.data for row in found]
    for row in found:  # and by its name alone, as in a CSV of labels
        assert fetch_image(store, row.key, row.member, None, LIMITS) == row.data


def test_a_page_that_is_not_there_is_a_failure() -> None:
    store = MemoryStore({"a.tif": STACK, "b.tif": ONE})
    assert level(fetch_image(store, "a.tif", "page=6", None, LIMITS)) == "missing"
    assert level(fetch_image(store, "a.tif", None, None, LIMITS)) == "ambiguous"
    assert level(fetch_image(store, "b.tif", "page=1", 0, LIMITS)) == "replaced"
    assert level(fetch_image(store, "b.tif", "c.tif", 0, LIMITS)) == "missing"
    assert level(STACK) == "several"  # a file that is not from an archive


def split(data: bytes) -> list[float | str]:
    return [level(one) for one in pages(data) or ()]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_of_every_layout(order: str, big: bool) -> None:
    assert split(tiff(*(even(level) for level in LEVELS), order=order, big=big)) == list(LEVELS)  # type: ignore[arg-type]


def test_a_page_keeps_what_its_values_mean() -> None:
    """Depth, orientation, tiles, white is 0: page for page."""
    values = GREY.astype(np.uint16) * 16
    wide = page(SIZE, [values.tobytes()], 16, tags={341: (SHORT, [4095]), 274: (SHORT, [6])})
    white = page(SIZE, [(255 - GREY).tobytes()], 8, tags={262: (SHORT, [0])})
    tile = np.zeros((48, 64), np.uint8)
    tile[: SIZE[0], : SIZE[1]] = GREY
    tiled = page(SIZE, [tile.tobytes()], 8, tags={322: (LONG, [64]), 323: (LONG, [48])})
    found = [decode(one, LIMITS) for one in pages(tiff(wide, white, tiled)) or () if isinstance(one, bytes)]
    for grey, expected in zip(found, (np.rot90(GREY, -1), GREY, GREY), strict=True):
        assert np.array_equal(grey, expected)  # type: ignore[arg-type]


def test_a_damaged_page_is_its_own_failure() -> None:
    lost = page(SIZE, [b"\7" * GREY.size], 8, tags={278: (LONG, [10])})  # strips of 10 rows, and only one strip
    short = page(SIZE, [b"\7" * 99], 8)
    found = split(tiff(even(10), lost, short, even(40)))  # type: ignore[arg-type]
    assert found == [10, "truncated", "truncated", 40]


@pytest.mark.parametrize(("end", "code"), [(8 + 2 * GREY.size, "corrupt"), (1 << 30, "truncated")])
def test_a_list_of_pages_that_leads_nowhere_is_one_failure(end: int, code: str) -> None:
    data = tiff(even(10), even(20), end=end)  # type: ignore[arg-type]
    if code == "corrupt":  # back to the first directory
        at = int.from_bytes(data[4:8], "little")
        data = data.replace((8 + 2 * GREY.size).to_bytes(4, "little"), at.to_bytes(4, "little"))
    assert split(data) == [10, 20, code]


def test_thumbnails_and_masks_are_not_pages() -> None:
    thumbnail, mask = even(1, t254=(LONG, [1])), even(2, t254=(LONG, [4]))
    assert pages(tiff(even(10), thumbnail, mask)) is None  # type: ignore[arg-type]
    assert level(tiff(thumbnail, even(30), mask)) == 30  # type: ignore[arg-type]
    assert split(tiff(even(10), thumbnail, even(30))) == [10, 30]  # type: ignore[arg-type]
    assert level(tiff(even(5, t254=(LONG, [1]), t330=(LONG, [8])))) == "unsupported"  # type: ignore[arg-type]


def test_pages_that_share_their_pixels_do_not_multiply_them() -> None:
    """A file of a megabyte with a thousand directories over the same bytes."""
    data = bytearray(tiff(even(10), even(20), even(30)))  # type: ignore[arg-type]
    first = data.index(b"\x11\x01\x04\x00")  # StripOffsets of the first page
    start = data[first + 8 : first + 12]
    place = first
    for _ in range(2):
        place = data.index(b"\x11\x01\x04\x00", place + 1)
        data[place + 8 : place + 12] = start
    assert split(bytes(data)) == [10, 10, 10]  # three times the pixels of one: no more than the file has
    assert split(bytes(data[:8] + data[8 + 2 * GREY.size :])).count("overlap") == 0  # cut: another failure
    small = tiff(even(10))  # type: ignore[arg-type]
    at = int.from_bytes(small[4:8], "little")
    entries = small[at:-4]
    chain = bytearray(small[:-4])
    for _ in range(5):  # directories of 130 bytes over a picture of 1,961
        chain += (len(chain) + 4).to_bytes(4, "little") + entries
    found = split(bytes(chain + bytes(4)))
    assert found == [10, "overlap", "overlap", "overlap", "overlap", "overlap"]


def test_memory_is_that_of_one_page() -> None:
    """Pages are cut out of the file one at a time."""
    found = pages(STACK)
    assert found is not None
    sizes = [len(one) for one in found if isinstance(one, bytes)]
    assert len(sizes) == 5
    assert max(sizes) < len(STACK) / 4
