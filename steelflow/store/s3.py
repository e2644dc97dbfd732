"""Any S3-compatible store, through the ``minio`` package. Whole small objects go through the Rust client ``obstore``.

A night of loose images spends most of its time on fetching many small objects. ``obstore`` does that without the GIL,
at a fraction of the CPU time per object (ARCHITECTURE.md has the figures), and conditional puts (``put_new``).
For everything else minio is fast enough and offers more. Both clients trust the certificate authority of
``store.ca_bundle``.

Both clients retry a request by themselves. ``S3Store._retried`` adds the errors that appear after the request: a body
that ends early, an upload that the server no longer knows.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
import urllib3
from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException
from obstore import exceptions as rust

from steelflow.config import StoreSettings
from steelflow.errors import (
    ConfigError,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    ObjectUnreadable,
    StoreError,
    StoreUnreachable,
)
from steelflow.records import ObjectInfo
from steelflow.store.credentials import source
from steelflow.store.ordered import in_order
from steelflow.store.s3_clients import connect, connect_rust, endpoint_url
from steelflow.store.s3_errors import BrokenOff, Expired, Place, Refused, Unconditional, code_and_status, translated

if TYPE_CHECKING:
    from obstore import GetOptions

T = TypeVar("T")

_PART_SIZE = 16 * 1024 * 1024
_OLD_UPLOAD = dt.timedelta(days=1)
_PROCESS = os.getpid()
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LOOKED_AT = 1000  # objects, for a folder, if none is listed
_SURE = 10.0  # seconds for which an object that was read shows that the store can be read
_DENIED = 20  # refused objects, before one was read, that stand for the whole store


class S3Store:
    """A bucket, or a prefix in one."""

    def __init__(self, bucket: str, prefix: str, settings: StoreSettings) -> None:
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(
                f"s3://{bucket}: not a valid bucket name; use 3 to 63 lower-case letters, digits, dots and dashes"
            )
        self.bucket = bucket
        self._root = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._settings = settings
        self._endpoint = endpoint_url(settings.endpoint)
        self._source = source(settings, self._endpoint)
        self._client, self._client_process = connect(settings, self._endpoint, self._source), os.getpid()
        self._rust = connect_rust(bucket, settings, self._endpoint, self._source)
        self._conditional = True  # conditional writes, until the store refuses one
        self._etags = True  # etags of lists and of objects agree, until they do not
        self._health = _Health()

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self._root}".rstrip("/")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        for found in self._listed(prefix, recursive=True):
            if not found.is_dir:
                yield ObjectInfo(
                    str(found.object_name)[len(self._root) :],
                    found.size or 0,
                    (found.etag or "").strip('"'),
                    found.last_modified,
                )

    def folders(self, prefix: str = "") -> Iterator[str]:
        named = False
        for found in self._listed(prefix, recursive=False):
            if found.is_dir:
                named = True
                yield str(found.object_name)[len(self._root + prefix) :].rstrip("/")
        if not named:
            self._refuse_no_folders(prefix)

    def _refuse_no_folders(self, prefix: str) -> None:
        """Raise ``StoreError`` if there are folders although none is listed: some servers ignore the delimiter, and a
        night would be found empty."""
        for info in islice(self.list(prefix), _LOOKED_AT):
            folder, slash, _ = info.key[len(prefix) :].partition("/")
            if slash and folder and not any(one.is_dir for one in self._listed(prefix, recursive=False)):
                raise StoreError(
                    f"{self._where(prefix)}: the store has objects below {folder}/, but its listing with a delimiter "
                    "names no folder; nights would be found empty; `steelflow doctor` checks the store"
                )
            if slash and folder:
                return

    def paged(self, prefix: str, size: int) -> Iterator[str]:
        """The keys below a prefix, listed in pages of ``size``: to see whether the store goes on after a page."""
        with self._translated(prefix):  # minio has no public call with a page's size; the version is in the lock file
            for found in self._minio._list_objects(self.bucket, prefix=self._root + prefix, max_keys=size):
                yield str(found.object_name)[len(self._root) :]

    def honours_conditions(self, key: str) -> bool | None:
        """Create an object that does not exist, with the text ``first``, and try to create it again. Returns whether
        the second try was refused; None if the store refuses conditional writes as such.

        Raises:
            StoreError: the first try was refused.
        """
        with contextlib.suppress(ObjectExists):
            for data in (b"first", b"second"):
                try:
                    with self._translated(key):
                        obstore.put(self._rust, self._name(key), data, mode="create", use_multipart=False)
                except Unconditional:
                    self._conditional = False
                    self.put(key, b"first")
                    return None
                except ObjectExists:
                    if data == b"first":
                        raise StoreError(
                            f"{self._where(key)}: the store says that an object exists which does not; update the store"
                        ) from None
                    raise
            return False
        return True

    def _listed(self, prefix: str, recursive: bool) -> Iterator[Object]:
        """A list that goes on where it was if keys expire meanwhile."""
        last: str | None = None
        while True:
            try:
                with self._translated(prefix):
                    for found in self._minio.list_objects(
                        self.bucket, prefix=self._root + prefix, recursive=recursive, start_after=last
                    ):
                        yield found
                        last = found.object_name
                return
            except Expired:
                self._renew()

    def stat(self, key: str) -> ObjectInfo:
        with self._translated(key):
            found = self._minio.stat_object(self.bucket, self._name(key))
        return ObjectInfo(key, found.size or 0, (found.etag or "").strip('"'), found.last_modified)

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        if length == 0:
            return b""
        return self._read(key, etag, lambda etag: self._retried(key, lambda: self._get_once(key, start, length, etag)))

    def get_many(
        self, keys: Sequence[str], etags: Sequence[str] | None = None
    ) -> Iterator[tuple[str, bytes | StoreError]]:
        def fetch(asked: tuple[str, str | None]) -> tuple[str, bytes | StoreError]:
            key, etag = asked
            try:
                return key, self._read(key, etag, lambda etag: self._fetch_whole(key, etag), one_of_many=True)
            except (ObjectNotFound, ObjectUnreadable, ObjectChanged) as exc:
                return key, exc

        threads = self._settings.concurrency
        asked: list[tuple[str, str | None]] = (
            list(zip(keys, etags, strict=True)) if etags else [(key, None) for key in keys]
        )
        return in_order(fetch, asked, threads, ahead=2 * threads, name="fetch")

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        def put_once() -> ObjectInfo:
            with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as body:
                size = body.seek(0, io.SEEK_END)
                body.seek(0)
                result = self._minio.put_object(self.bucket, self._name(key), body, size, part_size=_PART_SIZE)
            if not result.etag:  # completing an upload can fail with status 200
                raise BrokenOff(f"{self._where(key)}: the store did not confirm the upload; run again")
            return ObjectInfo(key, size, result.etag.strip('"'))

        return self._retried(key, put_once)

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        exists = ObjectExists(f"{self._where(key)}: exists already; nothing was changed")
        with contextlib.suppress(ObjectNotFound):  # checked first, for stores that silently ignore the condition
            self.stat(key)
            raise exists
        if not self._conditional or os.getpid() != _PROCESS or self._name(key).strip("/") != self._name(key):
            return self.put(key, data)  # for processes and slashes see _fetch_whole
        try:
            with self._translated(key):
                made = obstore.put(self._rust, self._name(key), data, mode="create", use_multipart=False)
        except Unconditional:
            self._conditional = False
            return self.put(key, data)
        except ObjectExists:
            if self.get(key) != data:  # equal: we created it, but the answer was lost and the client tried again
                raise exists from None
            return self.stat(key)
        return ObjectInfo(key, len(data), (made["e_tag"] or "").strip('"'))

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound), self._translated(key):
            self._minio.remove_object(self.bucket, self._name(key))

    def drop_unfinished(self, dry_run: bool = False) -> int:
        """Abort the multipart uploads that are older than a day. Returns their number; 0 where the store does not list
        uploads, or does not let us: they are deleted by the bucket's own rules then."""
        before = dt.datetime.now(dt.UTC) - _OLD_UPLOAD
        dropped = 0
        with contextlib.suppress(StoreError):
            for key, upload, begun in self._uploads():
                if begun is not None and begun < before:
                    if not dry_run:
                        with contextlib.suppress(ObjectNotFound), self._translated(key):
                            self._minio._abort_multipart_upload(self.bucket, key, upload)
                    dropped += 1
        return dropped

    def _uploads(self) -> Iterator[tuple[str, str, dt.datetime | None]]:
        """(name, id, begin) of the multipart uploads below the root."""
        after: str | None = None
        while True:
            with self._translated(self._root):
                # minio has no public call for this, nor for aborting one; the version is in the lock file
                page = self._minio._list_multipart_uploads(self.bucket, prefix=self._root, key_marker=after)
            for one in page.uploads:
                yield str(one.object_name), str(one.upload_id), one.initiated_time
            before, after = after, page.next_key_marker
            if not page.is_truncated or not after or after == before:
                return

    def make_bucket(self) -> None:
        """Create the bucket if it does not exist."""
        with self._translated(""):
            if self._minio.bucket_exists(self.bucket):
                return
            try:
                self._minio.make_bucket(self.bucket, self._settings.region)
            except MinioException as exc:  # another process may have created it meanwhile
                if code_and_status(exc)[0] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
                    raise

    def _read(
        self, key: str, etag: str | None, fetch: Callable[[str | None], bytes], one_of_many: bool = False
    ) -> bytes:
        """The bytes of one object. An error of this object alone does not count as one of the store.

        Args:
            etag: of the object as it was listed, if it must be that one.
            fetch: gets the bytes; with an etag, it raises ``ObjectChanged`` for another object.
            one_of_many: refusals are counted: if the first ones are all refused, the store is.
        """
        try:
            data = fetch((etag or None) if self._etags else None)
        except ObjectChanged:
            if self._is_replaced(key, etag):
                raise
            self._etags = False  # the store's answers do not agree with its own lists
            data = fetch(None)
        except Refused as exc:
            self._health.denied += one_of_many
            if not self._reads_others(key, denied=True):
                raise
            raise ObjectUnreadable(
                f"{self._where(key)}: access to this object is denied; check its own policy (ACL) and its key", "denied"
            ) from exc
        except StoreUnreachable as exc:
            if not self._reads_others(key):
                raise
            raise ObjectUnreadable(
                f"{self._where(key)}: the store gives other objects and not this one; see the store's log"
            ) from exc
        self._health.read(key)
        return data

    def _is_replaced(self, key: str, etag: str | None) -> bool:
        """Whether the listing now has another etag, too."""
        return not any(info.key == key and info.etag == etag for info in self.list(key))

    def _reads_others(self, key: str, denied: bool = False) -> bool:
        """Whether the store still lets us read, so that the error is one of this object. An object that was read
        before is asked for again; before there is one, the list decides, for the first few objects that are denied."""
        health = self._health
        if denied and health.is_fresh():
            return True
        try:
            if health.known not in (None, key):
                self._get_once(str(health.known), 0, 1, None)
                health.read(str(health.known))
                return True
            if denied and health.denied <= _DENIED:
                with self._translated(""):
                    next(self._minio.list_objects(self.bucket, prefix=self._root), None)
                return True
        except (StoreError, MinioException, urllib3.exceptions.HTTPError, OSError):
            pass
        return False

    def _get_once(self, key: str, start: int, length: int | None, etag: str | None) -> bytes:
        response = None
        try:
            # If-Match is left to our own comparison: some servers do not know it.
            response = self._minio.get_object(self.bucket, self._name(key), offset=start, length=length or 0)
            if etag is not None and (response.headers.get("ETag") or etag).strip('"') != etag:
                raise ObjectChanged(f"{self._where(key)}: was replaced while it was being read; run again")
            return response.read(decode_content=False)  # as stored, whatever Content-Encoding says
        except MinioException as exc:
            code, status = code_and_status(exc)
            if code == "InvalidRange" or status == 416:
                return b""
            raise
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _fetch_whole(self, key: str, etag: str | None) -> bytes:
        # The Rust client's threads do not survive a fork: it would wait for ever. It also drops a slash at either end.
        if os.getpid() != _PROCESS or self._name(key).strip("/") != self._name(key):
            return self._retried(key, lambda: self._get_once(key, 0, None, etag))
        options: GetOptions = {} if etag is None else {"if_match": f'"{etag}"'}
        try:
            with self._translated(key):  # this client resumes a broken body by itself
                found = obstore.get(self._rust, self._name(key), options=options)
                if etag is not None and (found.meta["e_tag"] or etag).strip('"') != etag:
                    raise ObjectChanged(f"{self._where(key)}: was replaced while it was being read; run again")
                return bytes(found.bytes())
        except Expired:
            pass
        except StoreUnreachable as exc:
            if "source: Header" not in str(exc.__cause__):  # headers that this client refuses, such as an odd date
                raise
        except ValueError:  # a key that the Rust client refuses, such as a//b
            pass
        return self._retried(key, lambda: self._get_once(key, 0, None, etag))

    @property
    def _minio(self) -> Minio:
        if self._client_process != os.getpid():  # two processes must not share a connection
            self._client = connect(self._settings, self._endpoint, self._source)
            self._client_process = os.getpid()
        return self._client

    def _renew(self) -> None:
        """Take new credentials. If there are none, the error that is being handled is raised."""
        if self._source is None or not self._source.renew():
            raise
        self._rust = connect_rust(self.bucket, self._settings, self._endpoint, self._source)

    def _retried(self, key: str, action: Callable[[], T]) -> T:
        for attempt in range(self._settings.retries):
            try:
                with self._translated(key):
                    return action()
            except BrokenOff:
                time.sleep(min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.5))
            except Expired:
                self._renew()
        with self._translated(key):
            return action()

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (MinioException, urllib3.exceptions.HTTPError, rust.BaseError, OSError) as exc:
            place = Place(
                self._where(key), self.bucket, self._endpoint, self._settings.region, signed=self._source is not None
            )
            ours = translated(exc, place)
            token = self._source.token() if self._source else None
            if token is not None and token in str(exc):  # servers repeat the headers of a request
                raise ours from None
            raise ours from exc

    def _name(self, key: str) -> str:
        if not key or not {".", ".."}.isdisjoint(key.split("/")):
            raise ObjectUnreadable(f"{self._where(key)}: this key cannot be requested; rename the object")
        return self._root + key

    def _where(self, key: str) -> str:
        return f"{self.uri}/{key}".rstrip("/")


class _Health:
    """What was read of the store: whether an error is one of all objects, or of one."""

    def __init__(self) -> None:
        self.known: str | None = None
        self.denied = 0
        self._at = 0.0

    def read(self, key: str) -> None:
        self.known, self._at = key, time.monotonic()

    def is_fresh(self) -> bool:
        return self.known is not None and time.monotonic() - self._at < _SURE
