"""A folder as an object store: keys are paths below it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from steelflow.errors import AccessDenied, BucketNotFound, ObjectChanged, ObjectNotFound, StoreError
from steelflow.records import ObjectInfo

_PRIVATE = ".steelflow-store"  # files being written, and user metadata: never listed


class LocalStore:
    """Objects are files; replacing one is a rename, so that a reader never sees a part of it.

    ``etag`` is size and modification time. User metadata, which a file cannot carry, stands in a small JSON file
    beside the objects that names the etag it belongs to.

    Args:
        root: the folder.
        create: whether a folder that is not there yet is empty, and made by the first object, or an error.
    """

    def __init__(self, root: Path, create: bool = False) -> None:
        self.root = root.absolute()
        self._create = create

    @property
    def uri(self) -> str:
        return str(self.root)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        self._check_root()
        start = self._path(prefix.rpartition("/")[0])
        pending = [start] if start.is_dir() else []
        while pending:
            with self._reading(pending.pop()) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name == _PRIVATE:
                        continue
                    key = Path(entry.path).relative_to(self.root).as_posix()
                    if entry.is_dir():
                        if key.startswith(prefix) or prefix.startswith(key + "/"):
                            pending.append(Path(entry.path))
                    elif key.startswith(prefix) and entry.is_file():
                        yield _info(key, entry.stat())

    def folders(self, prefix: str = "") -> Iterator[str]:
        self._check_root()
        folder = self._path(prefix)
        if folder.is_dir():
            with self._reading(folder), os.scandir(folder) as entries:
                yield from sorted(e.name for e in entries if e.name != _PRIVATE and e.is_dir())

    def stat(self, key: str) -> ObjectInfo:
        path = self._path(key)
        with self._reading(path):
            info = _info(key, path.stat())
        with contextlib.suppress(FileNotFoundError, ValueError):
            kept = json.loads(self._metadata_path(key).read_text())
            if kept["etag"] == info.etag:
                return ObjectInfo(info.key, info.size, info.etag, info.modified, kept["metadata"])
        return info

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        path = self._path(key)
        with self._reading(path), path.open("rb", buffering=0) as file:
            if etag is not None and _info(key, os.fstat(file.fileno())).etag != etag:
                raise ObjectChanged(f"{path}: was replaced while it was being read; run again")
            if start:
                file.seek(start)
            return file.read() if length is None else file.read(length)

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        for key in keys:
            try:
                yield key, self.get(key)
            except ObjectNotFound as exc:
                yield key, exc

    def put(self, key: str, data: bytes | Path, metadata: Mapping[str, str] | None = None) -> ObjectInfo:
        path = self._path(key)
        private = self.root / _PRIVATE
        with self._reading(path):
            private.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=private, delete=False) as part:
                try:
                    if isinstance(data, Path):
                        with data.open("rb") as source:
                            shutil.copyfileobj(source, part, 1 << 20)
                    else:
                        part.write(data)
                    part.flush()
                    os.fsync(part.fileno())
                    info = _info(key, os.fstat(part.fileno()))
                    self._put_metadata(key, info.etag, metadata)
                    Path(part.name).replace(path)
                except BaseException:
                    Path(part.name).unlink(missing_ok=True)
                    raise
        return ObjectInfo(info.key, info.size, info.etag, info.modified, dict(metadata or {}))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._reading(path), contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._metadata_path(key).unlink(missing_ok=True)

    def _check_root(self) -> None:
        if not self._create and not self.root.is_dir():
            raise BucketNotFound(f"{self.root}: no such folder; create it or correct the path")

    def _put_metadata(self, key: str, etag: str, metadata: Mapping[str, str] | None) -> None:
        path = self._metadata_path(key)
        if metadata:
            path.write_text(json.dumps({"etag": etag, "metadata": dict(metadata)}))
        else:
            path.unlink(missing_ok=True)

    def _metadata_path(self, key: str) -> Path:
        return self.root / _PRIVATE / (hashlib.sha256(key.encode()).hexdigest() + ".json")

    def _path(self, key: str) -> Path:
        if ".." in key.split("/") or key.startswith("/"):
            raise StoreError(f"{key!r}: not a key: it would lead outside {self.root}")
        return self.root / key

    @contextlib.contextmanager
    def _reading(self, path: Path) -> Iterator[Path]:
        try:
            yield path
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
            raise ObjectNotFound(f"{path}: no such file") from exc
        except PermissionError as exc:
            raise AccessDenied(f"{path}: permission denied; check the owner and the mode of the file") from exc
        except OSError as exc:
            raise StoreError(f"{path}: {exc.strerror or exc}") from exc


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    etag = f"{stat.st_size:x}-{stat.st_mtime_ns:x}"
    return ObjectInfo(key, stat.st_size, etag, datetime.fromtimestamp(stat.st_mtime, UTC))
