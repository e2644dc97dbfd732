"""ObjectReader is BytesIO, with a bound on memory. MemoryStore, here, also serves the other archive tests."""

from __future__ import annotations

import io
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory import MemoryStore

from steelflow.archive.stream import ObjectReader
from steelflow.errors import ObjectChanged, ObjectNotFound, StoreUnreachable
from steelflow.records import ObjectInfo

CONTENT = bytes(range(251)) * 4


def reader(content: bytes = CONTENT, block: int = 64, read_ahead: int = 1) -> ObjectReader:
    store = MemoryStore({"k": content})
    return ObjectReader(store, store.info("k"), block, read_ahead)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(-1, 1200)),
        st.tuples(st.just("seek"), st.integers(0, 1200)),
        st.tuples(st.just("back"), st.integers(0, 1000)),
    ),
    max_size=12,
)


@given(steps, st.integers(1, 1100), st.integers(0, 3))
def test_reads_and_seeks_like_a_file_in_memory(steps: list[tuple[str, int]], block: int, read_ahead: int) -> None:
    plain = io.BytesIO(CONTENT)
    with reader(block=block, read_ahead=read_ahead) as file:
        for what, n in steps:
            if what == "read":
                assert file.read(n) == plain.read(n)
            elif what == "seek":
                assert file.seek(n) == plain.seek(n)
            else:
                assert file.seek(-n, io.SEEK_END) == plain.seek(-n, io.SEEK_END)
            assert file.tell() == plain.tell()


def test_skip_stops_at_the_end_and_seeking_before_the_start_is_an_error() -> None:
    with reader() as file:
        assert file.skip(1000) == 1000
        assert file.skip(1000) == len(CONTENT) - 1000
        assert file.read(5) == b""
        with pytest.raises(OSError, match="before the start"):
            file.seek(-1)


def test_works_under_a_text_or_buffered_wrapper() -> None:
    with io.BufferedReader(reader(), 100) as buffered:  # type: ignore[arg-type]
        assert buffered.read() == CONTENT


class Tracked(bytes):
    """Counts the bytes of blocks that are alive."""

    alive = 0
    most = 0
    lock = threading.Lock()

    def __new__(cls, data: bytes) -> Tracked:
        with cls.lock:
            Tracked.alive += len(data)
            Tracked.most = max(Tracked.most, Tracked.alive)
        return super().__new__(cls, data)

    def __del__(self) -> None:
        with self.lock:
            Tracked.alive -= len(self)


class TrackingStore(MemoryStore):
    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        return Tracked(super().get(key, start, length, etag))


@pytest.mark.parametrize("read_ahead", [0, 1, 2])
def test_holds_one_block_and_those_read_ahead(read_ahead: int) -> None:
    Tracked.alive = Tracked.most = 0
    store = TrackingStore({"k": bytes(100_000)})
    with ObjectReader(store, store.info("k"), 1000, read_ahead) as file:
        while file.read(300):
            pass
    assert Tracked.most <= 1000 * (1 + read_ahead)
    assert len(store.asked) == 100  # each block once


def test_asks_for_no_more_than_is_there_and_does_not_read_ahead_of_a_jump() -> None:
    store = MemoryStore({"k": CONTENT})
    with ObjectReader(store, store.info("k"), 100) as file:
        file.seek(900)
        assert file.read(10**12) == CONTENT[900:]
        file.seek(500)
        file.read(1)
    assert sorted(store.asked) == [("k", 500, 100), ("k", 900, 100), ("k", 1000, 4)]


def test_the_next_block_is_fetched_while_this_one_is_used() -> None:
    fetched = threading.Event()

    class Noticing(MemoryStore):
        def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
            if start == 100:
                fetched.set()
            return super().get(key, start, length, etag)

    store = Noticing({"k": CONTENT})
    with ObjectReader(store, store.info("k"), 100) as file:
        assert file.read(1) == CONTENT[:1]
        assert fetched.wait(60)
        assert file.read(150) == CONTENT[1:151]


def test_a_replaced_a_shortened_and_a_vanished_object_are_told_apart() -> None:
    store = MemoryStore({"k": CONTENT})
    info = store.info("k")
    store.objects["k"] = CONTENT[::-1]
    with ObjectReader(store, info) as file, pytest.raises(ObjectChanged):
        file.read(1)
    store.objects["k"] = CONTENT
    longer = ObjectInfo("k", info.size + 1, info.etag)
    with ObjectReader(store, longer) as file, pytest.raises(ObjectChanged, match="1,004 bytes and was listed"):
        file.read()
    store.delete("k")
    with ObjectReader(store, info) as file, pytest.raises(ObjectNotFound):
        file.read(1)


def test_trouble_while_reading_ahead_appears_where_the_block_is_needed() -> None:
    class Failing(MemoryStore):
        def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
            if start == 100:
                raise StoreUnreachable("no answer")
            return super().get(key, start, length, etag)

    store = Failing({"k": CONTENT})
    with ObjectReader(store, store.info("k"), 100) as file:
        assert file.read(100) == CONTENT[:100]
        with pytest.raises(StoreUnreachable):
            file.read(1)
        file.seek(200)
        assert file.read(10) == CONTENT[200:210]
