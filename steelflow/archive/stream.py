"""A large object as a seekable file: ranged reads of whole blocks. The next block is fetched while this one is used."""

from __future__ import annotations

import errno
import io
from concurrent.futures import Future, ThreadPoolExecutor

from steelflow.config import MIB
from steelflow.errors import ObjectChanged
from steelflow.records import ObjectInfo
from steelflow.store.base import Store
from steelflow.store.local import LocalStore

_BLOCK = 8 * MIB  # a request to a server takes the time of some MiB
_FOLDER_BLOCK = MIB  # memory that is used again at once: the system clears every page of a larger block first


class ObjectReader(io.BufferedIOBase):
    """A binary file over one object, for one thread.

    It holds one block and at most ``read_ahead`` more. After a jump, at most one block that is no longer needed may
    still be in transfer. Blocks are fetched ahead only while the file is read forwards. ``block`` is their size; by
    default the store decides.

    Raises, while reading:
        ObjectChanged: the object is not the one that ``info`` describes.
        StoreError: any other error of the store.
    """

    def __init__(self, store: Store, info: ObjectInfo, block: int | None = None, read_ahead: int = 1) -> None:
        super().__init__()
        self._store = store
        self._info = info
        self._block_size = block or (_FOLDER_BLOCK if isinstance(store, LocalStore) else _BLOCK)
        self._read_ahead = read_ahead
        self._at = 0
        self._index = -1
        self._block = b""
        self._ahead: dict[int, Future[bytes]] = {}
        self._pool = ThreadPoolExecutor(max(1, read_ahead), "read-ahead")  # starts its threads with the first work

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._info.size}[whence]
        if at < 0:
            raise OSError(errno.EINVAL, "seek before the start of the object")
        self._at = at
        return at

    def skip(self, size: int) -> int:
        """Move forwards, at most to the end. Returns the number of skipped bytes."""
        moved = max(0, min(size, self._info.size - self._at))
        self._at += moved
        return moved

    def spent(self) -> int:
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """``size`` bytes, or the rest if ``size`` is negative; fewer only at the end of the object."""
        left = max(0, self._info.size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        first = self._take(wanted)
        if len(first) == wanted:
            return first
        parts = [first]
        wanted -= len(first)
        while wanted:
            parts.append(self._take(wanted))
            wanted -= len(parts[-1])
        return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def close(self) -> None:
        if not self.closed:
            self._drop_ahead()
            self._block = b""
            self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _take(self, wanted: int) -> bytes:
        """The part of the ``wanted`` bytes that one block has."""
        if not wanted:
            return b""
        index, offset = divmod(self._at, self._block_size)
        if index != self._index:
            self._load(index)
        part = self._block[offset : offset + wanted]
        self._at += len(part)
        return part

    def _load(self, index: int) -> None:
        forward = index == self._index + 1
        if not forward:
            self._drop_ahead()
        self._block, self._index = b"", -1  # release the old block before the new one arrives
        ready = self._ahead.pop(index, None)
        self._block = ready.result() if ready else self._fetch(index)
        self._index = index
        if forward:
            for ahead in range(index + 1, index + 1 + self._read_ahead):
                if ahead not in self._ahead and ahead * self._block_size < self._info.size:
                    self._ahead[ahead] = self._pool.submit(self._fetch, ahead)

    def _fetch(self, index: int) -> bytes:
        start = index * self._block_size
        length = min(self._block_size, self._info.size - start)
        data = self._store.get(self._info.key, start, length, etag=self._info.etag)
        if len(data) != length:
            raise ObjectChanged(
                f"{self._info.key}: has {start + len(data):,} bytes and was listed with {self._info.size:,}; run again"
            )
        return data

    def _drop_ahead(self) -> None:
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()
