"""What every store promises, held against a folder and a real S3 server."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from odd_keys import KEYS
from pydantic import SecretStr

from steelflow.config import StoreSettings
from steelflow.errors import (
    BucketNotFound,
    ConfigError,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    ObjectUnreadable,
    StoreError,
)
from steelflow.store import Store, open_store
from steelflow.store.local import LocalStore
from steelflow.store.s3 import S3Store, endpoint_url


@pytest.fixture(params=["local", "s3", "s3-prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "root", create=True)
    bucket = request.getfixturevalue("fresh_bucket")()
    if request.param == "s3":
        return bucket
    return S3Store(bucket.bucket, "a prefix/of+two", request.getfixturevalue("embedded"))


def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted(info.key for info in store.list(prefix))


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_read_back(store: Store, key: str) -> None:
    data = key.encode()
    put = store.put(key, data)
    assert (put.key, put.size) == (key, len(data))
    assert store.get(key) == data
    assert list(store.get_many([key])) == [(key, data)]
    stat = store.stat(key)
    assert (stat.key, stat.size, stat.etag) == (key, len(data), put.etag)
    assert stat.modified is not None
    (listed,) = store.list()
    assert (listed.key, listed.size, listed.etag) == (key, len(data), put.etag)
    store.delete(key)
    assert keys(store) == []


def test_ranges(store: Store) -> None:
    store.put("x", b"0123456789")
    assert store.get("x", 3) == b"3456789"
    assert store.get("x", 3, 4) == b"3456"
    assert store.get("x", 0, 4) == b"0123"
    assert store.get("x", 8, 100) == b"89"
    assert store.get("x", 5, 0) == b""
    assert store.get("x", 10) == store.get("x", 1000, 10) == b""


def test_an_empty_object(store: Store) -> None:
    assert store.put("empty", b"").size == 0
    assert store.get("empty") == store.get("empty", 0, 5) == store.get("empty", 5) == b""
    assert list(store.get_many(["empty"])) == [("empty", b"")]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_that_tells_no_size_is_read_to_its_end() -> None:
    ((_, data),) = LocalStore(Path("/proc/self")).get_many(["status"])
    assert isinstance(data, bytes)
    assert data.startswith(b"Name:")
    assert data.endswith(b"\n")


def test_a_prefix_need_not_end_at_a_folder(store: Store) -> None:
    for key in ("line=1/a", "line=10/b", "line=2/c/d", "line"):
        store.put(key, b"x")
    assert keys(store) == ["line", "line=1/a", "line=10/b", "line=2/c/d"]
    assert keys(store, "line=1") == ["line=1/a", "line=10/b"]
    assert keys(store, "line=1/") == ["line=1/a"]
    assert keys(store, "line=2/c/") == keys(store, "line=2/c/d") == ["line=2/c/d"]
    assert keys(store, "nothing/here") == []
    assert sorted(store.folders()) == ["line=1", "line=10", "line=2"]
    assert list(store.folders("line=2/")) == ["c"]
    assert list(store.folders("line=1/")) == list(store.folders("nothing/")) == []


def test_a_deleted_object_leaves_nothing(store: Store) -> None:
    store.put("a/b/c", b"x")
    store.put("a/d", b"x")
    store.delete("a/b/c")
    store.delete("a/b/c")
    store.delete("never/there")
    assert list(store.folders("a/")) == []
    assert keys(store) == ["a/d"]
    store.delete("a/d")
    assert list(store.folders()) == []
    store.put("a/b/c", b"again")
    assert store.get("a/b/c") == b"again"


def test_a_missing_object(store: Store) -> None:
    store.put("here", b"x")
    for read in (store.get, store.stat, lambda key: store.get(key, 1, 1)):
        for key in ("missing", "not/here", "here/not"):
            with pytest.raises(ObjectNotFound, match=key):
                read(key)


def test_replacing_shows_in_the_etag(store: Store) -> None:
    old = store.put("x", b"old")
    assert store.get("x", etag=old.etag) == b"old"
    assert store.get("x", 1, 1, etag=old.etag) == b"l"
    new = store.put("x", b"newer")
    assert new.etag != old.etag
    with pytest.raises(ObjectChanged, match=r"x: was replaced.*run again"):
        store.get("x", etag=old.etag)
    assert store.get("x", etag=new.etag) == b"newer"


def test_a_reader_sees_the_old_or_the_new_one(store: Store) -> None:
    size = 300_000
    store.put("x", b"0" * size)
    stop = threading.Event()
    torn: list[Any] = []
    seen = 0

    def read() -> None:
        nonlocal seen
        while not stop.is_set():
            data = store.get("x")
            seen += 1
            if len(data) != size or len(set(data)) != 1:
                torn.append((len(data), set(data)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(30):
        store.put("x", str(turn % 10).encode() * size)
    stop.set()
    for reader in readers:
        reader.join()
    assert not torn
    assert seen


def test_a_large_file_in_parts(store: Store, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 34 + b"end"
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    assert store.put("large", path).size == len(data)
    assert store.stat("large").size == len(data)
    assert store.get("large", len(data) - 1000) == data[-1000:]
    assert store.get("large") == data


def test_many_keep_their_order_and_the_missing_are_values(store: Store) -> None:
    wanted = {f"{i % 7}/{i}": str(i).encode() * (i % 50) for i in range(120)}
    for key, data in wanted.items():
        store.put(key, data)
    asked = [*wanted, "missing/one"]
    asked.insert(5, "missing/two")
    got = list(store.get_many(asked))
    assert [key for key, _ in got] == asked
    for key, data in got:
        if key.startswith("missing"):
            assert isinstance(data, ObjectNotFound)
        else:
            assert data == wanted[key]
    assert list(store.get_many([])) == []


def test_many_close_early_without_a_trace(store: Store) -> None:
    for i in range(100):
        store.put(str(i), b"x")
    before = set(threading.enumerate())
    fetched = store.get_many([str(i) for i in range(100)])
    assert next(fetched) == ("0", b"x")
    fetched.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before


def test_s3_fetches_a_bounded_number_ahead(
    fresh_bucket: Callable[[], S3Store], embedded: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = fresh_bucket()
    store = S3Store(bucket.bucket, "", embedded.model_copy(update={"concurrency": 4}))
    started = itertools.count()
    last = 0

    def fetch(key: str, etag: str | None) -> bytes:
        nonlocal last
        last = next(started) + 1
        return b""

    monkeypatch.setattr(store, "_fetch_whole", fetch)
    for taken, _ in enumerate(store.get_many([str(i) for i in range(100)]), 1):
        time.sleep(0.001)
        assert last < taken + 2 * 4
    assert taken == last == 100


@pytest.mark.slow
def test_a_listing_of_many_pages(fresh_bucket: Callable[[], S3Store]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = fresh_bucket()
    wanted = [f"line={i % 3}/{i:05}" for i in range(2_500)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), wanted))
    assert keys(store) == sorted(wanted)
    assert len(keys(store, "line=1/")) == 833
    assert sorted(store.folders()) == ["line=0", "line=1", "line=2"]


# ---- what is to be new


def test_put_new_never_replaces_an_object(store: Store) -> None:
    made = store.put_new("a/x", b"first")
    stat = store.stat("a/x")
    assert (made.key, made.size, made.etag) == ("a/x", 5, stat.etag) == (stat.key, stat.size, stat.etag)
    for data in (b"second", b"first"):
        with pytest.raises(ObjectExists, match=r"a/x: exists already; nothing was changed"):
            store.put_new("a/x", data)
    assert store.get("a/x") == b"first"
    assert keys(store) == ["a/x"]
    store.delete("a/x")
    store.put_new("a/x", b"again")
    assert store.get("a/x") == b"again"


def race(stores: list[Store], key: str) -> list[bytes]:
    """All at once put a different object; those of the ones that were told that it is there now."""
    start = threading.Barrier(len(stores))
    won: list[bytes] = []

    def put(store: Store, data: bytes) -> None:
        start.wait()
        try:
            store.put_new(key, data)
            won.append(data)
        except ObjectExists:
            pass

    threads = [threading.Thread(target=put, args=(store, bytes([i]) * 5000)) for i, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_one_of_many_puts_a_new_file(tmp_path: Path) -> None:
    stores: list[Store] = [LocalStore(tmp_path, create=True) for _ in range(8)]
    for turn in range(20):
        assert race(stores, f"log/{turn}") == [stores[0].get(f"log/{turn}")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]


class Conditional(BaseHTTPRequestHandler):
    """As much of an S3 server as a put needs: one that keeps to ``If-None-Match``, or answers it with ``refusal``."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    lock = threading.Lock()
    refusal: ClassVar[int | None] = None
    forgetful = False  # does the work and answers 503, the first time

    @property
    def key(self) -> str:
        return urlsplit(self.path).path  # the Rust client asks for whole addresses

    def do_HEAD(self) -> None:
        self._answer(200 if self.key in self.objects else 404, length=len(self.objects.get(self.key, b"")))

    def do_GET(self) -> None:
        self._answer(200, self.objects[self.key])

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        new = self.headers.get("If-None-Match") == "*"
        with self.lock:
            if new and self.refusal:
                return self._answer(self.refusal)
            if new and self.key in self.objects:
                return self._answer(412)
            self.objects[self.key] = data
            if self.forgetful:
                type(self).forgetful = False
                return self._answer(503)
        return self._answer(200)

    def _answer(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Wed, 18 Nov 2026 01:30:00 GMT")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def conditional(request: pytest.FixtureRequest) -> Iterator[tuple[type[Conditional], list[Store]]]:
    """A server's state, and several clients of it."""
    handler = type("Handler", (Conditional,), {"objects": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        settings = StoreSettings(
            endpoint=f"http://127.0.0.1:{server.server_address[1]}",
            access_key="a",
            secret_key=SecretStr("s"),
            retries=1,
        )
        yield handler, [S3Store("bucket", "p", settings) for _ in range(8)]
        server.shutdown()
        thread.join()


def test_one_of_many_puts_a_new_object_if_the_store_has_conditional_writes(
    conditional: tuple[type[Conditional], list[Store]],
) -> None:
    _, stores = conditional
    for turn in range(5):
        assert race(stores, f"log/{turn}") == [stores[0].get(f"log/{turn}")]


def test_a_retry_after_a_lost_answer_is_not_another_writer(conditional: tuple[type[Conditional], list[Store]]) -> None:
    handler, stores = conditional
    handler.forgetful = True
    assert stores[0].put_new("x", b"ours").size == 4
    assert handler.objects == {"/bucket/p/x": b"ours"}


def test_a_store_that_refuses_conditional_writes(conditional: tuple[type[Conditional], list[Store]]) -> None:
    handler, stores = conditional
    handler.refusal = 501
    stores[0].put_new("x", b"1")
    with pytest.raises(ObjectExists):
        stores[0].put_new("x", b"2")
    assert handler.objects == {"/bucket/p/x": b"1"}


# ---- the folder


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/x", "a\0b"])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path / "root", create=True)
    for action in (
        lambda: store.get(key),
        lambda: store.put(key, b"x"),
        lambda: store.delete(key),
        lambda: store.stat(key),
    ):
        with pytest.raises(StoreError, match="not a valid key"):
            action()
    with pytest.raises(StoreError, match="not a valid key"):
        list(store.list("../"))


def test_links_are_read_and_never_written_through(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "x").write_bytes(b"kept")
    root.mkdir()
    (root / "disk2").symlink_to(outside)
    (root / "one").symlink_to(outside / "sub" / "x")
    (root / "dangling").symlink_to(root / "nowhere")
    (outside / "sub" / "loop").symlink_to(outside)
    (root / "self").symlink_to(root)
    store = LocalStore(root)
    assert keys(store) == ["disk2/sub/x", "one"]
    assert store.get("disk2/sub/x") == b"kept"
    for action in (lambda: store.put("disk2/sub/x", b"new"), lambda: store.delete("disk2/sub/x")):
        with pytest.raises(StoreError, match="a symbolic link points outside"):
            action()
    store.put("one", b"own")
    assert (root / "one").read_bytes() == b"own"
    assert (outside / "sub" / "x").read_bytes() == b"kept"


def test_a_linked_root_is_the_folder_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LocalStore(tmp_path / "link").put("a/x", b"1")
    assert (tmp_path / "real" / "a" / "x").read_bytes() == b"1"


def test_a_folder_holds_the_objects_and_nothing_else(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root", create=True)
    store.put("a/x", b"1")
    with pytest.raises(StoreError):
        store.put("a/y", tmp_path / "no such file")
    assert sorted(p.relative_to(store.root).as_posix() for p in store.root.rglob("*")) == ["a", "a/x"]
    (store.root / "a" / ".steelflow-part-0").write_bytes(b"left by a killed process")
    assert keys(store) == ["a/x"]


def test_the_umask_decides_who_reads_a_report(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("x", b"1")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_file_name_that_is_not_utf8_is_listed_and_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"Fl\xe4che.jpg")).touch()
    (tmp_path / "x.jpg").write_bytes(b"1")
    store = LocalStore(tmp_path)
    assert keys(store) == ["Fl\\xe4che.jpg", "x.jpg"]
    (_, gone), there = store.get_many(keys(store))
    assert isinstance(gone, ObjectNotFound)
    assert there == ("x.jpg", b"1")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "missing")
    for action in (lambda: list(store.list()), lambda: list(store.folders()), lambda: store.put("x", b"1")):
        with pytest.raises(BucketNotFound, match="missing: no such folder; create it"):
            action()
    assert list(LocalStore(tmp_path / "missing", create=True).list()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").touch(mode=0)
    with pytest.raises(ObjectUnreadable, match="permission denied; check owner and mode"):
        LocalStore(tmp_path).get("x")


def test_deletes_and_puts_may_race_for_a_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    failed: list[StoreError] = []

    def churn(name: str) -> None:
        try:
            for _ in range(150):
                store.put(f"a/b/{name}", b"x")
                store.delete(f"a/b/{name}")
        except StoreError as exc:
            failed.append(exc)

    threads = [threading.Thread(target=churn, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert list(tmp_path.iterdir()) == []


# ---- addresses


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("localhost:9000", "http://localhost:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("store.plant:9000", "https://store.plant:9000"),
        ("http://store.plant:9000/", "http://store.plant:9000"),
    ],
)
def test_an_endpoint_is_a_url(endpoint: str, url: str) -> None:
    assert endpoint_url(endpoint) == url


@pytest.mark.parametrize(
    "endpoint", ["ftp://x", "http://", "http://x/path", "http://x?y=1", "x:port", "http://u:hidden@x", "embedded"]
)
def test_an_invalid_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.endpoint") as caught:
        endpoint_url(endpoint)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("uri", ["gs://bucket", "s3://", "s3://UPPER", "s3://a"])
def test_an_invalid_uri_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="use"):
        open_store(uri, StoreSettings(endpoint="127.0.0.1:1"))
