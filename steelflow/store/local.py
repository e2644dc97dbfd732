"""A folder as an object store: keys are paths below it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import IO

from steelflow.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    ObjectUnreadable,
    StoreError,
)
from steelflow.records import ObjectInfo
from steelflow.store.leftovers import clear, own_name
from steelflow.store.walk import PART, Told, files, folders, kind_name, why

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # opening a pipe must not wait for somebody who writes


class LocalStore:
    """Objects are files. An object is replaced by a rename, so a reader never sees a part of it.

    Whoever may read the root may read what is written: files and folders get its permissions, whatever the umask.

    ``etag`` is size and modification time. Symbolic links are followed for reading, except in the listing of an archive
    (see ``store.walk``). Nothing is written or deleted outside the folder.

    Args:
        root: the folder.
        create: treat a missing folder as empty and create it with the first object; otherwise it is an error.
    """

    def __init__(self, root: Path, create: bool = False) -> None:
        self.root = root.absolute()
        self._create = create
        self._cleared = False

    @property
    def uri(self) -> str:
        return str(self.root)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self.walk(prefix, None)

    def folders(self, prefix: str = "") -> Iterator[str]:
        return self.walk_folders(prefix, None)

    def walk(self, prefix: str, told: Told | None) -> Iterator[ObjectInfo]:
        """As ``list``; of an archive if ``told`` is given, see ``store.foreign``."""
        self._check_root()
        self._check_key(prefix)
        found = files(self.root, prefix, told)
        return (_NOTHING._replace(key=one.key) if one.stat is None else _info(one.key, one.stat) for one in found)

    def walk_folders(self, prefix: str, told: Told | None) -> Iterator[str]:
        """As ``folders``; see ``walk``."""
        self._check_root()
        self._check_key(prefix)
        return folders(self.root, prefix, told)

    def stat(self, key: str) -> ObjectInfo:
        with _translated(self._path(key), reading=True) as path:
            if not path.is_file():
                raise FileNotFoundError
            return _info(key, path.stat())

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        with _translated(self._path(key), reading=True) as path, _opened(path) as file:
            if etag is not None and _info(key, os.fstat(file.fileno())).etag != etag:
                raise ObjectChanged(f"{path}: was replaced while it was being read; run again")
            if start:
                file.seek(start)
            return file.read() if length is None else file.read(length)

    def get_many(
        self, keys: Sequence[str], etags: Sequence[str] | None = None
    ) -> Iterator[tuple[str, bytes | StoreError]]:
        for number, key in enumerate(keys):
            yield key, self._whole(key, etags[number]) if etags else self._whole(key)

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        return self._put(key, data, _move)

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        return self._put(key, data, _link)

    def _put(self, key: str, data: bytes | Path, place: Callable[[Path, Path], None]) -> ObjectInfo:
        self._check_root()
        with _translated(self._own_path(key)) as path:
            if not self._cleared:
                clear(self.root, PART)
                self._cleared = True
            part = self.root / own_name(PART)
            try:
                with _created(part) as file:
                    os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode | self._readers(0o044))
                    if isinstance(data, Path):
                        with data.open("rb") as source:
                            shutil.copyfileobj(source, file, 1 << 20)
                    else:
                        file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    info = _info(key, os.fstat(file.fileno()))
                self._make(path.parent)
                place(part, path)
            finally:
                part.unlink(missing_ok=True)
            _sync(path.parent)
        return info

    def drop_unfinished(self, dry_run: bool = False) -> int:
        """Delete the files that dead processes of this machine have not finished. Returns their number."""
        return clear(self.root, PART, dry_run) if self.root.is_dir() else 0

    def _make(self, folder: Path) -> None:
        """Create a folder below the root, and those above it."""
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            with contextlib.suppress(FileExistsError, FileNotFoundError):  # as in _move, which makes it again
                new.mkdir()
                new.chmod(new.stat().st_mode | self._readers(0o055))

    def _readers(self, most: int) -> int:
        """The permissions of the root, for new files in it: the umask may have removed some of them."""
        return self.root.stat().st_mode & most

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound), _translated(self._own_path(key)) as path:
            path.unlink()
            with contextlib.suppress(OSError):  # an S3 store has no empty folders either
                for folder in path.relative_to(self.root).parents[:-1]:
                    (self.root / folder).rmdir()

    def _check_root(self) -> None:
        with _translated(self.root):
            if self._create and any(above.is_file() for above in (self.root, *self.root.parents)):
                raise StoreError(f"{self.root}: is a file, or is below a file; name a folder")
            if not self._create and not self.root.is_dir():
                raise BucketNotFound(f"{self.root}: no such folder; create it or correct the path")

    def _whole(self, key: str, etag: str | None = None) -> bytes | StoreError:
        self._check_key(key)
        try:  # without a file object: it makes twice the system calls, and each may give the GIL away
            descriptor = os.open(f"{self.root}/{key}", _READ)
            try:
                stat = os.fstat(descriptor)
                size = stat.st_size if S_ISREG(stat.st_mode) else 0  # some file systems say 0 of a file with bytes
                data = os.read(descriptor, size)
                if size and len(data) == size and etag in (None, "", _etag(stat)):
                    return data
            finally:
                os.close(descriptor)
        except OSError:
            pass
        try:
            return self.get(key, etag=etag or None)  # it raises the right error, or reads the file in pieces
        except (ObjectNotFound, ObjectUnreadable, ObjectChanged) as exc:
            return exc

    def _path(self, key: str) -> Path:
        self._check_key(key)
        return self.root / key

    def _check_key(self, key: str) -> None:
        if ".." in key.split("/") or key.startswith("/") or "\0" in key:
            raise StoreError(f"{key!r}: not a valid key: it is outside {self.root}; use a path below that folder")

    def _own_path(self, key: str) -> Path:
        path = self._path(key)
        if key.endswith("/") or not key:
            raise StoreError(f"{key!r}: not the key of an object, but of a folder; add a file name")
        with _translated(path):
            inside = path.parent.resolve().is_relative_to(self.root.resolve())
        if not inside:
            raise StoreError(
                f"{path}: a symbolic link points outside {self.root}; nothing is written there; use that folder itself"
            )
        return path


@contextlib.contextmanager
def _translated(path: Path, reading: bool = False) -> Iterator[Path]:
    """Errors of the operating system as ours. Of an object that is read, those that concern it alone are told from
    those of the disk."""
    try:
        yield path
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
        raise ObjectNotFound(f"{path}: no such file") from exc
    except OSError as exc:
        denied = isinstance(exc, PermissionError)
        detail = "permission denied; check owner and mode of the file and its folder" if denied else why(exc)
        if reading and detail is not None:
            raise ObjectUnreadable(f"{path}: {detail}", "denied" if denied else "unreadable") from exc
        if denied:
            raise AccessDenied(f"{path}: {detail}") from exc
        raise StoreError(f"{path}: {exc.strerror or type(exc).__name__}; check the disk and the name") from exc


def _opened(path: Path) -> IO[bytes]:
    file = os.fdopen(os.open(path, _READ), "rb")
    if not S_ISREG(mode := os.fstat(file.fileno()).st_mode):
        file.close()
        raise ObjectUnreadable(f"{path}: {kind_name(mode)}, not a file")
    return file


def _created(part: Path) -> IO[bytes]:
    part.parent.mkdir(parents=True, exist_ok=True)
    return part.open("xb")


def _move(part: Path, path: Path) -> None:
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError, FileExistsError):  # a delete has just removed the empty folder
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
            return
    part.replace(path)


def _link(part: Path, path: Path) -> None:
    """Give the complete file its name, unless the name is taken: a rename would replace the existing file."""
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.hardlink_to(part)
            except FileExistsError as exc:
                raise ObjectExists(f"{path}: exists already; nothing was changed") from exc
            return
    path.hardlink_to(part)


def _sync(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_NOTHING = ObjectInfo("", 0, "")  # the object of a link to nothing


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, stat.st_size, _etag(stat), datetime.fromtimestamp(stat.st_mtime, UTC))


def _etag(stat: os.stat_result) -> str:
    return f"{stat.st_size:x}-{stat.st_mtime_ns:x}"
