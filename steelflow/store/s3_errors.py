"""What a store's refusal means, and what to do about it: by the error code, not by the status alone.

Sources: Amazon S3 API Reference, "Error responses"; the errors of MinIO, Ceph and Alibaba OSS with codes of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError
from obstore import exceptions as rust

from steelflow.errors import (
    AccessDenied,
    BucketNotFound,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    ObjectUnreadable,
    StoreError,
    StoreUnreachable,
)
from steelflow.store.s3_clients import BUSY

_UNKNOWN_KEY = "the store does not know this key; check store.access_key"
_EXPIRED = (
    "the temporary credentials have expired; get new ones, or name their file (store.credentials_file, a profile)"
)
_WRONG_TOKEN = "the session token does not belong to the key; check store.session_token or AWS_SESSION_TOKEN"  # noqa: S105  a sentence
_SKEWED = "the clock of this machine and the store's differ; set the clock (NTP)"
_ACCOUNT = "the account is closed or suspended; ask its owner"
_DENIED = {
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": "check store.access_key, store.secret_key: the secret does not belong to the key, or a "
    "proxy changes the requests",
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": _WRONG_TOKEN,
    "InvalidSecurity": _WRONG_TOKEN,
    "RequestTimeTooSkewed": _SKEWED,
    "RequestExpired": _SKEWED,
    "AccountProblem": _ACCOUNT,
    "AllAccessDisabled": _ACCOUNT,
    "NotSignedUp": _ACCOUNT,
}
_OVER = frozenset(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"))
_REGION = frozenset(
    (
        *(
            "AuthorizationHeaderMalformed",
            "AuthorizationQueryParametersError",
            "PermanentRedirect",
            "TemporaryRedirect",
        ),
        *("IllegalLocationConstraintException", "InvalidRegion", "InvalidRegionName"),
    )
)
_HOST_STYLE = frozenset(("SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired"))
_AGAIN = frozenset(("RequestTimeout", "NoSuchUpload"))  # statuses 400 and 404: no client retries them
_MISSING = frozenset(("NoSuchKey", "NoSuchObject", "ResourceNotFound", "NoSuchVersion"))
_SLOW = frozenset(("SlowDown", "SlowDownRead", "SlowDownWrite", "TooManyRequests", "RequestLimitExceeded"))
_NOT_THERE = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
_CODE = re.compile(r"<Code>([\w.:-]{1,80})</Code>")
_STATUS = re.compile(r"(?:Response code:|status code:) (\d{3})")
_EXPECTED = re.compile(r"<Region>([a-z0-9-]{2,40})</Region>|expecting '([a-z0-9-]{2,40})'")


class BrokenOff(StoreUnreachable):
    """The answer to a request was cut. No client retries this, so we do."""


class Unconditional(StoreError):
    """The store has no conditional writes."""


class Expired(AccessDenied):
    """Temporary credentials are over. There may be new ones."""


class Refused(AccessDenied):
    """Access is denied without a word on the key: to one object, or to all."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request went. ``where`` is the address of the object."""

    where: str
    bucket: str
    endpoint: str
    region: str
    signed: bool


def translated(exc: Exception, at: Place) -> StoreError:
    """Our error for one of a client."""
    code, status = code_and_status(exc)
    return (
        _refusal(code, status, exc, at)
        or _of_object(code, status, exc, at)
        or _of_bucket(code, exc, at)
        or _unreachable(code, status, exc, at)
    )


def _refusal(code: str | None, status: int | None, exc: Exception, at: Place) -> StoreError | None:
    if code in _OVER:
        return Expired(f"{at.where}: access denied ({code}); {_EXPIRED}")
    if code in _DENIED:
        return AccessDenied(f"{at.where}: access denied ({code}); {_DENIED[code]}")
    if code == "InvalidObjectState":
        return ObjectUnreadable(
            f"{at.where}: in cold storage (InvalidObjectState); restore it, then run again", "cold_storage"
        )
    if code is not None and (code.startswith(("KMS", "kms")) or (code == "InvalidRequest" and "ncrypt" in str(exc))):
        return ObjectUnreadable(
            f"{at.where}: encrypted with a key that cannot be used ({code}); check the key and its policy", "denied"
        )
    if not at.signed and status in (400, 401, 403):
        return Refused(
            f"{at.where}: access denied ({code or status}); no credentials were found: check store.access_key, "
            "store.secret_key, the AWS variables or store.profile"
        )
    if code == "AccessDenied" or (status in (401, 403) and code not in _REGION | _HOST_STYLE):
        return _denied(f"{code or status}", at)
    return _denied("refused", at) if isinstance(exc, rust.PermissionDeniedError) else None


def _denied(why: str, at: Place) -> StoreError:
    return Refused(
        f"{at.where}: access denied ({why}); check store.access_key, store.secret_key and the bucket's policy"
    )


def _of_object(code: str | None, status: int | None, exc: Exception, at: Place) -> StoreError | None:
    if code in _AGAIN or (
        isinstance(exc, urllib3.exceptions.HTTPError) and not isinstance(exc, urllib3.exceptions.MaxRetryError)
    ):
        return BrokenOff(f"{at.where}: the answer of {at.endpoint} was cut; check the network, then run again")
    if isinstance(exc, rust.AlreadyExistsError):
        return ObjectExists(f"{at.where}: exists already; nothing was changed")
    if isinstance(exc, rust.PreconditionError) or status == 412:
        return ObjectChanged(f"{at.where}: was replaced while it was being read; run again")
    if status == 501 or isinstance(exc, rust.NotSupportedError):
        return Unconditional(f"{at.where}: the store lacks this operation ({code or status}); see its log")
    if code != "NoSuchBucket" and (code in _MISSING or status == 404 or isinstance(exc, FileNotFoundError)):
        return ObjectNotFound(f"{at.where}: no such object")
    return None


def _of_bucket(code: str | None, exc: Exception, at: Place) -> StoreError | None:
    if code == "NoSuchBucket":
        doubled = f"//{at.bucket}." in at.endpoint
        advice = (
            "store.endpoint has the bucket's name already: remove it there"
            if doubled
            else "create it or correct the uri (a store that wants bucket.host: store.addressing = 'host')"
        )
        return BucketNotFound(f"{at.where}: no bucket {at.bucket!r} at {at.endpoint}; {advice}")
    if code in _HOST_STYLE:
        return StoreError(f"{at.where}: the store wants the bucket in the host name; set store.addressing = 'host'")
    if code in _REGION or "incorrectly configured region" in str(exc):
        found = _EXPECTED.search(_text(exc))
        right = f" = {found[1] or found[2]!r}" if found else ", and store.endpoint if it names a region"
        return StoreError(
            f"{at.where}: the store is not in region {at.region!r} ({code or 301}); set store.region{right}"
        )
    return None


def _unreachable(code: str | None, status: int | None, exc: Exception, at: Place) -> StoreError:
    reason = exc.reason if isinstance(exc, urllib3.exceptions.MaxRetryError) else exc
    if isinstance(reason, urllib3.exceptions.SSLError):
        return StoreUnreachable(
            f"{at.endpoint}: no TLS connection ({' '.join(str(reason).split())}); set store.ca_bundle for a private "
            "certificate authority, or an http:// endpoint for a store without TLS"
        )
    if isinstance(reason, _NOT_THERE) or "kind: Connect" in str(exc):
        return StoreUnreachable(
            f"{at.endpoint}: no object store answers; check store.endpoint, and whether the store runs"
        )
    if isinstance(exc, S3Error | InvalidResponseError) and status not in BUSY:
        return StoreError(
            f"{at.where}: the store refused the request ({code or 'no code'}, status {status}); see its log"
        )
    if code in _SLOW or status == 429:
        return StoreUnreachable(
            f"{at.where}: the store asks for fewer requests ({code or status}); check its load, lower "
            "store.concurrency, then run again"
        )
    return StoreUnreachable(
        f"{at.where}: the object store at {at.endpoint} gave no valid answer "
        f"({code or status or type(reason).__name__}); check that the store runs, then run again"
    )


def code_and_status(exc: Exception) -> tuple[str | None, int | None]:
    """The S3 error code and HTTP status. Some servers answer with a content type that the SDK does not parse."""
    if isinstance(exc, S3Error):
        named = exc.code if exc.code and re.fullmatch(r"[\w.:-]{1,80}", exc.code) else None
        return named, getattr(exc.response, "status", None)
    if isinstance(exc, ServerError):
        return None, exc.status_code
    if isinstance(exc, (InvalidResponseError, rust.BaseError, FileNotFoundError)):
        text = str(exc)
        code, status = _CODE.search(text), _STATUS.search(text)
        return (code.group(1) if code else None), (int(status.group(1)) if status else None)
    return None, None


def _text(exc: Exception) -> str:
    """All that the server said: minio keeps the message, and leaves out other elements of the answer."""
    body = getattr(getattr(exc, "response", None), "data", b"")
    return f"{exc} {body.decode('utf-8', 'replace') if isinstance(body, bytes) else ''}"
