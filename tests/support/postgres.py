"""A PostgreSQL server of the test's own, as Prefect's database: on 127.0.0.1, in a new folder, with a password."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 180.0  # seconds
_ACCOUNT = "nobody"  # PostgreSQL does not run as root


def programs() -> Path | None:
    """The folder with ``initdb`` and ``postgres``, newest version first. None if this machine has none."""
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    found = sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    return next((one for one in (*found, *on_path) if (one / "postgres").exists()), None)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database, for SQLAlchemy with asyncpg. Skips the test where there is no PostgreSQL."""
    if (where := programs()) is None:
        pytest.skip("needs PostgreSQL: `apt-get install postgresql`")
    folder = Path(tempfile.mkdtemp(prefix="steelflow-postgres-"))
    account = {"user": _ACCOUNT, "group": "nogroup"} if os.getuid() == 0 else {}
    if account:
        shutil.chown(folder, _ACCOUNT, "nogroup")
    password, words = secrets.token_hex(16), folder / "password"
    words.write_text(password)
    words.chmod(0o600)
    if account:
        shutil.chown(words, _ACCOUNT, "nogroup")
    made = ["--pgdata", f"{folder}/data", "--username", "prefect", "--pwfile", str(words), "--auth", "scram-sha-256"]
    subprocess.run([where / "initdb", *made, "--no-sync"], check=True, cwd="/", stdout=subprocess.DEVNULL, **account)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["-D", f"{folder}/data", "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([where / "postgres", *options], cwd="/", stdout=log, stderr=log, **account)
    try:
        _wait(server, port, folder / "log")
        yield f"postgresql+asyncpg://prefect:{password}@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # ends its clients, too
        server.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
