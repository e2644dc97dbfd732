"""Logs as JSON lines (``[log] format = "json"``), with the run, the night and the line that each belongs to.

    with about(night=date):
        about.add(run_id=run_id)
        log.info("planned")     # {"at": …, "level": "info", "text": "planned", "night": …, "run_id": …, …}

With ``format = "text"``, the default, nothing changes: warnings are plain lines on standard error.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from pydantic import BaseModel, SecretStr

from steelflow.config import Settings

FIELDS = ("run_id", "night", "line")
HIDDEN = "**********"
_SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")
_SHORTEST = 4  # characters of a secret that is looked for
_context: ContextVar[dict[str, Any] | None] = ContextVar("steelflow_log", default=None)
_open: list[dict[str, Any]] = []
_lock = threading.Lock()


@contextlib.contextmanager
def about(**fields: Any) -> Iterator[None]:
    """The lines that are logged in this context have these fields. Within another such context, they are added to it
    and stay until it ends."""
    outer = _context.get()
    if outer is not None:
        outer.update(fields)
        yield
        return
    held = dict(fields)
    token = _context.set(held)
    with _lock:
        _open.append(held)
    try:
        yield
    finally:
        with _lock:
            _open[:] = [one for one in _open if one is not held]
        with contextlib.suppress(ValueError):  # a task of Prefect may end the context in another thread
            _context.reset(token)


def fields() -> dict[str, Any]:
    """The fields of this moment. A thread that was started inside a context has those of it, if it is the only one."""
    found = _context.get()
    if found is None:
        with _lock:
            found = _open[0] if len(_open) == 1 else {}
    return {name: value for name, value in found.items() if value is not None}


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, ``text``, the fields of the run, and ``error`` with a
    traceback if there is one. The values of secrets are replaced, in the lines of all libraries."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._secrets = sorted(secrets, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
            **fields(),
        }
        told |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        told |= getattr(record, "figures", {})
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps({name: self._hidden(value) for name, value in told.items()}, default=str)

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, HIDDEN)
        return value


def configure(settings: Settings) -> bool:
    """Log as the settings say. Returns whether that is as JSON. It may be called again."""
    if settings.log.format != "json":
        return False
    formatter = JsonLines(secrets_of(settings))
    handlers = _console_handlers()
    if not any(handler in logging.getLogger().handlers for handler in handlers):
        handlers.append(_OwnHandler())
        logging.getLogger().addHandler(handlers[-1])
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.getLogger("steelflow").setLevel(logging.INFO)
    return True


class _OwnHandler(logging.StreamHandler[Any]):
    """Writes to the standard error of the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        pass


def _console_handlers() -> list[logging.Handler]:
    """The handlers that write to a console: ours, and those of Prefect in the process of a flow."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    found = {handler: None for logger in loggers for handler in logger.handlers}
    return [one for one in found if isinstance(one, logging.StreamHandler) and not hasattr(one, "baseFilename")]


def secrets_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The values of all secrets in the settings and in the usual variables."""
    found = {environment[name] for name in _SECRET_VARIABLES if environment.get(name)}

    def look(section: BaseModel) -> None:
        for _, value in section:
            if isinstance(value, SecretStr):
                found.add(value.get_secret_value())
            elif isinstance(value, BaseModel):
                look(value)

    look(settings)
    return frozenset(one for one in found if len(one) >= _SHORTEST)
