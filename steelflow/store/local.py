"""A folder as an object store: keys are paths below it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from steelflow.errors import AccessDenied, BucketNotFound, ObjectChanged, ObjectExists, ObjectNotFound, StoreError
from steelflow.records import ObjectInfo
from steelflow.store.leftovers import clear, own_name

_PART = ".steelflow-part-"  # a file being written. It is in the root, outside every glob over reports, and never listed


class LocalStore:
    """Objects are files. An object is replaced by a rename, so a reader never sees a part of it.

    Whoever may read the root may read what is written: files and folders get its permissions, whatever the umask.

    ``etag`` is size and modification time. Symbolic links are followed for reading, so an archive can span several
    disks. Nothing is written or deleted outside the folder.

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
        self._check_root()
        base = prefix[: prefix.rfind("/") + 1]
        return self._walk(self._folder(base), base, prefix, frozenset())

    def folders(self, prefix: str = "") -> Iterator[str]:
        self._check_root()
        with _translated(self._folder(prefix)) as folder:
            yield from sorted(_readable(entry.name) for entry in _entries(folder) if entry.is_dir())

    def stat(self, key: str) -> ObjectInfo:
        with _translated(self._path(key)) as path:
            if not path.is_file():
                raise FileNotFoundError
            return _info(key, path.stat())

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        with _translated(self._path(key)) as path, path.open("rb") as file:
            if etag is not None and _info(key, os.fstat(file.fileno())).etag != etag:
                raise ObjectChanged(f"{path}: was replaced while it was being read; run again")
            if start:
                file.seek(start)
            return file.read() if length is None else file.read(length)

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        for key in keys:
            yield key, self._whole(key)

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        return self._put(key, data, _move)

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        return self._put(key, data, _link)

    def _put(self, key: str, data: bytes | Path, place: Callable[[Path, Path], None]) -> ObjectInfo:
        self._check_root()
        with _translated(self._own_path(key)) as path:
            if not self._cleared:
                clear(self.root, _PART)
                self._cleared = True
            part = self.root / own_name(_PART)
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
        return clear(self.root, _PART, dry_run) if self.root.is_dir() else 0

    def _make(self, folder: Path) -> None:
        """Create a folder below the root, and those above it."""
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            with contextlib.suppress(FileExistsError):
                new.mkdir()
                new.chmod(new.stat().st_mode | self._readers(0o055))

    def _readers(self, most: int) -> int:
        """The permissions of the root that what is in it shares, and of which the umask may have taken some."""
        return self.root.stat().st_mode & most

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound), _translated(self._own_path(key)) as path:
            path.unlink()
            with contextlib.suppress(OSError):  # an S3 store has no empty folders either
                for folder in path.relative_to(self.root).parents[:-1]:
                    (self.root / folder).rmdir()

    def _walk(self, folder: Path, base: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[ObjectInfo]:
        with _translated(folder):
            for entry in _entries(folder):
                key = base + _readable(entry.name)
                if entry.is_dir():
                    if (key + "/").startswith(prefix):
                        here = _identity(folder)
                        if not entry.is_symlink() or _identity(Path(entry.path)) not in above | {here}:
                            yield from self._walk(Path(entry.path), key + "/", prefix, above | {here})
                elif key.startswith(prefix) and entry.is_file():
                    with contextlib.suppress(FileNotFoundError):  # deleted after the folder was read
                        yield _info(key, entry.stat())

    def _check_root(self) -> None:
        if self._create and any(above.is_file() for above in (self.root, *self.root.parents)):
            raise StoreError(f"{self.root}: is a file, or is below a file; name a folder")
        if not self._create and not self.root.is_dir():
            raise BucketNotFound(f"{self.root}: no such folder; create it or correct the path")

    def _whole(self, key: str) -> bytes | StoreError:
        self._check_key(key)
        try:  # without a file object: it makes twice the system calls, and each may give the GIL away
            descriptor = os.open(f"{self.root}/{key}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = os.fstat(descriptor).st_size
                data = os.read(descriptor, size)
                if size and len(data) == size:  # some file systems report size 0 for a file with bytes
                    return data
            finally:
                os.close(descriptor)
        except OSError:
            pass
        try:
            return self.get(key)  # it raises the right error, or reads the file in pieces
        except ObjectNotFound as exc:
            return exc

    def _folder(self, prefix: str) -> Path:
        """The folder of a prefix, also if ``_readable`` escaped a part of its name."""
        path = self._path(prefix)
        if "\\x" in prefix and not path.exists():
            path = self.root
            for part in prefix.removesuffix("/").split("/"):
                path /= next((entry.name for entry in _entries(path) if _readable(entry.name) == part), part)
        return path

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
def _translated(path: Path) -> Iterator[Path]:
    try:
        yield path
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
        raise ObjectNotFound(f"{path}: no such file") from exc
    except PermissionError as exc:
        raise AccessDenied(f"{path}: permission denied; check owner and mode of the file and its folder") from exc
    except OSError as exc:
        raise StoreError(f"{path}: {exc.strerror or type(exc).__name__}; check the disk and the name") from exc


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


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; none if it is gone."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(_PART):
                yield entry


def _identity(folder: Path) -> tuple[int, int]:
    stat = folder.stat()
    return stat.st_dev, stat.st_ino


def _readable(key: str) -> str:
    """A name that is not UTF-8 is listed with its invalid bytes escaped. No file has that name, so reading it fails for
    this file alone: it must not stop a night."""
    return key if key.isascii() else key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _sync(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    etag = f"{stat.st_size:x}-{stat.st_mtime_ns:x}"
    return ObjectInfo(key, stat.st_size, etag, datetime.fromtimestamp(stat.st_mtime, UTC))
