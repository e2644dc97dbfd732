"""The Pareto front of speed and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    speed: float  # images/s
    value: float  # 0…1


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other point equals or beats in both values, from slow to fast. Equal points count once."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.speed, -p.value)):
        if not found or point.value > found[-1].value:
            found.append(point)
    return found[::-1]
