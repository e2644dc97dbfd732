"""Carries an errand to a node of a Ray cluster, and its result back. A lost one is tried on another node."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from steelflow.errors import ClusterError, SteelflowError
from steelflow.executor.actor import Refused
from steelflow.executor.errand import Errand
from steelflow.executor.messages import Alive, Brought, Carry, Told, named
from steelflow.executor.nodes import addresses, connect, on, room
from steelflow.executor.reach import check_store

_TRIES = 2
_TICK = 0.5  # seconds
_STARTING = 180.0  # seconds until the node's first word
_SILENT = 120.0  # seconds without a word, after which a node hangs


class Porter:
    """The actor. ``run`` does the errand, and ``said`` answers meanwhile."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._said: SimpleQueue[str | float] = SimpleQueue()

    def run(self) -> Any:
        try:
            return self._errand.run(self._said.put, self._said.put)
        except SteelflowError as exc:
            return Refused(type(exc).__name__, f"{os.uname().nodename}: {exc}")

    def said(self) -> list[str | float]:
        """What the errand told since the last call."""
        found: list[str | float] = []
        with contextlib.suppress(Empty):
            while True:
                found.append(self._said.get_nowait())
        return found


class Lost(Exception):
    """The errand did not come back. Its text says why."""


class Carrier:
    """One errand. The driver is told what the node says."""

    def __init__(self, connection: Connection, carry: Carry) -> None:
        self._driver, self._carry = connection, carry

    def run(self) -> None:
        """Until the result is with the driver.

        Raises:
            ClusterError: there is no cluster or no node with room, or the errand was lost on every try.
            ConfigError: the nodes cannot reach its stores.
            SteelflowError: the node cannot do it, and said why.
        """
        connect(self._carry.executor.address)
        try:
            check_store(*self._carry.errand.stores, addresses())
            self._driver.send(Brought(self._result()))
        finally:
            ray.shutdown()

    def _result(self) -> Any:
        lost: list[str] = []
        said = ""
        while len(lost) < _TRIES:
            node, gpu = self._place(lost, said)
            try:
                return self._on(node, gpu)
            except Lost as exc:
                lost.append(node)
                said = f"; it was lost before: {exc}"
                self._driver.send(Told(f"{exc}; another try"))
        raise ClusterError(f"tried {_TRIES} times{said}")

    def _place(self, lost: list[str], said: str) -> tuple[str, bool]:
        """A node with room, and whether it gives a GPU; one that lost the errand comes last. After a loss, room is
        waited for: a node may come, or a process that ended gives its cores back."""
        until = time.monotonic() + (self._carry.executor.patience if lost else 0)
        while not (places := [one for one in room(self._carry.executor.cpus) if one.gpus or not self._carry.gpu]):
            self._driver.send(Alive())
            if time.monotonic() < until:
                time.sleep(_TICK)
                continue
            wanted = f"{self._carry.executor.cpus} free cores{' and a free GPU' if self._carry.gpu else ''}"
            raise ClusterError(f"no node of the cluster has {wanted}{said}")
        best = min(places, key=lambda one: (one.node in lost, not one.gpus))
        return best.node, best.gpus > 0

    def _on(self, node: str, gpu: bool) -> Any:
        options = {"num_cpus": self._carry.executor.cpus, "num_gpus": int(gpu), "max_concurrency": 2}
        actor = on(node, Porter, **options).remote(self._carry.errand)
        try:
            result, asked = actor.run.remote(), actor.said.remote()
            until = time.monotonic() + _STARTING
            while True:
                self._driver.send(Alive())
                ended, _ = ray.wait([result, asked], num_returns=1, timeout=_TICK)
                if asked in ended:
                    self._pass_on(ray.get(asked))
                    until = time.monotonic() + _SILENT
                    if result not in ended:
                        ended, _ = ray.wait([result], timeout=_TICK)
                    asked = actor.said.remote()
                if result in ended:
                    self._pass_on(ray.get(asked, timeout=_SILENT))
                    return self._checked(ray.get(result))
                if time.monotonic() > until:
                    raise Lost("the node does not answer")
        except RayActorError as exc:
            raise Lost("the node or its process ended") from exc
        except RayError as exc:
            last = str(exc).strip().splitlines()[-1:]  # of a traceback: the error itself
            raise Lost("".join(last) or type(exc).__name__) from exc
        finally:
            ray.kill(actor, no_restart=True)

    def _pass_on(self, said: Iterable[str | float]) -> None:
        for one in said:
            self._driver.send(Told(one))

    @staticmethod
    def _checked(result: Any) -> Any:
        if isinstance(result, Refused):
            raise named(result.kind, result.text)
        return result
