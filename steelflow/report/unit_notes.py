"""What a unit's reader could not use, beside its images: files it ignored, and what is wrong in sidecars."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

_SAMPLE = 20
_IN_TAR = re.compile(r"\.(tar(\.[a-z0-9]+)?|tgz|tbz2?|txz|tzst)/", re.IGNORECASE)
_IN_ZIP = re.compile(r"\.zip/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notes:
    """``ignored`` names a few of the members that were ignored. ``sidecar_errors`` counts what is wrong in the unit's
    sidecars; ``sidecar_sample`` tells a few. ``sidecar_unused`` has, by the key of a sidecar, its number of named
    images, how many of them the unit has, and a few that it lacks. ``unopened`` names shards that could not be read, or
    not to their end, with the reason. ``refused`` counts the objects that the store lists and did not give;
    ``refused_sample`` has the reason of the first ones by their keys. ``grades`` has the steel grades of each
    coil, where the archive gives them.
    """

    ignored: tuple[str, ...] = ()
    sidecar_errors: int = 0
    sidecar_sample: tuple[str, ...] = ()
    sidecar_unused: dict[str, tuple[int, int, tuple[str, ...]]] = field(default_factory=dict)
    unopened: tuple[str, ...] = ()
    refused: int = 0
    refused_sample: dict[str, str] = field(default_factory=dict)
    grades: dict[str, tuple[str, ...]] = field(default_factory=dict)

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
            {str(coil): tuple(map(str, grades)) for coil, grades in kept.get("grades", {}).items()},
        )


NO_NOTES = Notes()


@dataclass(frozen=True, slots=True)
class SidecarProblems:
    """Problems in the sidecars of a source: all are counted, a few are named, each once."""

    count: int = 0
    sample: tuple[str, ...] = ()


def sidecar_problems(notes: Iterable[Notes], whole: bool) -> SidecarProblems:
    """The problems of all units together. If ``whole``, the units are all that there are: then a name in a sidecar that
    none of them has is a problem, too. A sidecar within a shard has only the images of its shard in any case."""
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
        in_tar = _IN_TAR.search(key)
        if used < total and (whole or in_tar or _IN_ZIP.search(key)):
            count += total - used
            named = f": {', '.join(sorted(names))}" if names else ""
            behind = " behind the sidecar; pack it before its images" if in_tar else ""
            told[f"{key}: {total - used:,} of {total:,} names have no image{behind}{named}"] = None
    return SidecarProblems(count, tuple(told)[:_SAMPLE])
