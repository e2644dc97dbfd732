"""One at a time, on a folder and on S3."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from steelflow.errors import LockHeld, StoreError
from steelflow.records import ObjectInfo
from steelflow.store import Store, lock
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked
with locked(LocalStore(Path(sys.argv[1])), "locks/night", "the night"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path)
    made: Store = request.getfixturevalue("fresh_bucket")()
    return made


def test_the_second_is_told_who_holds_it(store: Store) -> None:
    with locked(store, "locks/night", "the night of 2026-11-18"):
        told = rf"the night of 2026-11-18 is .* process {os.getpid()} on .*; wait.*--wait"
        with pytest.raises(LockHeld, match=told), locked(store, "locks/night", "the night of 2026-11-18"):
            pass
        with locked(store, "locks/other", "another"):
            pass
    assert list(store.list()) == []


def test_the_lock_is_released_when_the_work_fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), locked(store, "locks/night", "the night"):
        raise ZeroDivisionError
    with locked(store, "locks/night", "the night"):
        pass
    assert list(store.list()) == []


def test_waiting(store: Store) -> None:
    inside = threading.Event()

    def hold() -> None:
        with locked(store, "locks/night", "the night"):
            inside.set()
            time.sleep(0.5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(10)
    with locked(store, "locks/night", "the night", wait=20):
        assert not holder.is_alive() or holder.join(1) is None
    holder.join()


def test_one_of_many_holds_the_lock(store: Store) -> None:
    inside = most = turns = 0
    guard = threading.Lock()
    unhandled: list[BaseException] = []

    def work() -> None:
        nonlocal inside, most, turns
        try:
            for _ in range(3):
                with locked(store, "locks/night", "the night", wait=60):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.01)
                    with guard:
                        inside -= 1
                        turns += 1
        except StoreError as exc:
            unhandled.append(exc)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not unhandled
    assert (most, turns) == (1, 24)


@pytest.mark.slow
def test_exactly_one_of_several_that_start_at_once_works(store: Store) -> None:
    for _ in range(20 if isinstance(store, LocalStore) else 10):
        won: list[int] = []
        over = threading.Event()
        start = threading.Barrier(8)

        def work(number: int, won: list[int], over: threading.Event, start: threading.Barrier) -> None:
            start.wait()
            try:
                with locked(store, "locks/night", "the night"):
                    won.append(number)
                    over.wait(20)
            except LockHeld:
                pass

        threads = [threading.Thread(target=work, args=(i, won, over, start)) for i in range(8)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 15
        while sum(thread.is_alive() for thread in threads) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(won) == 1
        over.set()
        for thread in threads:
            thread.join()


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        store = LocalStore(tmp_path)
        with pytest.raises(LockHeld, match=f"process {process.pid} "), locked(store, "locks/night", "the night"):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        start = time.monotonic()
        with locked(store, "locks/night", "the night"):
            assert time.monotonic() - start < 1.0


class Elsewhere(LocalStore):
    """Makes every claim look as if another machine had put it, ``age`` seconds ago."""

    age = 0.0

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        assert isinstance(data, bytes)
        info = super().put(key, data.replace(b'"machine": "', b'"machine": "other-'))
        past = time.time() - self.age
        os.utime(self.root / key, (past, past))
        return info


def test_a_claim_that_is_not_renewed_expires(tmp_path: Path) -> None:
    far = Elsewhere(tmp_path)
    for age, free in ((lock.TTL - 10, False), (lock.TTL + 10, True)):
        far.age = age
        with locked(far, "locks/night", "the night"):
            if free:
                with locked(LocalStore(tmp_path), "locks/night", "the night"):
                    pass
            else:
                with pytest.raises(LockHeld), locked(LocalStore(tmp_path), "locks/night", "the night"):
                    pass


def test_renewal_keeps_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "TTL", 0.6)
    monkeypatch.setattr(lock, "_RENEW", 0.1)
    with locked(Elsewhere(tmp_path), "locks/night", "the night"):
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            with pytest.raises(LockHeld), locked(LocalStore(tmp_path), "locks/night", "the night"):
                pass
            assert len(list(LocalStore(tmp_path).list())) <= 3
    assert list(LocalStore(tmp_path).list()) == []


def test_a_stale_listing_gives_no_lock(tmp_path: Path) -> None:
    class Lagging(LocalStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            return iter(())

    with pytest.raises(StoreError, match="does not show"), locked(Lagging(tmp_path), "locks/night", "the night"):
        pass


def test_claims_expire_by_the_clock_of_the_store(tmp_path: Path) -> None:
    """A machine whose own clock is wrong by hours neither loses its lock nor takes another's."""

    class Skewed(LocalStore):
        def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
            for info in super().list(prefix):
                assert info.modified is not None
                yield info._replace(modified=info.modified + dt.timedelta(hours=5))

    again = locked(Skewed(tmp_path), "locks/night", "the night")
    with locked(Elsewhere(tmp_path), "locks/night", "the night"), pytest.raises(LockHeld), again:
        pass
