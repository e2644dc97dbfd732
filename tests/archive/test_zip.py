from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packed import codes, good, read

from steelflow.archive import gunzip
from steelflow.archive import zip as zip_reader
from steelflow.archive.carried import container
from steelflow.archive.names import Ignored, is_other, kind_of
from steelflow.archive.sniff import looks_like_image

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def pack(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a repeated name
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def patched(
    content: bytes, at: int, layout: str, value: int, name: bytes = b"b.jpg", local: int | None = None
) -> bytes:
    """Change a field of a member's central header (and of its local one)."""
    changed = bytearray(content)
    struct.pack_into(layout, changed, content.rindex(name) - 46 + at, value)
    if local is not None:
        struct.pack_into(layout, changed, content.index(name) - 30 + local, value)
    return bytes(changed)


names = st.builds(
    lambda stem, suffix: stem + suffix,
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60),
    st.sampled_from([".jpg", ".TIF", ".txt", "/", ""]),
)


@settings(deadline=None)
@given(st.lists(st.tuples(names, st.binary(max_size=3000)), max_size=8), st.sampled_from(METHODS))
def test_whole_archives_read_as_with_zipfile(entries: list[tuple[str, bytes]], method: int) -> None:
    assume(all(kind_of(name) in (None, "image") and container(data) is None for name, data in entries))
    content = pack(*entries, method=method)
    with zipfile.ZipFile(io.BytesIO(content)) as oracle:
        files = [
            (info.filename, oracle.read(info)) for info in oracle.infolist() if info.file_size or not info.is_dir()
        ]
    ignored = Ignored()
    rows = read(content, "n.zip", ignored)
    expected = [
        (name, data) for name, data in files if kind_of(name) == "image" or (is_other(name) and looks_like_image(data))
    ]
    assert good(rows) == expected
    assert codes(rows) == []
    assert ignored.count == len(files) - len(expected)


THREE = pack(("a.jpg", b"a" * 100), ("b.jpg", random.Random(1).randbytes(900)), ("c.jpg", b"c" * 100))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (patched(THREE, 8, "<H", 1, local=6), "encrypted"),
        (patched(THREE, 10, "<H", 12, local=8), "unsupported"),
        (patched(THREE, 10, "<H", 99), "unsupported"),
        (patched(THREE, 24, "<I", 20_001), "too_large"),
        (patched(THREE, 24, "<I", 1000), "corrupt"),  # more promised than there is
        (patched(THREE, 24, "<I", 100), "corrupt"),  # less: read so far and no further, and the checksum tells
        (patched(THREE, 16, "<I", 0), "corrupt"),
        (THREE.replace(b"PK\3\4", b"PK\0\0", 2).replace(b"PK\0\0", b"PK\3\4", 1), "corrupt"),
        (THREE.replace(b"b.jpg", b"x.jpg", 1), "corrupt"),
        (patched(THREE, 42, "<I", 10_000_000), "overlap"),
    ],
)
def test_a_damaged_member_is_a_row_and_the_others_are_read(content: bytes, code: str) -> None:
    rows = read(content, "n.zip")
    assert codes(rows) == [("b.jpg", code)]
    assert good(rows) == [("a.jpg", b"a" * 100), ("c.jpg", b"c" * 100)]


def test_bombs_are_refused_unread() -> None:
    assert codes(read(patched(THREE, 20, "<I", 0), "n.zip")) == [("b.jpg", "corrupt")]
    content = pack(("a.jpg", b"a"), ("b.jpg", bytes(2 << 20)))
    limits = zip_reader.LimitSettings()
    assert codes(read(content, "n.zip", limits=limits)) == [("b.jpg", "bomb")]
    assert codes(read(content, "n.zip", limits=zip_reader.LimitSettings(expansion=2000))) == []


def test_members_are_measured_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them may expand to a megabyte, however small it is. A thousand of them may not."""
    monkeypatch.setattr(gunzip, "FLOOR", 1 << 20)
    content = pack(*((f"{i:03}.jpg", bytes(10_000)) for i in range(300)))
    inner = pack(("i.zip", content), ("z.jpg", b"z"), method=zipfile.ZIP_STORED)
    limits = zip_reader.LimitSettings(image_bytes=1 << 20, expansion=50)
    for packed, shard in ((content, None), (inner, "i.zip")):
        rows = read(packed, "n.zip", limits=limits)
        assert codes(rows) == [(shard, "bomb")]
        assert 100 < len(good(rows)) < 300
    assert len(good(read(content, "n.zip", limits=zip_reader.LimitSettings(expansion=200)))) == 300


def test_members_that_share_bytes_are_refused() -> None:
    start = THREE.index(b"PK\3\4", 1)
    assert codes(read(patched(THREE, 42, "<I", 0), "n.zip")) == [("a.jpg", "overlap"), ("b.jpg", "overlap")]
    reaching = patched(patched(THREE, 20, "<I", 950, local=18), 42, "<I", start)
    assert codes(read(reaching, "n.zip")) == [("b.jpg", "overlap"), ("c.jpg", "overlap")]
    into_directory = patched(THREE, 20, "<I", 500, name=b"c.jpg")
    assert codes(read(into_directory, "n.zip")) == [("c.jpg", "overlap")]


def test_members_come_in_the_order_of_their_bytes_and_names_may_repeat() -> None:
    content = pack(("a.jpg", b"1"), ("a.jpg", b"2"), ("ü.jpg", b"3"), ("folder/", b""))
    assert good(read(content, "n.zip")) == [("a.jpg", b"1"), ("a.jpg", b"2"), ("ü.jpg", b"3")]
    assert good(read(b"#!/bin/sh\n" + content, "n.zip"))[0] == ("a.jpg", b"1")


def test_what_is_no_zip_or_a_part_of_one_is_one_row() -> None:
    assert read(pack(), "n.zip") == []
    assert codes(read(b"", "n.zip")) == [(None, "empty")]
    assert codes(read(b"PK", "n.zip")) == [(None, "shard_corrupt")]
    assert codes(read(b"no zip at all" * 50, "n.zip")) == [(None, "shard_corrupt")]
    end = THREE.index(b"PK\5\6")
    for zeroed in (range(end + 10, end + 12), range(end + 8, end + 20)):  # members there, and none promised
        lost = bytes(0 if at in zeroed else byte for at, byte in enumerate(THREE))
        assert codes(read(lost, "n.zip")) == [(None, "shard_corrupt")]
    for cut in range(1, len(THREE), 11):
        assert codes(read(THREE[:cut], "n.zip")) == [(None, "shard_corrupt")]
    assert codes(read(patched(THREE, 8, "<H", 0x800).replace(b"b.jpg", b"\xff.jpg"), "n.zip")) == [
        (None, "shard_corrupt")
    ]


@settings(max_examples=500)
@given(st.integers(0, len(THREE) - 1), st.integers(1, 255))
def test_no_flipped_byte_raises_or_hides_an_image(place: int, flip: int) -> None:
    broken = bytearray(THREE)
    broken[place] ^= flip
    ignored = Ignored()
    rows = read(bytes(broken), "n.zip", ignored)
    assert codes(rows) or len(rows) + ignored.count == 3


def test_a_directory_beyond_reason_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_reader, "MAX_DIRECTORY", 100)
    assert codes(read(THREE, "n.zip")) == [(None, "too_large")]
