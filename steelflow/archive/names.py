"""What a name says: an image, a shard of images, or something to leave alone but count."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")

# Names that a person never made: dot files (``._x.jpg`` and ``.DS_Store`` of macOS) and the side folders of macOS and
# of Synology, whose files carry an image's suffix. ``./x.jpg`` and ``../x.jpg`` are ordinary names in a tar.
_SYSTEM = re.compile(r"(?:^|/)(?:\.(?!\.?/)|__MACOSX/|@eaDir/)")

_SAMPLE = 10


def kind_of(name: str) -> Literal["image", "shard"] | None:
    """What the suffix says (in any case) of an object or a member; None for system files and everything else."""
    lowered = name.lower()
    if lowered.endswith(IMAGE_SUFFIXES):
        return None if _SYSTEM.search(name) else "image"
    if lowered.endswith(SHARD_SUFFIXES):
        return None if _SYSTEM.search(name) else "shard"
    return None


@dataclass(slots=True)
class Ignored:
    """A tally of what was seen and not taken for an image: all are counted, the first few are named."""

    count: int = 0
    sample: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.sample) < _SAMPLE:
            self.sample.append(name)
