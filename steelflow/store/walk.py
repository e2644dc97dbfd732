"""A folder and all below it, entry by entry. One bad entry harms itself alone, however deep it lies.

A walk of our own folders (reports, registry) follows symbolic links, so that they can span several disks. A walk of an
archive, which other programs fill, follows none: what they lead to is either in the archive, and found there, or
outside of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from steelflow.errors import AccessDenied, StoreError

Told = Callable[[str, str], None]
"""Takes the key of an entry that is left out (a folder's ends in ``/``), and why."""

PART = ".steelflow-part-"  # a file being written. It is in the root, outside every glob over reports, and never listed

_OF_ONE_ENTRY = {
    errno.EACCES: "permission denied; check owner and mode",
    errno.EPERM: "permission denied; check owner and mode",
    errno.ELOOP: "a link that leads back to itself; delete it",
    errno.ENAMETOOLONG: "its path is too long for the operating system; shorten the names of its folders",
    errno.EIO: "the disk cannot read it; check the disk",
    errno.EINVAL: "the disk has no such name; rename it",
    errno.EILSEQ: "the disk has no such name; rename it",
    errno.ENXIO: "not a file",
}
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_OUTSIDE = "a link that leads out of the archive, which is not followed; copy or mount the images there"


class Entry(NamedTuple):
    """A file, or a link to nothing: then ``stat`` is None."""

    key: str
    stat: os.stat_result | None


def why(exc: OSError) -> str | None:
    """Why this entry cannot be read, if the error concerns it alone."""
    return _OF_ONE_ENTRY.get(exc.errno or 0)


def kind_name(mode: int) -> str:
    """The kind of an entry that is not a file, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "not a file")


def files(root: Path, prefix: str, told: Told | None) -> Iterator[Entry]:
    """All files below ``root`` whose key starts with ``prefix``.

    Args:
        told: of an archive: takes what cannot be listed or is not followed. Without it, the folder is our own: links
            are followed, each folder once, and a folder that cannot be read is an error.
    """
    base = prefix[: prefix.rfind("/") + 1]
    waiting = [(base, str(folder_of(root, base)))]
    seen: set[tuple[int, int]] = set()
    while waiting:
        base, folder = waiting.pop()
        with _told_of(base, folder, told):
            seen.add(_identity(Path(folder).stat()))
            for entry in entries(folder):
                key = base + readable(entry.name)
                kind = _kind(entry, key, told, root)
                if kind == "folder" and (key + "/").startswith(prefix):
                    if told is None and not entry.is_symlink():
                        waiting.append((key + "/", entry.path))
                    elif (there := _identity(entry.stat())) not in seen:
                        seen.add(there)
                        waiting.append((key + "/", entry.path))
                elif kind == "file" and key.startswith(prefix):
                    yield from _file(entry, key, told)


def folders(root: Path, prefix: str, told: Told | None) -> Iterator[str]:
    """The names of the folders directly below ``prefix``. ``told`` as in ``files``."""
    folder = str(folder_of(root, prefix))
    found: list[str] = []
    with _told_of(prefix, folder, told):
        found = [
            name
            for entry in entries(folder)
            if _kind(entry, prefix + (name := readable(entry.name)), told, root) == "folder"
        ]
    yield from sorted(found)


def entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; none if it is gone."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
        for entry in found:
            if not entry.name.startswith(PART):
                yield entry


def folder_of(root: Path, prefix: str) -> Path:
    """The folder of a prefix, also if ``readable`` escaped a part of its name."""
    path = root / prefix
    if "\\x" in prefix and not path.exists():
        path = root
        for part in prefix.removesuffix("/").split("/"):
            path /= next((entry.name for entry in entries(path) if readable(entry.name) == part), part)
    return path


def readable(key: str) -> str:
    """A name that is not UTF-8 is listed with its invalid bytes escaped. No file has that name, so reading it fails for
    this file alone: it must not stop a night."""
    return key if key.isascii() else key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _kind(entry: os.DirEntry[str], key: str, told: Told | None, root: Path) -> str | None:
    """``folder``, ``file``, or None for what is left out."""
    try:
        is_link, is_folder = entry.is_symlink(), entry.is_dir()
        if told is not None and is_link and (is_folder or Path(entry.path).exists()):
            if not Path(entry.path).resolve().is_relative_to(root.resolve()):
                told(key + "/" * is_folder, _OUTSIDE)
            return None
        if is_folder:
            return "folder"
        return "file" if is_link or entry.is_file() or told is not None else None
    except (OSError, RuntimeError) as exc:
        reason = why(exc) if isinstance(exc, OSError) else _OF_ONE_ENTRY[errno.ELOOP]
        if reason is None:
            raise
        if told is not None:
            told(key, reason)
        return None


def _file(entry: os.DirEntry[str], key: str, told: Told | None) -> Iterator[Entry]:
    try:
        found = entry.stat()
    except FileNotFoundError:  # deleted after the folder was read; or a link to nothing, which a row names
        if told is not None and entry.is_symlink():
            yield Entry(key, None)
        return
    except OSError as exc:
        reason = why(exc)
        if reason is None:
            raise
        if told is not None:
            told(key, reason)
        return
    if stat.S_ISREG(found.st_mode):
        yield Entry(key, found)
    elif told is not None:
        told(key, f"{kind_name(found.st_mode)}, not a file; remove it")


@contextlib.contextmanager
def _told_of(base: str, folder: str, told: Told | None) -> Iterator[None]:
    """Report a folder that cannot be read, except the root."""
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as exc:
        reason = why(exc)
        if told is not None and base and reason is not None:
            told(base, reason)
        elif isinstance(exc, PermissionError):
            raise AccessDenied(f"{folder}: permission denied; check owner and mode of the folder") from exc
        else:
            detail = exc.strerror or type(exc).__name__
            raise StoreError(f"{folder}: {detail}; check the disk and the name") from exc


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
