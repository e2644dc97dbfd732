"""The two clients of an S3 store: minio, and the Rust client obstore."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from obstore.store import S3Store as RustStore

from steelflow.config import EMBEDDED, StoreSettings
from steelflow.errors import ConfigError
from steelflow.store.credentials import Source

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Credential

BUSY = frozenset((429, 500, 502, 503, 504))

_SEND = 64 * 1024
_KEPT = dt.timedelta(minutes=5, seconds=30)  # the Rust client asks again five minutes before keys expire


def connect(settings: StoreSettings, endpoint: str, source: Source | None) -> Minio:
    """The client for everything but whole small objects and conditional puts."""
    parts = urlsplit(endpoint)
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
            status_forcelist=BUSY,
            allowed_methods=None,
            raise_on_status=False,
        ),
    )
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    client = Minio(
        endpoint=parts.netloc,
        credentials=source,
        region=settings.region,
        secure=parts.scheme == "https",
        http_client=pool,
    )
    if settings.addressing == "host":
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]  # it has no types
    return client


def connect_rust(bucket: str, settings: StoreSettings, endpoint: str, source: Source | None) -> RustStore:
    """The client for whole small objects."""
    client: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": f"{settings.connect_timeout}s",
        "read_timeout": f"{settings.read_timeout}s",
        "timeout": f"{20 * settings.read_timeout}s",
        # Ignore HTTP_PROXY and connect to the store directly, as minio does: a proxy of our own, for no host.
        "proxy_url": endpoint,
        "proxy_excludes": "*,0.0.0.0/0,::/0",  # "*" alone does not cover addresses
    }
    if settings.ca_bundle is not None:
        client["root_certificate"] = settings.ca_bundle.read_bytes()
    scheme, _, host = endpoint.partition("://")
    by_host = settings.addressing == "host"
    return RustStore(
        bucket,
        endpoint=f"{scheme}://{bucket}.{host}" if by_host else endpoint,
        region=settings.region,
        virtual_hosted_style_request=by_host,
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
        **_signing(source),
    )


def _signing(source: Source | None) -> dict[str, Any]:
    if source is None:
        return {"skip_signature": True}
    if not source.lasting:
        return {"credential_provider": _for_rust(source)}
    keys = source.retrieve()
    token = {} if keys.session_token is None else {"session_token": keys.session_token}
    return {"access_key_id": keys.access_key, "secret_access_key": keys.secret_key, **token}


def _for_rust(source: Source) -> Callable[[], S3Credential]:
    def ask() -> S3Credential:
        keys = source.retrieve()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.session_token,
            "expires_at": dt.datetime.now(dt.UTC) + _KEPT,
        }

    return ask


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
