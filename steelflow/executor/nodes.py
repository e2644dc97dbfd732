"""The nodes of a Ray cluster: the way to them, the room they have, and an actor on a certain one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.state import available_resources_per_node  # the public call adds up over all nodes
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from steelflow.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Room:
    """How many actors a node has cores for, and how many of them can have a GPU."""

    node: str
    actors: int
    gpus: int


def connect(address: str) -> None:
    """Raises ``ClusterError`` if no cluster answers at the address."""
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as exc:
        first = str(exc).strip().splitlines()[:1]
        raise ClusterError(
            f"no Ray cluster at {address}: {''.join(first)}; start one with `ray start --head`, "
            "and name its address in executor.address"
        ) from exc


def addresses() -> list[str]:
    """Of the nodes that can have actors."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray has no type for it
    return [str(node["NodeManagerAddress"]) for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) > 0]


def room(cpus: int) -> list[Room]:
    """The nodes with so many free cores. A GPU counts only beside cores of the same node: Ray would wait for ever."""
    free: dict[str, dict[str, float]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    found = [Room(node, int(own.get("CPU", 0)) // cpus, int(own.get("GPU", 0))) for node, own in free.items()]
    return [Room(one.node, one.actors, min(one.actors, one.gpus)) for one in found if one.actors]


def on(node: str, kind: type, **options: Any) -> Any:
    """An actor class that starts on this node. Ray's own restarts and retries are off."""
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    never: dict[str, Any] = {"max_restarts": 0, "max_task_retries": 0}
    remote: Any = ray.remote
    return remote(scheduling_strategy=there, **never, **options)(kind)
