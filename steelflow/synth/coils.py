"""What every synthetic plant has: lines, nights and coils, shards, broken files, and a random generator per place."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from steelflow.errors import ConfigError
from steelflow.synth.files import BREAKAGES, SHARD_KINDS, Breakage, ShardKind

Place = str | tuple[str, dt.date]  # a line on all nights, or a line on one night
Put = Callable[[str, bytes], None]

_Value = TypeVar("_Value")


class Schedule(Protocol):
    """The fields that all plant specifications share; ``PlantSpec`` explains them."""

    @property
    def seed(self) -> int: ...
    @property
    def lines(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> dt.date: ...
    @property
    def nights(self) -> int: ...
    @property
    def coils(self) -> int: ...
    @property
    def sharded(self) -> float: ...
    @property
    def kinds(self) -> tuple[ShardKind, ...]: ...
    @property
    def broken(self) -> int: ...
    @property
    def quality(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Coil:
    """One coil of the plant: its line and date, its number there (from 1), and how its images are stored."""

    line: str
    date: dt.date
    number: int
    shard: ShardKind | None

    @property
    def folder(self) -> str:
        return f"line={self.line}/date={self.date.isoformat()}/coil={self.name}"

    @property
    def name(self) -> str:
        return f"C{self.number:04d}"

    def address(self, file: str) -> tuple[str, str | None]:
        """The key of a file of this coil and, in a shard, the member name."""
        return (f"{self.folder}/{file}", None) if self.shard is None else (f"{self.folder}/images.{self.shard}", file)


def line_names(count: int) -> tuple[str, ...]:
    """L1, L2, …"""
    return tuple(f"L{number}" for number in range(1, count + 1))


def insist(good: bool, problem: str) -> None:
    """Refuse a wrong field of a specification.

    Raises:
        ConfigError: ``good`` is false.
    """
    if not good:
        raise ConfigError(f"synthetic plant: {problem}")


def check(spec: Schedule) -> None:
    """Check the shared fields.

    Raises:
        ConfigError: a field is out of range.
    """
    insist(spec.seed >= 0, f"seed {spec.seed} must not be negative")
    insist(len(set(spec.lines)) == len(spec.lines) > 0, f"lines {spec.lines} must be distinct names, at least one")
    for line in spec.lines:
        insist(re.fullmatch(r"\w[\w.-]*", line) is not None, f"line {line!r} may only have letters, digits, _, - and .")
    insist(min(spec.nights, spec.coils) >= 1, "nights, coils and images must be at least 1")
    insist(0 <= spec.sharded <= 1, f"sharded {spec.sharded} must be 0 to 1")
    insist(len(spec.kinds) > 0 and set(spec.kinds) <= set(SHARD_KINDS), f"kinds are {', '.join(SHARD_KINDS)}")
    insist(1 <= spec.quality <= 100, f"quality {spec.quality} must be 1 to 100")


def dates(spec: Schedule) -> tuple[dt.date, ...]:
    """The nights of the plant."""
    return tuple(spec.start + dt.timedelta(days=night) for night in range(spec.nights))


def coils(spec: Schedule) -> Iterator[Coil]:
    """All coils of the plant, by line, date and number."""
    for line in spec.lines:
        for date in dates(spec):
            for number in range(1, spec.coils + 1):
                yield Coil(line, date, number, _shard(spec, number))


def breakages(spec: Schedule, coil: Coil) -> Iterator[tuple[int, Breakage]]:
    """Distribute the partition's broken files over its coils, as (number of the image, kind)."""
    for turn in range(coil.number - 1, spec.broken, spec.coils):
        yield turn // spec.coils, BREAKAGES[turn % len(BREAKAGES)]


def at(overrides: Mapping[Place, _Value], coil: Coil, default: _Value) -> _Value:
    """The value for a coil's line and night, for its line, or the default."""
    return overrides.get((coil.line, coil.date), overrides.get(coil.line, default))


def generator(seed: int, *path: object) -> np.random.Generator:
    """A random generator that depends only on the seed and the path."""
    digest = hashlib.blake2b("/".join(map(str, path)).encode(), digest_size=16).digest()
    return np.random.default_rng([seed, int.from_bytes(digest, "big")])


def _shard(spec: Schedule, number: int) -> ShardKind | None:
    """Distribute the shards evenly, so that the share of coils is exact for any count."""
    before, after = (int(n * spec.sharded + 1e-9) for n in (number - 1, number))
    return spec.kinds[before % len(spec.kinds)] if after > before else None
