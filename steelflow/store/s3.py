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
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import obstore
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from obstore import exceptions as rust
from obstore.store import S3Store as RustStore

from steelflow.config import EMBEDDED, StoreSettings
from steelflow.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    ObjectUnreadable,
    StoreError,
    StoreUnreachable,
)
from steelflow.records import ObjectInfo
from steelflow.store.ordered import in_order

if TYPE_CHECKING:
    from obstore.store import ClientConfig

T = TypeVar("T")

_DENIED = {"AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"}
_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}
_AGAIN = {"RequestTimeout", "NoSuchUpload"}  # statuses 400 and 404: no client retries them
_BUSY = {429, 500, 502, 503, 504}
_MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
_PART_SIZE = 16 * 1024 * 1024
_SEND = 64 * 1024
_OLD_UPLOAD = dt.timedelta(days=1)
_PROCESS = os.getpid()
_NOT_THERE = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


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
        self._client, self._client_process = self._connect(), os.getpid()
        self._rust = self._connect_rust()
        self._conditional = True  # conditional writes, until the store refuses one

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self._root}".rstrip("/")

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        with self._translated(prefix):
            for found in self._minio.list_objects(self.bucket, prefix=self._root + prefix, recursive=True):
                if not found.is_dir:
                    yield ObjectInfo(
                        str(found.object_name)[len(self._root) :],
                        found.size or 0,
                        (found.etag or "").strip('"'),
                        found.last_modified,
                    )

    def folders(self, prefix: str = "") -> Iterator[str]:
        start = self._root + prefix
        with self._translated(prefix):
            for found in self._minio.list_objects(self.bucket, prefix=start, recursive=False):
                if found.is_dir:
                    yield str(found.object_name)[len(start) :].rstrip("/")

    def stat(self, key: str) -> ObjectInfo:
        with self._translated(key):
            found = self._minio.stat_object(self.bucket, self._name(key))
        return ObjectInfo(key, found.size or 0, (found.etag or "").strip('"'), found.last_modified)

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        if length == 0:
            return b""
        return self._retried(key, lambda: self._get_once(key, start, length, etag))

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        def fetch(key: str) -> tuple[str, bytes | StoreError]:
            try:
                return key, self._fetch_whole(key)
            except (ObjectNotFound, ObjectUnreadable) as exc:
                return key, exc

        threads = self._settings.concurrency
        return in_order(fetch, keys, threads, ahead=2 * threads, name="fetch")

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        def put_once() -> ObjectInfo:
            with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as body:
                size = body.seek(0, io.SEEK_END)
                body.seek(0)
                result = self._minio.put_object(self.bucket, self._name(key), body, size, part_size=_PART_SIZE)
            if not result.etag:  # completing an upload can fail with status 200
                raise _BrokenOff(f"{self._where(key)}: the store did not confirm the upload; run again")
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
        except _Unconditional:
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
        with contextlib.suppress(StoreError), self._translated(self._root):
            # minio has no public call for either; the version is in the lock file
            for upload in self._minio._list_multipart_uploads(self.bucket, prefix=self._root).uploads:
                if upload.initiated_time is not None and upload.initiated_time < before and upload.upload_id:
                    if not dry_run:
                        self._minio._abort_multipart_upload(self.bucket, str(upload.object_name), upload.upload_id)
                    dropped += 1
        return dropped

    def make_bucket(self) -> None:
        """Create the bucket if it does not exist."""
        with self._translated(""):
            if self._minio.bucket_exists(self.bucket):
                return
            try:
                self._minio.make_bucket(self.bucket, self._settings.region)
            except MinioException as exc:  # another process may have created it meanwhile
                if _code_and_status(exc)[0] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
                    raise

    def _get_once(self, key: str, start: int, length: int | None, etag: str | None) -> bytes:
        response = None
        try:
            response = self._minio.get_object(self.bucket, self._name(key), offset=start, length=length or 0)
            if etag is not None and response.headers.get("ETag", "").strip('"') != etag:
                raise ObjectChanged(f"{self._where(key)}: was replaced while it was being read; run again")
            return bytes(response.data)
        except MinioException as exc:
            code, status = _code_and_status(exc)
            if code == "InvalidRange" or status == 416:
                return b""
            raise
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _fetch_whole(self, key: str) -> bytes:
        # The Rust client's threads do not survive a fork: it would wait for ever. It also drops a slash at either end.
        if os.getpid() != _PROCESS or self._name(key).strip("/") != self._name(key):
            return self.get(key)
        try:
            with self._translated(key):  # this client resumes a broken body by itself
                return bytes(obstore.get(self._rust, self._name(key)).bytes())
        except ValueError:  # a key that the Rust client refuses, such as a//b
            return self.get(key)

    @property
    def _minio(self) -> Minio:
        if self._client_process != os.getpid():  # two processes must not share a connection
            self._client, self._client_process = self._connect(), os.getpid()
        return self._client

    def _connect(self) -> Minio:
        settings = self._settings
        parts = urlsplit(self._endpoint)
        if settings.ca_bundle is not None and not settings.ca_bundle.is_file():
            raise ConfigError(
                f"store.ca_bundle {settings.ca_bundle}: no such file; name a PEM file, or leave the setting out"
            )
        pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=settings.concurrency,
            timeout=urllib3.Timeout(connect=settings.connect_timeout, read=settings.read_timeout),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(settings.ca_bundle) if settings.ca_bundle else None,
            retries=urllib3.Retry(
                total=settings.retries,
                connect=min(2, settings.retries),
                other=min(1, settings.retries),
                backoff_factor=0.2,
                backoff_jitter=0.2,
                backoff_max=5.0,
                retry_after_max=30,
                status_forcelist=_BUSY,
                allowed_methods=None,
                raise_on_status=False,
            ),
        )
        pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return Minio(
            endpoint=parts.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value() if settings.secret_key else None,
            region=settings.region,
            secure=parts.scheme == "https",
            http_client=pool,
        )

    def _connect_rust(self) -> RustStore:
        settings = self._settings
        credentials: dict[str, Any] = {"skip_signature": True}
        if settings.access_key is not None:
            secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
            credentials = {"access_key_id": settings.access_key, "secret_access_key": secret}
        client: ClientConfig = {
            "allow_http": self._endpoint.startswith("http://"),
            "connect_timeout": f"{settings.connect_timeout}s",
            "read_timeout": f"{settings.read_timeout}s",
            "timeout": f"{20 * settings.read_timeout}s",
            # Ignore HTTP_PROXY and connect to the store directly, as minio does: a proxy of our own, for no host.
            "proxy_url": self._endpoint,
            "proxy_excludes": "*,0.0.0.0/0,::/0",  # "*" alone does not cover addresses
        }
        if settings.ca_bundle is not None:
            client["root_certificate"] = settings.ca_bundle.read_bytes()
        return RustStore(
            self.bucket,
            endpoint=self._endpoint,
            region=settings.region,
            virtual_hosted_style_request=False,
            client_options=client,
            retry_config={
                "max_retries": settings.retries,
                "retry_timeout": dt.timedelta(seconds=30),
                "backoff": {
                    "init_backoff": dt.timedelta(seconds=0.4),
                    "max_backoff": dt.timedelta(seconds=5),
                    "base": 2,
                },
            },
            **credentials,
        )

    def _retried(self, key: str, action: Callable[[], T]) -> T:
        for attempt in range(self._settings.retries):
            try:
                with self._translated(key):
                    return action()
            except _BrokenOff:
                time.sleep(min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.5))
        with self._translated(key):
            return action()

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (MinioException, urllib3.exceptions.HTTPError, rust.BaseError, OSError) as exc:
            raise self._ours(exc, key) from exc

    def _ours(self, exc: Exception, key: str) -> StoreError:
        code, status = _code_and_status(exc)
        where = self._where(key)
        unsigned = status == 400 and self._settings.access_key is None
        if code in _DENIED or status in (401, 403) or unsigned or isinstance(exc, rust.PermissionDeniedError):
            return AccessDenied(
                f"{where}: access denied ({code or status or 'refused'}); check store.access_key, store.secret_key "
                "and the bucket's policy"
            )
        if code == "NoSuchBucket":
            return BucketNotFound(
                f"{where}: no bucket {self.bucket!r} at {self._endpoint}; create it or correct the uri"
            )
        if code in _AGAIN or (
            isinstance(exc, urllib3.exceptions.HTTPError) and not isinstance(exc, urllib3.exceptions.MaxRetryError)
        ):
            return _BrokenOff(f"{where}: the answer of {self._endpoint} was cut; check the network, then run again")
        if isinstance(exc, rust.AlreadyExistsError):
            return ObjectExists(f"{where}: exists already; nothing was changed")
        if status == 501 or isinstance(exc, rust.NotSupportedError):
            return _Unconditional(f"{where}: the store lacks this operation ({code or status}); see its log")
        if code in _MISSING or status == 404 or isinstance(exc, FileNotFoundError):
            return ObjectNotFound(f"{where}: no such object")
        if code in _REGION:
            return StoreError(f"{where}: the store is not in region {self._settings.region!r}; set store.region")
        reason = exc.reason if isinstance(exc, urllib3.exceptions.MaxRetryError) else exc
        if isinstance(reason, urllib3.exceptions.SSLError):
            return StoreUnreachable(
                f"{self._endpoint}: no TLS connection ({_one_line(reason)}); set store.ca_bundle for a private "
                "certificate authority, or an http:// endpoint for a store without TLS"
            )
        if isinstance(reason, _NOT_THERE) or "kind: Connect" in str(exc):
            return StoreUnreachable(
                f"{self._endpoint}: no object store answers; check store.endpoint, and whether the store runs"
            )
        if isinstance(exc, S3Error | InvalidResponseError) and status not in _BUSY:
            return StoreError(
                f"{where}: the store refused the request ({code or 'no code'}, status {status}); see its log"
            )
        return StoreUnreachable(
            f"{where}: the object store at {self._endpoint} gave no valid answer "
            f"({code or status or type(reason).__name__}); check that the store runs, then run again"
        )

    def _name(self, key: str) -> str:
        if not key or not {".", ".."}.isdisjoint(key.split("/")):
            raise ObjectUnreadable(f"{self._where(key)}: this key cannot be requested; rename the object")
        return self._root + key

    def _where(self, key: str) -> str:
        return f"{self.uri}/{key}".rstrip("/")


class _BrokenOff(StoreUnreachable):
    """The answer to a request was cut. No client retries this, so we do."""


class _Unconditional(StoreError):
    """The store has no conditional writes."""


class _Patient(urllib3.connection.HTTPConnection):
    """Sends in pieces: the time-out of a socket covers one whole call, and a part of an upload may take minutes."""

    def send(self, data: Any) -> None:
        if isinstance(data, bytes) and len(data) > _SEND:
            for start in range(0, len(data), _SEND):
                super().send(data[start : start + _SEND])
        else:
            super().send(data)


class _PatientSecure(_Patient, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Patient


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PatientSecure


def endpoint_url(endpoint: str) -> str:
    """The URL of an endpoint. ``host:port`` is https, except on this machine; a URL stays as it is.

    Raises:
        ConfigError: it is neither, or it contains a path or credentials.
    """
    if endpoint == EMBEDDED:
        raise ConfigError("store.endpoint: the embedded store does not run here; start it with `serving(settings)`")
    url = endpoint.removesuffix("/")
    if "://" not in endpoint:
        local = urlsplit(f"//{url}").hostname in ("127.0.0.1", "localhost", "::1")
        url = f"{'http' if local else 'https'}://{url}"
    parts = urlsplit(url)
    if "@" in url:
        raise ConfigError("store.endpoint: contains credentials; set store.access_key and store.secret_key instead")
    with contextlib.suppress(ValueError):  # raised for a port that is not a number
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.endswith(parts.netloc):
            return url
    raise ConfigError(f"store.endpoint {endpoint!r}: not an address of a store; use host:port, or http(s)://host:port")


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def _code_and_status(exc: Exception) -> tuple[str | None, int | None]:
    """The S3 error code and HTTP status. Some servers answer with a content type that the SDK does not parse."""
    if isinstance(exc, S3Error):
        return exc.code, getattr(exc.response, "status", None)
    if isinstance(exc, ServerError):
        return None, exc.status_code
    if isinstance(exc, (InvalidResponseError, rust.BaseError, FileNotFoundError)):
        text = str(exc)
        code = re.search(r"<Code>(\w+)</Code>", text)
        status = re.search(r"(?:Response code:|status code:) (\d{3})", text)
        return (code.group(1) if code else None), (int(status.group(1)) if status else None)
    return None, None
