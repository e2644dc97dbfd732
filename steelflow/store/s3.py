"""Any S3-compatible store, through the ``minio`` package; whole small objects through the Rust client ``obstore``.

Fetching many small objects is where a night over loose images spends its time: ``obstore`` does that without the GIL
at a fraction of the CPU per object (`steelflow bench` prints both). Everything else needs minio's breadth, not speed.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from obstore import exceptions as rust
from obstore.store import S3Store as RustStore

from steelflow.config import StoreSettings
from steelflow.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectChanged,
    ObjectNotFound,
    StoreError,
    StoreUnreachable,
)
from steelflow.records import ObjectInfo

T = TypeVar("T")

_DENIED = {"AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "AuthorizationHeaderMalformed"}
_MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
_PART_SIZE = 16 * 1024 * 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Store:
    """A bucket, or a prefix in one."""

    def __init__(self, bucket: str, prefix: str, settings: StoreSettings) -> None:
        if not _BUCKET.fullmatch(bucket):
            raise ConfigError(
                f"s3://{bucket}: no valid bucket name; use 3 to 63 lower-case letters, digits, dots and dashes"
            )
        self.bucket = bucket
        self._root = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._settings = settings
        self._endpoint = endpoint_url(settings.endpoint)
        self._minio = self._connect()
        self._fetch_whole = self._rust_fetch()

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
            found = self._minio.stat_object(self.bucket, self._root + key)
        headers = {name.lower(): value for name, value in (found.metadata or {}).items()}
        metadata = {
            name.removeprefix("x-amz-meta-"): value
            for name, value in headers.items()
            if name.startswith("x-amz-meta-")
        }
        return ObjectInfo(key, found.size or 0, (found.etag or "").strip('"'), found.last_modified, metadata)

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        if length == 0:
            return b""
        return self._retried(key, lambda: self._get_once(key, start, length, etag))

    def get_many(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | StoreError]]:
        ahead = 2 * self._settings.concurrency
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="fetch") as pool:
            pending: deque[tuple[str, Future[bytes]]] = deque()
            try:
                for key in keys:
                    pending.append((key, pool.submit(self._fetch_whole, key)))
                    if len(pending) >= ahead:
                        yield _outcome(*pending.popleft())
                while pending:
                    yield _outcome(*pending.popleft())
            finally:
                for _, future in pending:
                    future.cancel()

    def put(self, key: str, data: bytes | Path, metadata: Mapping[str, str] | None = None) -> ObjectInfo:
        def put_once() -> str:
            with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as body:
                size = body.seek(0, io.SEEK_END)
                body.seek(0)
                result = self._minio.put_object(
                    self.bucket, self._root + key, body, size, metadata=dict(metadata or {}), part_size=_PART_SIZE
                )
            return (result.etag or "").strip('"')

        size = data.stat().st_size if isinstance(data, Path) else len(data)
        return ObjectInfo(key, size, self._retried(key, put_once), None, dict(metadata or {}))

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound):
            self._retried(key, lambda: self._minio.remove_object(self.bucket, self._root + key))

    def _get_once(self, key: str, start: int, length: int | None, etag: str | None) -> bytes:
        response = None
        try:
            response = self._minio.get_object(self.bucket, self._root + key, offset=start, length=length or 0)
            if etag is not None and response.headers.get("ETag", "").strip('"') != etag:
                raise ObjectChanged(f"{self._where(key)}: was replaced while it was being read; run again")
            body = bytes(response.data)
            expected = response.headers.get("Content-Length")
            if expected is not None and len(body) != int(expected):
                raise StoreUnreachable(f"{self._where(key)}: the answer ended early; run again")
            return body
        except MinioException as exc:
            if _code_and_status(exc)[0] == "InvalidRange":
                return b""
            raise
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _connect(self) -> Minio:
        settings = self._settings
        parts = urlsplit(self._endpoint)
        pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=settings.concurrency,
            timeout=urllib3.Timeout(connect=settings.connect_timeout, read=settings.read_timeout),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(settings.ca_bundle) if settings.ca_bundle else None,
            retries=urllib3.Retry(
                total=settings.retries,
                connect=min(2, settings.retries),
                backoff_factor=0.2,
                backoff_jitter=0.2,
                backoff_max=5.0,
                status_forcelist=(429, 500, 502, 503, 504),
                allowed_methods=None,
                raise_on_status=False,
            ),
        )
        try:
            return Minio(
                endpoint=parts.netloc,
                access_key=settings.access_key,
                secret_key=settings.secret_key.get_secret_value() if settings.secret_key else None,
                region=settings.region,
                secure=parts.scheme == "https",
                http_client=pool,
            )
        except ValueError as exc:
            raise ConfigError(f"store.endpoint {settings.endpoint!r}: {exc}; use host:port or a URL") from exc

    def _rust_fetch(self) -> Callable[[str], bytes]:
        settings = self._settings
        if settings.ca_bundle is not None:  # obstore takes no private authority: minio fetches, more slowly
            return self.get
        credentials: dict[str, Any] = {"skip_signature": True}
        if settings.access_key is not None:
            secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
            credentials = {"access_key_id": settings.access_key, "secret_access_key": secret}
        store = RustStore(
            self.bucket,
            prefix=self._root or None,
            endpoint=self._endpoint,
            region=settings.region,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": self._endpoint.startswith("http://"),
                "connect_timeout": f"{settings.connect_timeout}s",
                "timeout": f"{settings.read_timeout}s",
            },
            retry_config={"max_retries": settings.retries},
            **credentials,
        )

        def fetch(key: str) -> bytes:
            return self._retried(key, lambda: bytes(obstore.get(store, key).bytes()))

        return fetch

    def _retried(self, key: str, action: Callable[[], T]) -> T:
        """Run ``action`` again while the store is unreachable: the clients retry a request, not a broken answer."""
        for attempt in range(self._settings.retries + 1):
            try:
                with self._translated(key):
                    return action()
            except _Refused:
                raise
            except StoreUnreachable:
                if attempt == self._settings.retries:
                    raise
                time.sleep(min(5.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.5))
        raise AssertionError("unreachable")

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
        if code in _DENIED or status in (401, 403) or isinstance(exc, rust.PermissionDeniedError):
            return AccessDenied(
                f"{where}: access denied ({code or status or 'refused'}); check store.access_key, store.secret_key "
                "and the bucket's policy"
            )
        if code == "NoSuchBucket":
            return BucketNotFound(f"{where}: no bucket {self.bucket!r} at {self._endpoint}; create it or correct the uri")
        if code in _MISSING or status == 404 or isinstance(exc, FileNotFoundError):
            return ObjectNotFound(f"{where}: no such object")
        if isinstance(exc, urllib3.exceptions.MaxRetryError) and _refused(exc):
            return _Refused(f"{self._endpoint}: no object store answers there; check store.endpoint and that it runs")
        if isinstance(exc, (ServerError, urllib3.exceptions.HTTPError, rust.BaseError, OSError)) or (status or 0) >= 500:
            return StoreUnreachable(
                f"{where}: the object store at {self._endpoint} does not answer well "
                f"({code or status or type(exc).__name__}); check that it runs, then run again"
            )
        return StoreError(f"{where}: {code or 'error'} {status or ''}: {type(exc).__name__}".strip())

    def _where(self, key: str) -> str:
        return f"{self.uri}/{key}".rstrip("/")


class _Refused(StoreUnreachable):
    """Nothing listens: the client has tried again already, and a person is better served by the news."""


def endpoint_url(endpoint: str) -> str:
    """``host:port`` is https, except on this machine; a URL says it itself."""
    if "://" in endpoint:
        return endpoint.rstrip("/")
    local = endpoint.split(":")[0] in ("127.0.0.1", "localhost", "[")
    return f"{'http' if local else 'https'}://{endpoint}"


def _outcome(key: str, future: Future[bytes]) -> tuple[str, bytes | StoreError]:
    try:
        return key, future.result()
    except ObjectNotFound as exc:
        return key, exc


def _refused(exc: urllib3.exceptions.MaxRetryError) -> bool:
    return isinstance(exc.reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.NameResolutionError))


def _code_and_status(exc: Exception) -> tuple[str | None, int | None]:
    """The S3 error code and HTTP status; some servers answer with a content type that the SDK does not parse."""
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
