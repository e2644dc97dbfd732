"""The embedded S3 server: shared, stopped by the last one, and discreet."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steelflow.config import Settings, StoreSettings
from steelflow.errors import BucketNotFound
from steelflow.store import open_store
from steelflow.store.embedded import embedded_s3, serving

HOLD = """
import sys, time
from pathlib import Path
from steelflow.store.embedded import embedded_s3
with embedded_s3(Path(sys.argv[1]), {"shared"}) as settings:
    print(settings.endpoint, flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def holders(home: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that start together and hold the server until a line is written to them."""
    command = [sys.executable, "-c", HOLD, str(home)]
    with contextlib.ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            started.append(stack.enter_context(process))
            stack.callback(process.kill)
        yield started


def endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def server(home: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((home / "s3" / "server.json").read_text())
    return kept


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


def test_the_last_user_stops_it(tmp_path: Path) -> None:
    with embedded_s3(tmp_path, {"one"}) as first:
        pid = server(tmp_path)["pid"]
        with embedded_s3(tmp_path, {"two"}) as second:
            assert second == first
            open_store("s3://two", second).put("x", b"1")
            open_store("s3://one", second).put("x", b"1")
        assert runs(pid)
        assert open_store("s3://two", first).get("x") == b"1"
    assert gone(pid)
    assert not (tmp_path / "s3" / "server.json").exists()


def test_objects_and_credentials_outlast_it(tmp_path: Path) -> None:
    with embedded_s3(tmp_path, {"kept"}) as before:
        open_store("s3://kept", before).put("a/x", b"1")
    with embedded_s3(tmp_path) as after:
        assert (after.access_key, after.secret_key) == (before.access_key, before.secret_key)
        assert open_store("s3://kept", after).get("a/x") == b"1"
    assert (tmp_path / "objects" / "kept" / "a" / "x").read_bytes() == b"1"


def test_nobody_else_learns_the_secret(tmp_path: Path) -> None:
    with embedded_s3(tmp_path / "a") as one, embedded_s3(tmp_path / "b") as other:
        assert one.secret_key is not None
        secret = one.secret_key.get_secret_value()
        assert len(secret) >= 32
        assert other.secret_key != one.secret_key
        assert other.access_key != one.access_key
        command = Path(f"/proc/{server(tmp_path / 'a')['pid']}/cmdline").read_text()
        assert "127.0.0.1" in command
        assert secret not in command
        for path in (tmp_path / "a" / "s3").iterdir():
            if path.name == "credentials.json":
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
            else:
                assert secret not in path.read_text()
        assert (tmp_path / "a" / "s3" / ".gitignore").read_text() == "*\n"


def test_a_killed_user_does_not_block_the_next(tmp_path: Path) -> None:
    with holders(tmp_path, 1) as (process,):
        address = endpoint(process)
        pid = server(tmp_path)["pid"]
        process.kill()
        process.wait()
        assert runs(pid)
        with embedded_s3(tmp_path) as settings:
            assert settings.endpoint == address
            assert list(open_store("s3://shared", settings).list()) == []
        assert gone(pid)


def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    with embedded_s3(tmp_path, {"one"}):
        pid = server(tmp_path)["pid"]
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        with embedded_s3(tmp_path) as settings:
            assert server(tmp_path)["pid"] != pid
            assert list(open_store("s3://one", settings).list()) == []
        last = server(tmp_path)["pid"]
        assert runs(last)
    assert gone(last)


@pytest.mark.slow
def test_four_that_start_at_once_share_one(tmp_path: Path) -> None:
    with holders(tmp_path, 4) as processes:
        addresses = {endpoint(process) for process in processes}
        assert len(addresses) == 1
        assert addresses.pop().endswith(f":{server(tmp_path)['port']}")
        pid = server(tmp_path)["pid"]
        for process in processes:
            assert runs(pid)
            process.communicate("\n", timeout=20)
            assert process.returncode == 0
        assert gone(pid)


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    stranger = {"pid": os.getpid(), "port": 9, "log": "elsewhere"}
    (tmp_path / "s3" / "server.json").write_text(json.dumps(stranger))
    with embedded_s3(tmp_path):
        assert server(tmp_path)["pid"] != os.getpid()


@pytest.mark.slow
def test_a_file_put_into_the_folder_by_hand_shows(tmp_path: Path) -> None:
    with embedded_s3(tmp_path, {"one"}) as settings:
        store = open_store("s3://one", settings)
        assert list(store.list()) == []
        (tmp_path / "objects" / "one" / "by hand").write_bytes(b"1")
        deadline = time.monotonic() + 10
        while not list(store.list()) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert store.get("by hand") == b"1"


def test_serving_starts_it_only_where_it_is_needed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with serving(settings, str(tmp_path)) as reached:
        assert reached is settings
    elsewhere = settings.model_copy(update={"store": StoreSettings(endpoint="store.plant:9000")})
    with serving(elsewhere) as reached:
        assert reached is elsewhere
    assert not (tmp_path / "s3").exists()
    with serving(settings) as reached:
        assert list(open_store(settings.report.uri, reached.store).list()) == []
        with pytest.raises(BucketNotFound):
            list(open_store("s3://another-bucket", reached.store).list())


def test_without_rclone_doctor_says_what_to_install(tmp_path: Path) -> None:
    venv.create(tmp_path / "python", symlinks=True)  # its bin folder has no rclone
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": ""}
    command = [tmp_path / "python" / "bin" / "python", "-m", "steelflow.cli.main", "doctor", "--json"]
    answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert answer.returncode == 1
    checks = json.loads(answer.stdout)["checks"]
    for name in ("archive", "reports"):
        assert not checks[name]["ok"]
        assert "rclone" in checks[name]["says"]
        assert "set archive.uri and report.uri to folders" in checks[name]["says"]
        assert "pip install 'steelflow[embedded]'" in checks[name]["says"]
