"""Where the keys of an S3 store come from, and how temporary ones are renewed during a long night.

In this order: ``store.credentials_file``, ``store.access_key`` (or the AWS variables, see ``config``), the profile
that is set, a web identity, the default profile, a container. ``store.credentials = "instance"`` asks for the machine's
own role; with ``"anonymous"`` there are none.

Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".
"""

from __future__ import annotations

import configparser
import datetime as dt
import json
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import AssumeRoleProvider, IamAwsProvider, Provider, WebIdentityProvider

from steelflow.config import StoreSettings, read_credentials_file
from steelflow.errors import AccessDenied, ConfigError, StoreError

_AGAIN = 30.0  # seconds between two looks at a file that may have new keys
_PROCESS_SECONDS = 60.0
_DEPTH = 5  # profiles that name another profile
_ROLE_NAME = "steelflow"


class Source(Provider):
    """Credentials, from the place where they were last found. Both clients ask it before their requests.

    Raises, in ``retrieve``:
        ConfigError, AccessDenied: there are none; the message says where they were expected.
    """

    def __init__(self, find: Callable[[], Credentials], *, lasting: bool = False, again: float | None = _AGAIN) -> None:
        """``lasting`` keys never change. Others are looked for when they expire; without a time for that, after
        ``again`` seconds, or, if that is None, when the store says so."""
        self.lasting = lasting
        self._find = find
        self._again = again
        self._lock = threading.Lock()
        self._found: Credentials | None = None
        self._until = 0.0

    def retrieve(self) -> Credentials:
        with self._lock:
            found = self._found
            timed = found is not None and found.expiration is None and self._again is not None and not self.lasting
            if found is None or found.is_expired() or (timed and time.monotonic() > self._until):
                found = self._found = self._find()
                self._until = time.monotonic() + (self._again or 0.0)
            return found

    def token(self) -> str | None:
        """The session token that was last found."""
        return self._found.session_token if self._found else None

    def renew(self) -> bool:
        """Look again. Returns whether the credentials are others than before."""
        before = self.retrieve()
        with self._lock:
            if not self.lasting:
                self._found = None
        after = self.retrieve()
        return (before.access_key, before.session_token) != (after.access_key, after.session_token)


def source(settings: StoreSettings, endpoint: str) -> Source | None:
    """The credentials for a store; None if requests are not signed."""
    if settings.credentials == "anonymous":
        return None
    if settings.credentials_file is not None:
        file = settings.credentials_file
        return Source(lambda: _static(settings.model_copy(update=read_credentials_file(file))))
    if settings.access_key is not None:
        static = _static(settings)
        return Source(lambda: static, lasting=True)
    if settings.credentials == "instance":
        return _asked(lambda: IamAwsProvider(http_client=_client()), "the machine's metadata service")
    return _usual(settings, endpoint)


def _usual(settings: StoreSettings, endpoint: str) -> Source | None:
    env = os.environ
    named = settings.profile or env.get("AWS_PROFILE")
    profiles = _Profiles()
    if named:
        return _of_profile(profiles, named, settings, endpoint)
    if (file := env.get("AWS_WEB_IDENTITY_TOKEN_FILE")) and (role := env.get("AWS_ROLE_ARN")):
        return _web_identity(file, role, env.get("AWS_ROLE_SESSION_NAME"), sts_endpoint(settings, endpoint))
    if profiles.read("default"):
        return _of_profile(profiles, "default", settings, endpoint)
    if env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _asked(lambda: IamAwsProvider(http_client=_client()), "the container's credentials service")
    return None


def _static(settings: StoreSettings) -> Credentials:
    secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
    if not settings.access_key or not secret:
        raise ConfigError("store.access_key and store.secret_key go together: one of them is empty; set both")
    return Credentials(
        settings.access_key, secret, settings.session_token.get_secret_value() if settings.session_token else None
    )


def _client() -> urllib3.PoolManager:
    """For services that give credentials: they answer at once, or are not there."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=2.0, read=10.0), retries=urllib3.Retry(total=2, backoff_factor=0.2)
    )


class _Profiles:
    """The profiles of the AWS command line: ``~/.aws/credentials`` and ``~/.aws/config``."""

    def __init__(self) -> None:
        home = Path.home() / ".aws"
        self.credentials = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials").expanduser()
        self.config = Path(os.environ.get("AWS_CONFIG_FILE") or home / "config").expanduser()

    def read(self, name: str) -> Mapping[str, str]:
        """All that both files say of a profile; empty if they do not have it."""
        section = name if name == "default" else f"profile {name}"
        return {**_section(self.config, section), **_section(self.credentials, name)}


def _section(file: Path, name: str) -> Mapping[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, configparser.Error) as exc:  # the text may have a secret: it is not repeated
        raise ConfigError(
            f"{file}: cannot be read ({type(exc).__name__}); correct it, or set store.access_key"
        ) from None
    return dict(parser[name]) if name in parser else {}


def _of_profile(profiles: _Profiles, name: str, settings: StoreSettings, endpoint: str, depth: int = 0) -> Source:
    said = profiles.read(name)
    where = f"the profile {name!r} of {profiles.credentials} and {profiles.config}"
    if depth > _DEPTH:
        raise ConfigError(f"{where}: its source_profile leads in a circle; correct it")
    if role := said.get("role_arn"):
        sts = sts_endpoint(settings, endpoint)
        session = said.get("role_session_name")
        if token_file := said.get("web_identity_token_file"):
            return _web_identity(token_file, role, session, sts)
        base = said.get("source_profile")
        if base is None:
            raise ConfigError(f"{where}: has role_arn without source_profile or web_identity_token_file; add one")
        itself = base == name  # a profile may have keys of its own and the role that they assume
        inner = _keys_of(profiles, name) if itself else _of_profile(profiles, base, settings, endpoint, depth + 1)
        return Source(lambda: _assumed(inner, role, session, said.get("external_id"), sts, settings))
    if command := said.get("credential_process"):
        return Source(lambda: _process(command, where), again=None)
    if any(key.startswith("sso_") for key in said) and "aws_access_key_id" not in said:
        raise ConfigError(
            f"{where}: single sign-on is not supported; add credential_process = aws configure export-credentials "
            f"--profile {name} to another profile, and name that one in store.profile"
        )
    return _keys_of(profiles, name)


def _keys_of(profiles: _Profiles, name: str) -> Source:
    def find() -> Credentials:
        said = profiles.read(name)
        try:
            return Credentials(
                said["aws_access_key_id"], said["aws_secret_access_key"], said.get("aws_session_token") or None
            )
        except KeyError as exc:
            raise ConfigError(
                f"the profile {name!r} of {profiles.credentials} and {profiles.config} has no {exc.args[0]}; add it, "
                "or name another profile in store.profile"
            ) from None

    return Source(find)


def _assumed(
    base: Source, role: str, session: str | None, external: str | None, sts: str, settings: StoreSettings
) -> Credentials:
    keys = base.retrieve()
    if keys.session_token:
        raise ConfigError(f"role {role}: a role cannot be assumed here with temporary keys; use credential_process")
    provider = AssumeRoleProvider(
        sts_endpoint=sts,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        region=settings.region,
        role_arn=role,
        role_session_name=session or _ROLE_NAME,
        external_id=external,
        http_client=_client(),
    )
    return _retrieved(provider, f"role {role} at {sts}")


def _web_identity(file: str, role: str, session: str | None, sts: str) -> Source:
    def token() -> dict[str, str]:
        try:
            return {"access_token": Path(file).read_text(encoding="utf-8").strip(), "expires_in": "0"}
        except OSError as exc:
            raise ConfigError(f"{file}: the web identity's token cannot be read ({exc.strerror})") from exc

    def provider() -> Provider:
        return WebIdentityProvider(
            jwt_provider_func=token,
            sts_endpoint=sts,
            role_arn=role,
            role_session_name=session or _ROLE_NAME,
            http_client=_client(),
        )

    return _asked(provider, f"role {role} at {sts}")


def _asked(provider: Callable[[], Provider], where: str) -> Source:
    """A service that gives keys with the time when they expire. A provider of minio keeps what it found: each time a
    new one is asked."""
    return Source(lambda: _retrieved(provider(), where))


def _retrieved(provider: Provider, where: str) -> Credentials:
    try:
        return provider.retrieve()
    except (ConfigError, StoreError):
        raise
    except (ValueError, KeyError, OSError, urllib3.exceptions.HTTPError) as exc:  # its text may have the token
        raise AccessDenied(
            f"no credentials from {where} ({type(exc).__name__}); check the role, or set store.access_key"
        ) from None


def _process(command: str, where: str) -> Credentials:
    """Keys that a program prints. Source: AWS SDKs and Tools Reference Guide, "Process credential provider"."""
    try:
        done = subprocess.run(  # noqa: S603  the user named the program in a file of theirs
            shlex.split(command), capture_output=True, timeout=_PROCESS_SECONDS, check=True
        )
        said = json.loads(done.stdout)
        until = dt.datetime.fromisoformat(said["Expiration"]) if said.get("Expiration") else None
        return Credentials(said["AccessKeyId"], said["SecretAccessKey"], said.get("SessionToken"), until)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as exc:  # the output has a secret
        raise AccessDenied(f"{where}: credential_process failed ({type(exc).__name__}); try it by hand") from None


def sts_endpoint(settings: StoreSettings, endpoint: str) -> str:
    """Where roles are assumed: what the environment says; AWS' own; or the store itself, as in MinIO."""
    if (said := os.environ.get("AWS_ENDPOINT_URL_STS")) is not None:
        return said
    host = urlsplit(endpoint).hostname or ""
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return f"https://sts.{settings.region}.amazonaws.com{'.cn' if host.endswith('.cn') else ''}"
    return endpoint
