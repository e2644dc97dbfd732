"""Claims and files that killed processes have left in a store."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from plain_s3 import PlainS3, refusal

from steelflow.store import open_store
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked, sweep
from steelflow.store.s3 import S3Store
from steelflow.store.unfinished import drop_unfinished

HOLD = """
import os, sys
from pathlib import Path
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked
with locked(LocalStore(Path(sys.argv[1]), create=True), "locks/night-2026-11-01", "a night"):
    os.kill(os.getpid(), 9)
"""


def claims(store: LocalStore) -> list[str]:
    return sorted(info.key for info in store.list("locks/"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_claims_of_a_killed_process_go_and_those_of_a_living_one_stay(tmp_path: Path, dry_run: bool) -> None:
    subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], check=False)
    store = LocalStore(tmp_path)
    left = claims(store)
    assert left
    with locked(store, "locks/retrain", "a retraining"):
        own = set(claims(store)) - set(left)
        assert sweep(store, dry_run) == len(left)
        assert claims(store) == sorted(own | (set(left) if dry_run else set()))


@pytest.mark.parametrize(("age", "goes"), [(30.0, False), (3000.0, False), (4000.0, True)])
def test_a_claim_of_another_machine_goes_when_it_is_old(tmp_path: Path, age: float, goes: bool) -> None:
    store = LocalStore(tmp_path)
    claim = {"host": "other", "machine": "another boot/pid:[1]", "pid": 1, "born": "5"}
    store.put("locks/night-2026-11-01/abc-000000001", json.dumps(claim).encode())
    then = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)).timestamp()
    os.utime(tmp_path / "locks" / "night-2026-11-01" / "abc-000000001", (then, then))
    assert sweep(store) == int(goes)
    assert bool(claims(store)) is not goes


def test_what_is_no_claim_stays(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("locks/README", b"who put this here?")
    assert sweep(store) == 0
    assert claims(store) == ["locks/README"]


def test_files_that_were_not_finished_go(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"1")
    code = (
        "from steelflow.store.leftovers import own_name; from steelflow.store.local import PART; print(own_name(PART))"
    )
    name = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    (tmp_path / name).write_bytes(b"half")
    assert drop_unfinished(store, dry_run=True) == 1
    assert drop_unfinished(store) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o700])
def test_who_may_read_the_folder_may_read_what_is_written(tmp_path: Path, mode: int) -> None:
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(mode)
    before = os.umask(0o077)
    try:
        LocalStore(root).put("a/b/c", b"1")
    finally:
        os.umask(before)
    assert (root / "a" / "b" / "c").stat().st_mode & 0o777 == mode & 0o644
    assert (root / "a" / "b").stat().st_mode & 0o777 == mode


def test_uploads_to_s3_that_a_dead_process_left_are_aborted_after_a_day() -> None:
    """By a server of ours: the embedded one does not list uploads. Those of others in the bucket stay, and new ones."""
    now = dt.datetime.now(dt.UTC)
    with PlainS3({}) as server:
        old = {(f"reports/{number}.parquet", f"id{number}"): now - dt.timedelta(days=2) for number in range(5)}
        stay = {("reports/new", "a"): now, ("reports2/x", "b"): now - dt.timedelta(days=9)}
        server.uploads.update(old | stay)
        store = open_store("s3://images/reports", server.settings)
        assert drop_unfinished(store, dry_run=True) == 5
        assert len(server.uploads) == 7
        assert drop_unfinished(store) == 5
        assert server.uploads.keys() == stay.keys()
        assert drop_unfinished(store) == 0
        server.answers["*"] = refusal(403, "AccessDenied")
        assert drop_unfinished(store) == 0


def test_the_embedded_server_lists_no_uploads(fresh_bucket: Callable[[], S3Store]) -> None:
    """If it begins to, the test above can be done with it."""
    store = fresh_bucket()
    store._minio._create_multipart_upload(store.bucket, "a", {})
    assert store._minio._list_multipart_uploads(store.bucket).uploads == []
    assert drop_unfinished(store) == 0
