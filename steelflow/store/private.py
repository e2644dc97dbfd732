"""Files and folders of this machine that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

OWNER_ONLY = 0o077  # the bits of the group and of others: a umask
_OURS = ("dashboard", "models", "objects", "prefect", "retrain", "s3", "selection", "trained", "tuning")


def own_home(home: Path) -> Path:
    """Create ``home`` for its owner only. Files of an earlier version that others can read are closed to them.

    Only the folders that steelflow makes in ``home`` are changed: it may be a folder with other files.
    """
    with owner_only():
        home.mkdir(parents=True, exist_ok=True)
    if stat.S_IMODE(home.stat().st_mode) & OWNER_ONLY:
        _close(home)
        for name in _OURS:
            _close_all(home / name)
    return home


def own_folder(folder: Path) -> Path:
    """Create a folder for its owner only; an existing one is closed, without its content."""
    with owner_only():
        folder.mkdir(parents=True, exist_ok=True)
    _close(folder)
    return folder


def write_own(path: Path, text: str) -> None:
    """Write a file that is complete and owner-only at every moment."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # has mode 0600 from the start
        file.write(text)
    Path(file.name).replace(path)


@contextlib.contextmanager
def owner_only() -> Iterator[None]:
    """Within it, this process creates files that only their owner can read."""
    before = os.umask(OWNER_ONLY)
    try:
        yield
    finally:
        os.umask(before)


def _close_all(folder: Path) -> None:
    for place, folders, files in os.walk(folder, followlinks=False):
        _close(Path(place))
        for name in (*folders, *files):
            _close(Path(place, name))


def _close(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is gone, or belongs to another account
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & OWNER_ONLY:
            path.chmod(stat.S_IMODE(mode) & ~OWNER_ONLY)
