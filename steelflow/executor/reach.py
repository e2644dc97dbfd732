"""Whether the nodes of a cluster can reach the store: one that listens on 127.0.0.1 is for this machine only."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from steelflow.errors import ConfigError
from steelflow.executor.assignment import Assignment

_SHOWN = 3  # nodes in the message


def check_reach(assignment: Assignment, nodes: Iterable[str]) -> None:
    """Refuse a store that only this machine reaches, such as the embedded one, if a node is elsewhere.

    Args:
        nodes: the addresses of the nodes that judge.

    Raises:
        ConfigError: the message names the store and some of the nodes.
    """
    check_store(assignment.settings.store.endpoint, (assignment.archive, assignment.report), nodes)


def check_store(endpoint: str, uris: Iterable[str], nodes: Iterable[str]) -> None:
    """The same of any ``uris`` in the store at ``endpoint``."""
    in_s3 = [uri for uri in uris if uri.startswith("s3://")]
    if not in_s3 or not is_loopback(endpoint):
        return
    elsewhere = sorted({node for node in nodes if not is_here(node)})
    if elsewhere:
        named = ", ".join(elsewhere[:_SHOWN]) + (", …" if len(elsewhere) > _SHOWN else "")
        raise ConfigError(
            f"{in_s3[0]} is in the store at {endpoint}, which only this machine reaches; nodes of the cluster are on "
            f"other machines ({named}): set store.endpoint to a store that all nodes reach (the embedded one is for "
            "one machine), or use a folder that all nodes mount"
        )


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint, host:port or a URL, is on the loopback interface."""
    host = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_here(address: str) -> bool:
    """Whether an IP address is one of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.bind((address, 0))  # only own addresses can be bound
        return True
    return False
