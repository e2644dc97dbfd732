"""The service of one machine: embedded storage, Prefect's server, the process that serves our flows, the dashboard.

    home/prefect/          Prefect's own home: its database and leases, kept across restarts
        server.log serve.log dashboard.log
        service.json       address and processes, while it runs
        service.lock       held by the one process that runs it

Nothing here imports Prefect: it is started, and asked over HTTP.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import importlib.metadata
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self
from urllib.parse import urlsplit

from steelflow.config import EMBEDDED, Settings
from steelflow.errors import ConfigError, LockHeld, ServiceError
from steelflow.store.embedded import serving

INSTALL = "pip install 'steelflow[flows]'"
# Prefect 3.8 starts and looks healthy with later ones, but answers no listing call (fastapi) or never creates a
# scheduled run (SQLAlchemy).
_BELOW = {"fastapi": (0, 151), "sqlalchemy": (2, 1)}
_OURS = (b"prefect", b"flows.serve", b"dashboard")
_START_SECONDS = 180.0
_GRACE_SECONDS = 40.0
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running service are. ``storage`` and ``keys`` are None where no storage was started, and
    ``dashboard`` where none is installed."""

    prefect: str
    dashboard: str | None
    storage: str | None
    keys: Path | None
    logs: Path


def run(settings: Settings, port: int, config: Path | None, ready: Callable[[Addresses], None]) -> None:
    """Run the service until SIGINT, SIGTERM or SIGHUP, then stop its parts in turn.

    Args:
        port: of Prefect's server, on 127.0.0.1; 0 takes a free one.
        config: the configuration file that the flows are to read, where it is not the usual one.
        ready: is told once where everything is.

    Raises:
        ConfigError: Prefect is not installed, or with parts it does not work with, or the port is taken.
        LockHeld: it runs already.
        ServiceError: a part ended by itself; names its log.
        StoreError: the embedded storage did not start.
    """
    fine, problem = _installed()
    if not fine:
        raise ConfigError(problem)
    state = settings.home.absolute() / "prefect"
    state.mkdir(parents=True, exist_ok=True)
    with _alone(state), _signals() as stop:
        _end_leftovers(state)
        with serving(settings) as reached, _Children(state) as children:
            number = _free(port, "--port NUMBER")
            url = f"http://127.0.0.1:{number}"
            app = _dashboard()
            shown = _free(settings.dashboard.port, "dashboard.port in the settings") if app else None
            environment = _environment(settings, state, config, url)
            server = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(number))
            children.start("server", server, environment)
            children.record(url)
            if not children.wait(stop, lambda: _healthy(url)):
                return
            children.start("serve", ("-m", "flows.serve"), environment)
            if app:
                at = ("--server.address", "127.0.0.1", "--server.port", str(shown), "--server.headless", "true")
                quiet = ("--browser.gatherUsageStats", "false")
                children.start("dashboard", ("-m", "dashboard", *at, *quiet), environment)
            children.record(url)
            embedded = settings.store.endpoint == EMBEDDED and reached.store.endpoint != EMBEDDED
            storage = reached.store.endpoint if embedded else None
            keys = settings.home.absolute() / "s3" / "credentials.json" if embedded else None
            ready(Addresses(url, f"http://127.0.0.1:{shown}" if app else None, storage, keys, state))
            while not stop.wait(_LOOK_SECONDS):
                children.check()
                if storage and not _listens(storage):
                    log = settings.home.absolute() / "s3" / "server.log"
                    raise ServiceError(f"the embedded storage ended by itself; its log is {log}; start again")


def check_prefect(settings: Settings) -> tuple[bool, str]:
    """Whether flows can be run here, and the reason or what there is, for ``steelflow doctor``."""
    fine, text = _installed()
    if not fine:
        return False, text
    url = running(settings)
    if url is None:
        return True, f"{text}; no service runs here, `steelflow up` starts it"
    if not _healthy(url):
        return False, f"{text}; the service runs, but its server does not answer at {url}: restart `steelflow up`"
    return True, f"{text}; the service runs at {url}"


def running(settings: Settings) -> str | None:
    """The address of Prefect's server where ``steelflow up`` runs with these settings, else None."""
    state = settings.home.absolute() / "prefect"
    with contextlib.suppress(OSError, ValueError, KeyError):
        with (state / "service.lock").open() as lock:
            if not _held(lock.fileno()):
                return None
        return str(json.loads((state / "service.json").read_text())["url"])
    return None


def _installed() -> tuple[bool, str]:
    if importlib.util.find_spec("prefect") is None:
        return False, f"Prefect is not installed; {INSTALL}"
    if importlib.util.find_spec("flows") is None:
        return False, f"the package `flows` is not installed; {INSTALL}"
    for name, limit in _BELOW.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return False, f"Prefect is installed without its server, {name} is missing; {INSTALL}"
        if tuple(int(part) for part in version.split(".")[:2]) >= limit:
            below = ".".join(map(str, limit))
            return False, f"Prefect does not work with {name} {version}, it needs one below {below}; {INSTALL}"
    return True, f"Prefect {importlib.metadata.version('prefect')}"


def _dashboard() -> str | None:
    """The file that streamlit runs, where there is a dashboard."""
    if importlib.util.find_spec("streamlit") is None or importlib.util.find_spec("dashboard") is None:
        return None
    spec = importlib.util.find_spec("dashboard.app")
    return spec.origin if spec else None


def _environment(settings: Settings, state: Path, config: Path | None, url: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_PROFILE"}
    environment |= {
        "STEELFLOW_HOME": str(settings.home.absolute()),
        "PREFECT_HOME": str(state),
        "PREFECT_API_URL": f"{url}/api",
        # With the default, in memory, a server that is restarted ends the run under way some minutes later.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Runs of more than three months ago go; without this the server's database grows for ever.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "steelflow",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }
    if config is not None:
        environment["STEELFLOW_CONFIG"] = str(config.absolute())
    return environment


class _Children:
    """Python processes, each the leader of its own group, so that Ctrl-C is ours alone to handle and what a child
    has started ends with it. Leaving the context ends them, the last one first."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                [sys.executable, *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def record(self, url: str) -> None:
        groups = {name: process.pid for name, process in self._running.items()}
        _state_file(self._state).write_text(json.dumps({"url": url, "pid": os.getpid(), "groups": groups}))

    def check(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ServiceError(
                    f"the {name} process ended by itself ({process.returncode}); its log is {self._log(name)}; "
                    "start again, and the runs that were under way are taken up again"
                )

    def wait(self, stop: threading.Event, ready: Callable[[], bool]) -> bool:
        """Until ``ready``; False when told to stop before that."""
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"Prefect's server did not start in {_START_SECONDS:.0f} s; see {self._log('server')}"
                )
            if stop.wait(0.2):
                return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running.values()):
            _end_group(process.pid, process)
        _state_file(self._state).unlink(missing_ok=True)

    def _log(self, name: str) -> Path:
        return self._state / f"{name}.log"


def _state_file(state: Path) -> Path:
    return state / "service.json"


def _end_leftovers(state: Path) -> None:
    """End what a service that was killed has left running."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        for group in reversed(json.loads(_state_file(state).read_text())["groups"].values()):
            if _is_ours(group):
                _end_group(group)
    _state_file(state).unlink(missing_ok=True)


def _is_ours(group: int) -> bool:
    """Whether a process of the group runs our or Prefect's code: process ids are used again."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            of_group = int((process / "stat").read_text().rpartition(")")[2].split()[2])
            command = (process / "cmdline").read_bytes()
            if of_group == group and any(name in command for name in _OURS):
                return True
    return False


def _end_group(group: int, leader: subprocess.Popen[bytes] | None = None) -> None:
    """End a process and all that it has started; at once where the process itself is gone, else in its own way."""
    deadline = time.monotonic() + _GRACE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(group, signal.SIGINT)  # on SIGTERM, Prefect's runner exits and leaves its flow runs behind
        except ProcessLookupError:
            os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            if leader is not None:
                leader.poll()
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    if leader is not None:
        leader.wait()


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    with (state / "service.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            url, pid = "unknown", "?"
            with contextlib.suppress(OSError, ValueError, KeyError):
                known = json.loads(_state_file(state).read_text())
                url, pid = known["url"], known["pid"]
            raise LockHeld(
                f"the service already runs here (process {pid}, Prefect at {url}); "
                "stop it first, or name another `home` in the configuration"
            ) from None
        yield


def _held(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that is set by the signals that mean stop."""
    stop = threading.Event()

    def told(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free(port: int, option: str) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ConfigError(
                f"port {port} of 127.0.0.1: {exc.strerror}; name another with {option}, or 0 for a free one"
            ) from exc
        return int(probe.getsockname()[1])


def _healthy(url: str) -> bool:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    return False


def _listens(url: str) -> bool:
    where = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((str(where.hostname), where.port or 80)) == 0
