"""The driver's side of the Ray executor: it starts the process that holds Ray, feeds it units or an errand, and yields
what comes back."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from multiprocessing.connection import Connection
from typing import Any, Self

from steelflow.archive.groups import groups
from steelflow.config import Settings
from steelflow.errors import ClusterError
from steelflow.executor.assignment import Assignment
from steelflow.executor.errand import Errand
from steelflow.executor.messages import Alive, Begin, Brought, Carry, Ended, Message, Result, Told, Units, Want, named
from steelflow.inspection.pipeline import Done, Inspection
from steelflow.records import Unit

_SILENCE = 60  # seconds without a sign of life: Ray's own calls can hang when the head is gone
_SECRETS = ("STEELFLOW_STORE__", "STEELFLOW_ALERTS__", "AWS_")
_log = logging.getLogger(__name__)


class Remote:
    """Inspects units on the nodes of a Ray cluster."""

    spread = True

    def __init__(self, settings: Settings) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ClusterError("the executor 'ray' needs the extra: pip install 'steelflow[ray]'")
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def inspect(self, units: Iterable[Unit], job: Inspection) -> Iterator[Done]:
        pieces = chain(groups(units, self._settings.executor.group_images), iter(lambda: (), None))
        with self._link() as link:
            link.send(Begin(Assignment.of(self._settings, job), self._settings.executor))
            for message in self._messages(link):
                if isinstance(message, Want):
                    link.send(Units(next(pieces)))
                elif isinstance(message, Result):
                    yield message.done
                elif isinstance(message, Told):
                    _log.warning("%s", message.what)

    def carry_out(
        self, errand: Errand, *, gpu: bool, tell: Callable[[str], None], progress: Callable[[float], None]
    ) -> Any:
        """Have one node do an errand, and return what it brings. ``gpu``: only a node with a free GPU.

        Raises:
            ClusterError: there is no cluster or no node with room, or the nodes that tried were lost.
            SteelflowError: the node cannot do it, and said why.
        """
        brought: list[Any] = []
        with self._link() as link:
            link.send(Carry(errand, self._settings.executor, gpu))
            for message in self._messages(link):
                if isinstance(message, Told):
                    tell(message.what) if isinstance(message.what, str) else progress(message.what)
                elif isinstance(message, Brought):
                    brought.append(message.result)
        return brought[0]

    @property
    def _where(self) -> str:
        return f"the cluster at {self._settings.executor.address}"

    def _messages(self, link: Connection) -> Iterator[Message]:
        """Until the end. Raises ``ClusterError`` if there is none, or the error that ended the work."""
        while True:
            if not link.poll(_SILENCE):
                raise ClusterError(f"{self._where} does not answer any more")
            message: Message = link.recv()
            if isinstance(message, Ended):
                if message.kind is not None:
                    raise named(message.kind, message.text)
                return
            if not isinstance(message, Alive):
                yield message

    @contextlib.contextmanager
    def _link(self) -> Iterator[Connection]:
        own, other = socket.socketpair()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SILENCE, 0))
        with own, other:
            # Credentials are those of each node: this process talks to Ray alone, and inherits none.
            environment = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "steelflow.executor.link", str(other.fileno())],
                pass_fds=[other.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            other.close()
            try:
                with Connection(own.detach()) as connection:
                    yield connection
            except (EOFError, BrokenPipeError, ConnectionResetError) as exc:
                raise ClusterError(f"{self._where} is gone") from exc
            except BlockingIOError as exc:  # the other process took nothing for so long
                raise ClusterError(f"{self._where} does not answer any more") from exc
            finally:
                self.close()

    def close(self) -> None:
        """End the process that holds Ray, and with it its actors."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
