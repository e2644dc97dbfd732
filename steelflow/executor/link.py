"""The process between the driver and Ray: ``python -m steelflow.executor.link FD``.

Ray ends a process that loses the head of its cluster, without an error that Python could catch. So Ray lives in this
process. If it ends, the driver goes on, records what is done and says what is left. If the driver ends, this process
reads the end of the connection, and ends with its actors.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread

from ray.exceptions import RayError

from steelflow.errors import ClusterError, SteelflowError
from steelflow.executor.carrier import Carrier
from steelflow.executor.cluster import Cluster, Finished, Lost, Ready
from steelflow.executor.dispatch import Dispatch
from steelflow.executor.messages import Alive, Begin, Carry, Ended, Message, Result, Told, Units, Want, named

_TICK = 0.2  # seconds
_ANSWER = 0.05  # seconds that the driver may take to send units
_BEAT = 1.0  # seconds
_REFUSALS = 3  # in a row, without a result in between, end the run


class Link:
    """One run: groups from the driver to the actors, results back."""

    def __init__(self, connection: Connection, begin: Begin) -> None:
        self._driver, self._settings = connection, begin.executor
        self._inbox: SimpleQueue[Message | Exception] = SimpleQueue()
        self._dispatch = Dispatch(begin.executor.slow, begin.assignment.key_of, time.monotonic)
        self._cluster = Cluster(begin.executor, begin.assignment)
        self._asked = 0
        self._all_given = False
        self._refusals: list[Lost] = []
        self._alone_since: float | None = time.monotonic()
        self._beaten = 0.0

    def run(self) -> None:
        """Until all units are done. Raises ``ClusterError``, or the error that actors refuse to work with."""
        # The driver's messages are taken at once: if both sides sent and neither read, both would wait for ever.
        Thread(target=self._receive, name="receive", daemon=True).start()
        try:
            while not (self._all_given and not self._dispatch.open):
                self._beat()
                self._cluster.grow()
                self._listen()
                for actor, group in self._dispatch.assign():
                    self._cluster.give(str(actor), group)
                for event in self._cluster.events(_TICK):
                    self._take(event)
                for actor in self._dispatch.late():
                    self._drop(Lost(str(actor), "took far longer than others"))
                for done in self._dispatch.failed():
                    self._driver.send(Result(done))
                self._check()
        finally:
            self._cluster.close()

    def _listen(self) -> None:
        while not self._all_given and self._asked < self._dispatch.wanted:
            self._driver.send(Want())
            self._asked += 1
        while (message := self._received(_ANSWER if self._asked else 0)) is not None:
            if isinstance(message, Units):
                self._asked -= 1
                if message.units:
                    self._dispatch.add(message.units)
                else:
                    self._all_given = True

    def _receive(self) -> None:
        try:
            while True:
                self._inbox.put(self._driver.recv())
        except OSError:
            self._inbox.put(EOFError("the driver is gone"))
        except Exception as exc:  # noqa: BLE001  the other thread raises it
            self._inbox.put(exc)

    def _received(self, seconds: float) -> Message | None:
        """The next message of the driver, None if there is none yet. Raises ``EOFError`` if the driver is gone."""
        try:
            found = self._inbox.get(timeout=seconds)
        except Empty:
            return None
        if isinstance(found, Exception):
            raise found
        return found

    def _take(self, event: Ready | Lost | Finished) -> None:
        if isinstance(event, Ready):
            self._dispatch.join(event.actor)
            if event.warning is not None:
                self._driver.send(Told(event.warning))
        elif isinstance(event, Finished):
            self._refusals = []
            for done in self._dispatch.done(event.actor, event.group, event.results):
                self._driver.send(Result(done))
        else:
            self._drop(event)

    def _drop(self, lost: Lost) -> None:
        self._cluster.drop(lost.actor)
        self._dispatch.lost(lost.actor, lost.reason)
        if lost.refused is not None:
            self._refusals.append(lost)
        if len(self._refusals) >= _REFUSALS and self._refusals[-1].refused is not None:
            last = self._refusals[-1].refused
            raise named(last.kind, last.text)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten >= _BEAT:
            self._beaten = now
            self._driver.send(Alive())

    def _check(self) -> None:
        now = time.monotonic()
        if self._dispatch.actors or self._cluster.opening:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > self._settings.patience:
            said = f"; the last one said: {self._refusals[-1].reason}" if self._refusals else ""
            raise ClusterError(f"no node was left for {self._settings.patience:.0f} s{said}")


def main() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with Connection(int(sys.argv[1])) as connection:
        first: Begin | Carry = connection.recv()
        try:
            work = Link(connection, first) if isinstance(first, Begin) else Carrier(connection, first)
            work.run()
            connection.send(Ended())
        except SteelflowError as exc:
            connection.send(Ended(type(exc).__name__, str(exc)))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the driver is gone
        except (RayError, OSError) as exc:  # in the middle of a call, the head went
            connection.send(Ended(ClusterError.__name__, f"the cluster at {first.executor.address} is gone: {exc}"))
        except Exception:  # noqa: BLE001  the driver raises it
            connection.send(Ended("", traceback.format_exc()))


if __name__ == "__main__":
    main()
