"""A store behind TLS with a certificate authority of the plant's own, by name and by address, with a proxy around."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from steelflow.config import StoreSettings
from steelflow.errors import StoreUnreachable
from steelflow.store.s3 import S3Store

RCLONE = Path(sys.executable).with_name("rclone")


@contextlib.contextmanager
def secured(folder: Path) -> Iterator[StoreSettings]:
    """An S3 server at https://127.0.0.1 and https://localhost, and the settings that trust it."""
    authority = trustme.CA()
    pem, key, bundle = folder / "server.pem", folder / "server.key", folder / "authority.pem"
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.cert_chain_pems[0].write_to_path(pem)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(bundle)
    (folder / "objects" / "bucket").mkdir(parents=True)
    log = folder / "log"
    command = [RCLONE, "serve", "s3", folder / "objects", "--addr", "127.0.0.1:0", "--auth-key", "access,s3cret"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--cert", pem, "--key", key], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"https://127\.0\.0\.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield StoreSettings(
            endpoint=f"https://127.0.0.1:{found[1]}",
            access_key="access",
            secret_key=SecretStr("s3cret"),
            ca_bundle=bundle,
            retries=1,
        )
    finally:
        process.terminate()
        process.wait()


def test_an_endpoint_by_address_or_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loose images go through another client than everything else: both must trust the authority and skip the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there
    with secured(tmp_path) as settings:
        for endpoint in (settings.endpoint, settings.endpoint.replace("127.0.0.1", "localhost")):
            store = S3Store("bucket", "", settings.model_copy(update={"endpoint": endpoint}))
            store.put("a.jpg", b"one")
            store.put("b.jpg", b"two")
            assert list(store.get_many(["a.jpg", "b.jpg"])) == [("a.jpg", b"one"), ("b.jpg", b"two")]
            assert store.get("a.jpg") == b"one"


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    with secured(tmp_path) as settings:
        store = S3Store("bucket", "", settings.model_copy(update={"ca_bundle": None}))
        for ask in (lambda: store.get("a.jpg"), lambda: list(store.get_many(["a.jpg"]))):
            with pytest.raises(StoreUnreachable):
                ask()
