"""What a file name means: an image, a shard of images, a sidecar, or another file, which is only counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
SIDECARS = ("frames.csv", "frames.json", "frames.parquet")

# System files: dot files (``._x.jpg`` and ``.DS_Store`` of macOS), and the extra folders of macOS and Synology, whose
# files have an image's suffix. ``./x.jpg`` and ``../x.jpg`` are ordinary names in a tar.
_SYSTEM = re.compile(r"(?:^|/)(?:\.(?!\.?/)|__MACOSX/|@eaDir/)")

_SAMPLE = 10


Kind = Literal["image", "shard", "sidecar"]


def kind_of(name: str) -> Kind | None:
    """The kind of an object or member, by its suffix (upper or lower case). None for system files and other files."""
    lowered = name.lower()
    if lowered.endswith(IMAGE_SUFFIXES):
        return None if _SYSTEM.search(name) else "image"
    if lowered.endswith(SHARD_SUFFIXES):
        return None if _SYSTEM.search(name) else "shard"
    if lowered.endswith(SIDECARS) and lowered.rpartition("/")[2] in SIDECARS:
        return None if _SYSTEM.search(name) else "sidecar"
    return None


@dataclass(slots=True)
class Ignored:
    """The files that are neither image nor shard nor sidecar: all are counted, the first few are named."""

    count: int = 0
    sample: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.sample) < _SAMPLE:
            self.sample.append(name)
