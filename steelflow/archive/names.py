"""What a file name means: an image, a shard of images, a sidecar, or another file, which is only counted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

JPEG_SUFFIXES = (".jpg", ".jpeg")
IMAGE_SUFFIXES = (
    *JPEG_SUFFIXES,
    *(".png", ".bmp", ".tif", ".tiff"),
    *(".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjpg", ".pjp", ".dib", ".webp"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".pgm", ".ppm", ".pbm", ".pnm"),
    *(".pam", ".pfm", ".gif"),
    # Not decoded. They become failed rows, because they were not inspected.
    *(".avif", ".heic", ".heif", ".jxl", ".jxr", ".exr", ".hdr", ".tga", ".dng", ".btf"),
)
SHARD_SUFFIXES = (
    *(".tar", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst"),
    *(".7z", ".rar", ".tar.lz", ".tar.lzma", ".tar.lz4", ".tar.z"),  # failed rows: `unsupported`
)
SIDECARS = ("frames.csv", "frames.json", "frames.parquet")

# System files: dot files (``._x.jpg`` and ``.DS_Store`` of macOS, ``.Trash-1000/``), and the extra folders of macOS,
# Windows and NAS systems, whose files have an image's suffix. ``./x.jpg`` and ``../x.jpg`` are ordinary names in a tar.
_SYSTEM = re.compile(
    r"(?:^|[/\\])(?:\.(?!\.?[/\\])|(?:__MACOSX|@eaDir|@tmp|#recycle|#snapshot|@Recycle|@Recently-Snapshot|\$RECYCLE\.BIN"
    r"|RECYCLER|System Volume Information|lost\+found)[/\\])",
    re.IGNORECASE,
)

# Names of other files. A file without one of these suffixes may be an image: its first bytes decide.
_OTHERS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".log"),
    *(".md", ".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".parquet", ".db", ".sqlite", ".mat", ".npy"),
    *(".md5", ".sha1", ".sha256", ".crc", ".sfv", ".sig", ".asc", ".py", ".sh", ".bat", ".exe", ".dll", ".lnk", ".url"),
    *(".mp4", ".avi", ".mov", ".mkv", ".lock", ".ok", ".done", ".ready", ".onnx", ".pt", ".h5", ".hdf5"),
)

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


def is_system(name: str) -> bool:
    """Whether a path is a system file, or in a system folder."""
    return _SYSTEM.search(name) is not None


def is_open(name: str) -> bool:
    """Whether only the content can say if a file is an image: its name has no suffix, or an unknown one."""
    return (
        kind_of(name) is None
        and not name.endswith("/")
        and not name.lower().endswith(_OTHERS)
        and not _SYSTEM.search(name)
    )


def is_other(name: str) -> bool:
    """Whether a member of a shard is not named as an image is. Its first bytes then decide: they are read anyway."""
    return kind_of(name) is None and not name.endswith("/") and not _SYSTEM.search(name)


@dataclass(slots=True)
class Ignored:
    """The files that are neither image nor shard nor sidecar: all are counted, the first few are named."""

    count: int = 0
    sample: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.sample) < _SAMPLE:
            self.sample.append(name)

    def remove(self, name: str) -> None:
        self.count -= 1
        if name in self.sample:
            self.sample.remove(name)
