"""Work units in groups: the pieces that a scheduler or a worker of another machine gets at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from steelflow.records import Unit

_IMAGE_BYTES = 16 * 1024


def weight(unit: Unit) -> int:
    """About how many images a unit holds. A shard is not opened: 16 KiB count as one image."""
    return len(unit.objects) if unit.kind == "loose" else max(1, unit.objects[0].size // _IMAGE_BYTES)


def groups(units: Iterable[Unit], images: int) -> Iterator[tuple[Unit, ...]]:
    """Units in their order, in groups of about ``images`` images. A scheduler handles hundreds of groups well, and tens
    of thousands badly."""
    group: list[Unit] = []
    held = 0
    for unit in units:
        if group and held + weight(unit) > images:
            yield tuple(group)
            group, held = [], 0
        group.append(unit)
        held += weight(unit)
    if group:
        yield tuple(group)
