"""The bits that the cameras of exported images use, in a file beside the images: their own files do not say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath

from steelflow.config import LimitSettings
from steelflow.errors import DataError

_FILE = ".sample_bits.json"


def note_bits(folder: Path, bits: Mapping[str, int]) -> None:
    """Add to the file in ``folder``: ``limits.sample_bits`` of images by their file names."""
    if bits:
        (folder / _FILE).write_text(json.dumps(_noted(folder) | dict(bits), indent=1, sort_keys=True))


def limits_in(folder: Path, limits: LimitSettings | None) -> Callable[[str], LimitSettings]:
    """How the images of a folder are decoded, by their paths: as noted beside them, otherwise with ``limits``.

    Raises:
        DataError: the note is damaged.
    """
    common = (limits or LimitSettings()).of(None)
    noted = {name: common.model_copy(update={"sample_bits": bits}) for name, bits in _noted(folder).items()}
    return lambda path: noted.get(PurePosixPath(path).name, common)


def _noted(folder: Path) -> dict[str, int]:
    file = folder / _FILE
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return {}


@lru_cache(maxsize=4)
def _parsed(file: Path, changed: int) -> dict[str, int]:
    del changed  # a file that was written again is read again
    try:
        found = json.loads(file.read_text())
        if isinstance(found, dict) and all(isinstance(bits, int) and 8 <= bits <= 32 for bits in found.values()):
            return found
    except (OSError, ValueError) as exc:
        raise DataError(f"{file}: cannot be read ({type(exc).__name__}); export the images again") from exc
    raise DataError(f"{file}: is not a note of sample bits; export the images again")
