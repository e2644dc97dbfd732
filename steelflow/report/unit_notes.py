"""What a unit's reader could not use, beside its images: files it ignored, and what is wrong in sidecars."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Notes:
    """``ignored`` names a few of the members that were ignored. ``sidecar_errors`` counts what is wrong in the unit's
    sidecars; ``sidecar_sample`` tells a few. ``sidecar_unused`` has, by the key of a sidecar, its number of named
    images, how many of them the unit has, and a few that it lacks. ``unopened`` names shards that could not be read, or
    not to their end, with the reason. ``refused`` counts the objects that the store lists and did not give;
    ``refused_sample`` has the reason of the first ones by their keys.
    """

    ignored: tuple[str, ...] = ()
    sidecar_errors: int = 0
    sidecar_sample: tuple[str, ...] = ()
    sidecar_unused: dict[str, tuple[int, int, tuple[str, ...]]] = field(default_factory=dict)
    unopened: tuple[str, ...] = ()
    refused: int = 0
    refused_sample: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        return json.dumps({name: value for name, value in asdict(self).items() if value}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Notes:
        """Raises ``ValueError``, ``TypeError`` or ``KeyError`` for anything but what ``to_json`` wrote."""
        kept: dict[str, Any] = json.loads(data)
        unused = {key: (int(a), int(b), tuple(c)) for key, (a, b, c) in kept.get("sidecar_unused", {}).items()}
        return cls(
            tuple(kept.get("ignored", ())),
            int(kept.get("sidecar_errors", 0)),
            tuple(kept.get("sidecar_sample", ())),
            unused,
            tuple(kept.get("unopened", ())),
            int(kept.get("refused", 0)),
            {str(key): str(why) for key, why in kept.get("refused_sample", {}).items()},
        )


NO_NOTES = Notes()


@dataclass(frozen=True, slots=True)
class SidecarProblems:
    """What is wrong in the sidecars of a source: all is counted, a few are told, each once."""

    count: int = 0
    sample: tuple[str, ...] = ()


def sidecar_problems(notes: Iterable[Notes], whole: bool) -> SidecarProblems:
    """The problems of all units together. If ``whole``, the units are all that there are: then a name in a sidecar that
    none of them has is a problem, too."""
    count = 0
    told: dict[str, None] = {}
    unused: dict[str, tuple[int, int, set[str]]] = {}
    for one in notes:
        count += one.sidecar_errors
        told.update(dict.fromkeys(one.sidecar_sample))
        for key, (total, used, lacking) in one.sidecar_unused.items():
            _, before, common = unused.get(key, (0, 0, set(lacking)))
            unused[key] = (total, before + used, common & set(lacking))
    for key, (total, used, names) in unused.items():
        if whole and used < total:
            count += total - used
            named = f": {', '.join(sorted(names))}" if names else ""
            told[f"{key}: {total - used:,} of {total:,} names have no image{named}"] = None
    return SidecarProblems(count, tuple(told)[:_SAMPLE])
