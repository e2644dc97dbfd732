"""Where S3 is, and the keys that open it."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr

from steelflow.errors import ConfigError
from steelflow.settings.base import Section

EMBEDDED = "embedded"


class StoreSettings(Section):
    """Where S3 is. ``endpoint = "embedded"`` starts the S3 server that ships with steelflow, over a local folder."""

    endpoint: str = Field(default=EMBEDDED, description="host:port or URL of an S3-compatible store, or 'embedded'")
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = Field(default=None, description="of temporary keys")
    credentials_file: Path | None = Field(
        default=None, description="toml file with access_key, secret_key and session_token; read again when it changes"
    )
    profile: str | None = Field(
        default=None, description="of ~/.aws/credentials and ~/.aws/config; AWS_PROFILE or 'default' if not set"
    )
    credentials: Literal["auto", "instance", "anonymous"] = Field(
        default="auto",
        description="'auto': the keys above, the AWS variables and files, a web identity or a container's role; "
        "'instance': the machine's role; 'anonymous': none",
    )
    addressing: Literal["path", "host"] = Field(
        default="path", description="where requests name the bucket: 'path' host/bucket/key, 'host' bucket.host/key"
    )
    ca_bundle: Path | None = Field(
        default=None, description="PEM file of the certificate authority that signed the endpoint's certificate"
    )
    concurrency: int = Field(default=16, ge=1, le=256, description="requests at the same time")
    connect_timeout: float = Field(default=5.0, gt=0, description="seconds")
    read_timeout: float = Field(default=30.0, gt=0, description="seconds without data")
    retries: int = Field(default=6, ge=0, le=20)


def with_credentials(store: StoreSettings) -> StoreSettings:
    """Fill the gaps of the settings from the credentials file, or else from the AWS variables."""
    update: dict[str, Any] = {}
    if store.credentials_file is not None:
        update = read_credentials_file(store.credentials_file)
    elif store.access_key is None and store.profile is None and os.environ.get("AWS_ACCESS_KEY_ID"):
        update = {"access_key": os.environ["AWS_ACCESS_KEY_ID"]}
        for name, variable in (("secret_key", "AWS_SECRET_ACCESS_KEY"), ("session_token", "AWS_SESSION_TOKEN")):
            if value := os.environ.get(variable):
                update[name] = SecretStr(value)
    if store.endpoint == EMBEDDED and os.environ.get("AWS_ENDPOINT_URL"):
        update["endpoint"] = os.environ["AWS_ENDPOINT_URL"]
    if "region" not in store.model_fields_set and os.environ.get("AWS_REGION"):
        update["region"] = os.environ["AWS_REGION"]
    return store.model_copy(update=update)


def read_credentials_file(file: Path) -> dict[str, Any]:
    """The keys of ``store.credentials_file``, as settings of the store.

    Raises:
        ConfigError: it cannot be read, or has no keys. The message has nothing of its text.
    """
    try:
        found = tomllib.loads(file.read_text())
        token = found.get("session_token")
        return {
            "access_key": str(found["access_key"]),
            "secret_key": SecretStr(found["secret_key"]),
            "session_token": None if token is None else SecretStr(token),
        }
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"store.credentials_file {file}: cannot be read ({type(exc).__name__}); "
            "it must be a toml file with access_key and secret_key"
        ) from None
