"""The service of one machine: embedded storage, Prefect's server, the process that serves our flows, the dashboard.

    home/prefect/          Prefect's home: its database and leases, kept across restarts
        server.log serve.log dashboard.log metrics.log
        service.json service.lock       see ``service.state``
        api-secret                      see ``service.secret``

This module does not import Prefect. It starts Prefect and calls it over HTTP.
"""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from steelflow.config import EMBEDDED, Settings
from steelflow.errors import ConfigError, ServiceError
from steelflow.service.check import prefect_installed
from steelflow.service.children import STATE, Children, end_leftovers
from steelflow.service.environment import of_child
from steelflow.service.leftovers import end_orphans, marked
from steelflow.service.ports import Address, free_port, healthy, listens
from steelflow.service.secret import api_secret, secret_file
from steelflow.service.state import alone, state_folder
from steelflow.store.embedded import serving
from steelflow.store.private import own_folder, own_home

SECRET = "PREFECT_API_AUTH_STRING"  # noqa: S105  the variable's name
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a running service. ``secret`` is the file with the password that Prefect asks for. ``storage``
    and ``keys`` are None if no storage was started; ``dashboard`` is None if it is not installed, ``metrics`` if
    they are not served."""

    prefect: str
    secret: Path
    dashboard: str | None
    storage: str | None
    keys: Path | None
    logs: Path
    metrics: str | None = None


def run(
    settings: Settings,
    port: int,
    config: Path | None,
    ready: Callable[[Addresses], None],
    metrics: Address | None = None,
) -> None:
    """Run the service until SIGINT, SIGTERM or SIGHUP, then stop its parts one after the other.

    Args:
        port: of Prefect's server, on 127.0.0.1; 0: any free port.
        config: the configuration file for the flows, if it is not the default file.
        ready: called once with the addresses, when all parts are running.
        metrics: where to serve figures for Prometheus and the health of the service; by default they are not served.

    Raises:
        ConfigError: Prefect is missing or has incompatible parts, or the port is in use.
        LockHeld: the service is already running.
        ServiceError: a part ended unexpectedly; the message names its log.
        StoreError: the embedded storage did not start.
    """
    fine, problem = prefect_installed()
    if not fine:
        raise ConfigError(problem)
    own_home(settings.home.absolute())
    state = own_folder(state_folder(settings))
    with alone(state), _signals() as stop:
        end_leftovers(state)
        end_orphans(settings.home)
        with serving(settings) as reached, Children(state) as children:
            url = f"http://127.0.0.1:{free_port(port, '--port NUMBER')}"
            shown = free_port(settings.dashboard.port, "dashboard.port in the settings") if _has_dashboard() else None
            figures = None if metrics is None else _free(metrics)
            if not _start(children, stop, url, shown, _added(settings, state, config, url), figures):
                return
            embedded = settings.store.endpoint == EMBEDDED and reached.store.endpoint != EMBEDDED
            storage = reached.store.endpoint if embedded else None
            keys = settings.home.absolute() / "s3" / "credentials.json" if embedded else None
            page = f"http://127.0.0.1:{shown}" if shown else None
            told = None if figures is None else f"{figures.url}/metrics"
            ready(Addresses(url, secret_file(state), page, storage, keys, state, told))
            while not stop.wait(_LOOK_SECONDS):
                children.check()
                if storage and not listens(storage):
                    log = settings.home.absolute() / "s3" / "server.log"
                    raise ServiceError(f"the embedded storage ended unexpectedly; its log is {log}; start again")


def _free(metrics: Address) -> Address:
    return Address(metrics.host, free_port(metrics.port, "--metrics HOST:PORT", metrics.host))


def _start(
    children: Children,
    stop: threading.Event,
    url: str,
    dashboard: int | None,
    added: dict[str, str],
    metrics: Address | None,
) -> bool:
    """Start Prefect's server, the flows, the dashboard on port ``dashboard``, and the figures. Returns False if
    stopped."""
    children.start("server", ("-m", "flows.server"), of_child("server") | added | _server(url, added[SECRET]))
    children.record(url)
    if not children.wait(stop, lambda: healthy(url)):
        return False
    children.start("serve", ("-m", "flows.serve"), of_child("serve") | added)
    if dashboard is not None:
        at = ("--server.address", "127.0.0.1", "--server.port", str(dashboard), "--server.headless", "true")
        quiet = ("--quiet", "--browser.gatherUsageStats", "false")
        children.start("dashboard", ("-m", "dashboard", *at, *quiet), of_child("dashboard") | added)
    if metrics is not None:
        children.start("metrics", ("-m", "steelflow.metrics", str(metrics)), of_child("metrics") | added)
    children.record(url)
    return True


def _has_dashboard() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("streamlit", "dashboard"))


def _added(settings: Settings, state: Path, config: Path | None, url: str) -> dict[str, str]:
    """The variables that we set for every child."""
    added = {
        "STEELFLOW_HOME": str(settings.home.absolute()),
        STATE: str(state),
        **marked(settings.home),
        "PREFECT_API_URL": f"{url}/api",
        SECRET: api_secret(state),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "steelflow",
        "DO_NOT_TRACK": "1",
    }
    return added if config is None else added | {"STEELFLOW_CONFIG": str(config.absolute())}


def _server(url: str, secret: str) -> dict[str, str]:
    """The variables of Prefect's server alone."""
    where = urlsplit(url)
    return {
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_SERVER_API_HOST": str(where.hostname),
        "PREFECT_SERVER_API_PORT": str(where.port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{url},http://localhost:{where.port}",
        # With the default (in memory), a restarted server ends the current run after some minutes.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        # Runs older than three months are deleted; otherwise the server's database grows without limit.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }


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
