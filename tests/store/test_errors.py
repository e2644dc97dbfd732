"""What a person reads when the store is not there, says no, or has a bad night."""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faults import FaultyProxy
from pydantic import SecretStr

from steelflow.config import StoreSettings
from steelflow.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectNotFound,
    ObjectUnreadable,
    StoreError,
    StoreUnreachable,
)
from steelflow.store.base import Store
from steelflow.store.s3 import S3Store

SECRET = "tHiS-iS-nObOdY's-BuSiNeSs"
ACTIONS: dict[str, Callable[[Store], object]] = {
    "list": lambda store: list(store.list()),
    "folders": lambda store: list(store.folders()),
    "get": lambda store: store.get("x"),
    "get_many": lambda store: list(store.get_many(["x", "y"])),
    "put": lambda store: store.put("x", b"1"),
    "delete": lambda store: store.delete("x"),
    "stat": lambda store: store.stat("x"),
}


def refused(
    store: Store, action: str, expected: type[StoreError], remedy: str, within: float = 10.0, secret: str = SECRET
) -> None:
    start = time.monotonic()
    with pytest.raises(expected) as caught:
        ACTIONS[action](store)
    assert time.monotonic() - start < within
    message = str(caught.value)
    assert remedy in message
    assert "\n" not in message
    assert secret not in repr(caught.value) + "".join(traceback.format_exception(caught.value))


def moved(store: S3Store, settings: StoreSettings, **update: object) -> S3Store:
    return S3Store(store.bucket, "", settings.model_copy(update=update))


@pytest.mark.parametrize("action", ACTIONS)
def test_wrong_secret(embedded: StoreSettings, fresh_bucket: Callable[[], S3Store], action: str) -> None:
    store = moved(fresh_bucket(), embedded, secret_key=SecretStr(SECRET))
    refused(store, action, AccessDenied, "check store.access_key, store.secret_key")


@pytest.mark.parametrize("action", ACTIONS)
def test_wrong_key(embedded: StoreSettings, fresh_bucket: Callable[[], S3Store], action: str) -> None:
    assert embedded.secret_key is not None
    store = moved(fresh_bucket(), embedded, access_key="nobody")
    refused(store, action, AccessDenied, "check store.access_key", secret=embedded.secret_key.get_secret_value())


@pytest.mark.parametrize("action", ACTIONS)
def test_no_key_at_all(embedded: StoreSettings, fresh_bucket: Callable[[], S3Store], action: str) -> None:
    refused(
        moved(fresh_bucket(), embedded, access_key=None, secret_key=None),
        action,
        AccessDenied,
        "check store.access_key",
    )


@pytest.mark.parametrize("action", sorted(ACTIONS.keys() - {"stat", "delete"}))
def test_missing_bucket(embedded: StoreSettings, action: str) -> None:
    refused(S3Store("no-such-bucket", "", embedded), action, BucketNotFound, "create it or correct the uri")


@pytest.mark.parametrize("action", ["list", "get_many", "put", "stat"])
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "http://no-such-host.invalid:9000"])
def test_nothing_answers(endpoint: str, action: str) -> None:
    settings = StoreSettings(endpoint=endpoint, access_key="someone", secret_key=SecretStr(SECRET), retries=2)
    refused(S3Store("bucket", "", settings), action, StoreUnreachable, "check store.endpoint")


def test_nothing_answers_and_the_retries_are_not_nested() -> None:
    settings = StoreSettings(endpoint="http://127.0.0.1:9", access_key="someone", secret_key=SecretStr(SECRET))
    refused(S3Store("bucket", "", settings), "get", StoreUnreachable, "check store.endpoint", within=2.0)
    refused(S3Store("bucket", "", settings), "put", StoreUnreachable, "check store.endpoint", within=2.0)


@pytest.mark.parametrize("action", ["list", "get_many"])
def test_a_store_without_tls(embedded: StoreSettings, action: str) -> None:
    settings = embedded.model_copy(update={"endpoint": embedded.endpoint.replace("http:", "https:"), "retries": 2})
    refused(S3Store("bucket", "", settings), action, StoreUnreachable, "endpoint")


def test_a_missing_ca_bundle(embedded: StoreSettings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ca_bundle.*no such file"):
        S3Store("bucket", "", embedded.model_copy(update={"ca_bundle": tmp_path / "none.pem"}))


def test_an_http_proxy_of_the_office_is_not_asked(
    fresh_bucket: Callable[[], S3Store], embedded: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    store = moved(fresh_bucket(), embedded, retries=0)
    store.put("x", b"1")
    assert list(store.get_many(["x"])) == [("x", b"1")]


@pytest.mark.parametrize("key", ["", "a/../b", "./a"])
def test_a_key_that_cannot_be_addressed(fresh_bucket: Callable[[], S3Store], key: str) -> None:
    store = fresh_bucket()
    for action in (lambda: store.get(key), lambda: store.put(key, b"x")):
        with pytest.raises(ObjectUnreadable, match="cannot be requested"):
            action()
    ((asked, answer),) = store.get_many([key])
    assert asked == key
    assert isinstance(answer, ObjectUnreadable)


def test_a_slash_before_a_key_is_part_of_it(fresh_bucket: Callable[[], S3Store]) -> None:
    store = fresh_bucket()
    store.put("a", b"another object")
    with pytest.raises(StoreError, match="refused the request"):  # this server does; others accept such keys
        list(store.get_many(["/a"]))


def test_a_forked_process_reads_on(fresh_bucket: Callable[[], S3Store]) -> None:
    store = fresh_bucket()
    store.put("x", b"1")
    assert list(store.get_many(["x"])) == [("x", b"1")]
    child = multiprocessing.get_context("fork").Process(
        target=lambda: os._exit(0 if list(store.get_many(["x"] * 5)) == [("x", b"1")] * 5 else 1)
    )
    child.start()
    child.join(20)
    code = child.exitcode
    child.kill()
    child.join()
    child.close()
    assert code == 0


def test_a_slow_line_may_take_longer_than_the_connect_timeout() -> None:
    """A part of an upload is sent in pieces, each with a time-out of its own."""
    size = 6 * 1024 * 1024
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        received = 0

        def serve() -> None:
            nonlocal received
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                received = len(head.partition(b"\r\n\r\n")[2])
                while received < size:
                    time.sleep(0.02)
                    received += len(connection.recv(65536))
                connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n')

        server = threading.Thread(target=serve)
        server.start()
        settings = StoreSettings(
            endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}",
            access_key="someone",
            secret_key=SecretStr(SECRET),
            connect_timeout=0.5,
            retries=0,
        )
        start = time.monotonic()
        assert S3Store("bucket", "", settings).put("x", b"x" * size).etag == "e"
        assert time.monotonic() - start > 1.0
        server.join()
    assert received == size


# ---- a bad night


@pytest.mark.slow
def test_random_operations_are_right_on_a_bad_network(
    fresh_bucket: Callable[[], S3Store], embedded: StoreSettings
) -> None:
    bucket = fresh_bucket()
    with FaultyProxy(embedded.endpoint, seed=7, errors=0.05, cuts=0.02, resets=0.02, delay=0.01) as proxy:
        store = moved(bucket, embedded, endpoint=proxy.endpoint)

        def work(seed: int) -> None:
            draw = random.Random(seed)
            truth: dict[str, bytes] = {}
            for _ in range(125):
                key = f"{seed}/{draw.randrange(12)}"
                match draw.choice(["put", "put", "get", "get", "range", "many", "delete", "stat", "list"]):
                    case "put":
                        truth[key] = draw.randbytes(draw.choice([0, 10, 1_000, 100_000]))
                        store.put(key, truth[key])
                    case "get" if key in truth:
                        assert store.get(key) == truth[key]
                    case "range" if key in truth:
                        assert store.get(key, 5, 700) == truth[key][5:705]
                    case "delete":
                        truth.pop(key, None)
                        store.delete(key)
                    case "stat" if key in truth:
                        assert store.stat(key).size == len(truth[key])
                    case "list":
                        assert {info.key: info.size for info in store.list(f"{seed}/")} == {
                            key: len(data) for key, data in truth.items()
                        }
                    case "many":
                        for name, data in store.get_many(sorted(truth)):
                            assert data == truth[name]
                    case _:
                        with pytest.raises(ObjectNotFound):
                            store.get(f"{seed}/none")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert proxy.done["requests"] >= 500
        assert all(proxy.done[fault] > 5 for fault in ("errors", "cuts", "resets"))


@pytest.mark.slow
def test_a_long_listing_and_a_large_upload_on_a_bad_network(
    fresh_bucket: Callable[[], S3Store], embedded: StoreSettings, tmp_path: Path
) -> None:
    bucket = fresh_bucket()
    wanted = [f"{i:05}" for i in range(2_300)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.put(f"many/{key}", b"x"), wanted))
    data = random.Random(1).randbytes(1 << 20) * 70
    path = tmp_path / "large.bin"
    path.write_bytes(data)
    with FaultyProxy(embedded.endpoint, seed=3, errors=0.2, cuts=0.1, resets=0.1) as proxy:
        store = moved(bucket, embedded, endpoint=proxy.endpoint)
        for _ in range(3):
            assert [info.key[5:] for info in store.list("many/")] == wanted
        store.put("large", path)
        assert bucket.get("large") == data
        assert proxy.done["errors"] + proxy.done["cuts"] + proxy.done["resets"] > 3


@pytest.mark.slow
def test_a_server_that_only_fails_is_given_up(fresh_bucket: Callable[[], S3Store], embedded: StoreSettings) -> None:
    bucket = fresh_bucket()
    bucket.put("x", b"x" * 1000)
    for faults in ({"errors": 1.0}, {"resets": 1.0}, {"cuts": 1.0}):
        with FaultyProxy(embedded.endpoint, seed=1, **faults) as proxy:
            store = moved(bucket, embedded, endpoint=proxy.endpoint, retries=1)
            for action in ("get", "get_many", "list"):
                refused(store, action, StoreUnreachable, "check")
