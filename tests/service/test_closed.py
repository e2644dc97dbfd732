"""``steelflow up`` on a machine with other accounts: they get nothing out of it, and have nothing run."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("prefect")
pytest.importorskip("streamlit")

from accounts import as_another, needs_root
from up import Up

from steelflow.service.secret import api_secret, basic
from steelflow.store.local import LocalStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SETTINGS = """\
home = "{home}"
night.cron = "0 0 1 1 *"
dashboard.port = 0
"""
WEBHOOK = "http://127.0.0.1:9/a-token-of-the-chat"
REFUSED = (400, 401, 403)  # 400: the store's answer to a request without a signature
OPEN = {"/api/health", "/api/ready"}  # probes, which tell nothing else
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
KEY = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """A service whose folder everybody may enter, as in /srv; only ``home`` is closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name, pytest.MonkeyPatch.context() as patched:
        folder = Path(name)
        folder.chmod(0o755)
        patched.setenv("STEELFLOW_ALERTS__WEBHOOK", WEBHOOK)
        up = Up(folder)
        up.config.write_text(SETTINGS.format(home=up.home))
        LocalStore(up.home / "objects" / "steelflow-images", create=True).put("line=L1/a.jpg", b"a picture")
        up.home.chmod(0o755)  # as an earlier version left it
        up.start()
        up.wait("the deployments", lambda: "housekeeping" in up.deployments())
        yield up
        assert up.end(signal.SIGTERM) == 0
        assert up.alive() == []


def addresses(up: Up) -> dict[str, str]:
    return dict(re.findall(r"^(\w+) +(http://[\d.:]+)", up.output(), re.MULTILINE))


def ask(
    url: str, method: str = "GET", path: str = "/", headers: Mapping[str, str] | None = None, body: str = ""
) -> int:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=20)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json", **(headers or {})})
        return connection.getresponse().status
    finally:
        connection.close()


def calls(up: Up) -> list[tuple[str, str]]:
    """Every call of Prefect's API, as the owner reads them from it."""
    where = urlsplit(addresses(up)["Prefect"])
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    secret = api_secret(up.home / "prefect")
    connection.request("GET", "/api/openapi.json", headers={"Authorization": basic(secret)})
    paths: dict[str, Any] = json.load(connection.getresponse())["paths"]
    connection.close()
    full = [("/api" + path.removeprefix("/api"), methods) for path, methods in paths.items()]
    return [(method.upper(), re.sub(r"{\w+}", "x", path)) for path, methods in full for method in methods]


@needs_root
def test_another_account_calls_nothing(up: Up) -> None:
    at, wanted = addresses(up), calls(up)
    assert len(wanted) > 150

    def answers() -> dict[str, int]:
        told = {f"{method} {path}": ask(at["Prefect"], method, path, body="{}") for method, path in wanted}
        told |= {f"WS {path}": ask(at["Prefect"], path=path, headers=UPGRADE | KEY) for path in ("/api/events/out",)}
        told |= {f"page {path}": ask(at["dashboard"], path=path) for path in ("/", "/runs", "/?token=guessed")}
        told["pages"] = ask(at["dashboard"], path="/_stcore/stream", headers=UPGRADE | KEY)
        told["store"] = ask(at["storage"], path="/steelflow-images/line=L1/a.jpg")
        told["listing"] = ask(at["storage"], path="/")
        told["put"] = ask(at["storage"], "PUT", "/steelflow-images/x", body="x")
        return told

    let_in = {call: status for call, status in as_another(answers).items() if status not in REFUSED}
    assert set(let_in) <= {f"GET {path}" for path in OPEN}


@needs_root
def test_another_account_reads_nothing(up: Up) -> None:
    files = [str(path) for path in up.home.rglob("*")]
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*") if belongs(path, up.home)]
    assert len(files) > 20
    assert len(pids) >= len(up.groups())

    def readable() -> list[str]:
        found = [path for path in (str(up.home), *files) if os.access(path, os.R_OK)]
        found += [f"/proc/{pid}/environ" for pid in pids if os.access(f"/proc/{pid}/environ", os.R_OK)]
        return found

    assert as_another(readable) == []


def belongs(process: Path, home: Path) -> bool:
    try:
        return f"STEELFLOW_HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_no_secret_is_an_argument_or_in_a_log(up: Up) -> None:
    keys = json.loads((up.home / "s3" / "credentials.json").read_text())
    token = re.search(r"token=(\S+)", up.output())
    assert token is not None
    hidden = [api_secret(up.home / "prefect").partition(":")[2], keys["secret_key"], token[1], WEBHOOK]
    arguments = [path.read_bytes() for path in readable_arguments()]
    assert not [secret for secret in hidden if any(secret.encode() in one for one in arguments)]
    kept = {"api-secret", "credentials.json"}
    files = [path for path in up.home.rglob("*") if path.is_file() and path.name not in kept]
    assert not [path for path in files if any(secret.encode() in path.read_bytes() for secret in hidden)]
    opened = [path for path in (up.home, *up.home.rglob("*")) if path.lstat().st_mode & 0o077]
    assert opened == []


def readable_arguments() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        path = process / "cmdline"
        try:
            path.read_bytes()
        except OSError:
            continue
        yield path


def test_the_webhook_reaches_only_the_process_that_sends(up: Up) -> None:
    told = {
        name: "STEELFLOW_ALERTS__WEBHOOK" in (Path("/proc") / str(pid) / "environ").read_text()
        for name, pid in up.groups().items()
    }
    assert told == {"server": False, "serve": True, "dashboard": False}


def test_only_our_code_runs(up: Up) -> None:
    """Not the code that the server names for a deployment, and no other deployment: neither with the secret, nor from a
    database that is older than the secret."""
    marker = up.folder / "marker"
    shell = [{"prefect.deployments.steps.run_shell_script": {"script": f"touch {marker}"}}]
    with up.client() as client:
        own = client.read_deployment_by_name("housekeeping/housekeeping")
        client.request("PATCH", f"/deployments/{own.id}", json={"entrypoint": "os.abort", "pull_steps": shell})
        foreign = client.create_deployment(own.flow_id, "foreign", entrypoint="os.abort", pull_steps=shell)
        ours = client.create_flow_run_from_deployment(own.id)
        other = client.create_flow_run_from_deployment(foreign)
        up.wait("housekeeping", lambda: (state := client.read_flow_run(ours.id).state) and state.is_final())
        state = client.read_flow_run(ours.id).state
        assert state is not None
        assert state.is_completed(), up.logs()
        assert "deleted" in str(state.message)
        left = client.read_flow_run(other.id).state
        assert left is not None
        assert left.is_scheduled()
    assert not marker.exists()
