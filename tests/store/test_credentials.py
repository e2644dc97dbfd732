"""Keys from everywhere they usually are; temporary ones go on when they are renewed."""

from __future__ import annotations

import datetime as dt
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain_s3 import KEY, SECRET, PlainS3
from pydantic import SecretStr

from steelflow.config import StoreSettings, load_settings
from steelflow.errors import AccessDenied, ConfigError
from steelflow.store import credentials, open_store

FIRST, SECOND = "first-ToKeN/+=", "second-ToKeN/+="
AWS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_REGION"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "STEELFLOW_CONFIG"),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PlainS3]:
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    with PlainS3({"a": b"one", "b": b"two"}) as server:
        server.tokens, server.given = {FIRST}, [FIRST]
        monkeypatch.setenv("STEELFLOW_STORE__ENDPOINT", server.endpoint)
        yield server


def reads(settings: StoreSettings | None = None) -> bool:
    """Both clients: lists and single objects, and many objects."""
    store = open_store("s3://images", settings or load_settings().store)
    found = [(info.key, store.get(info.key)) for info in store.list()]
    return found == list(store.get_many(["a", "b"])) == [("a", b"one"), ("b", b"two")]


def ini(path: str, **sections: dict[str, str]) -> None:
    text = "".join(
        f"[{name.replace('__', ' ')}]\n" + "".join(f"{key} = {value}\n" for key, value in said.items())
        for name, said in sections.items()
    )
    Path(path).write_text(text)


def keys() -> dict[str, str]:
    return {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_session_token": FIRST}


def environment(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    for name, value in zip(AWS, (KEY, SECRET, FIRST), strict=False):
        patch.setenv(name, value)


def settings_of_ours(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    for name, value in (("ACCESS_KEY", KEY), ("SECRET_KEY", SECRET), ("SESSION_TOKEN", FIRST)):
        patch.setenv(f"STEELFLOW_STORE__{name}", value)


def a_file_of_ours(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    Path("keys.toml").write_text(f'access_key = "{KEY}"\nsecret_key = "{SECRET}"\nsession_token = "{FIRST}"\n')
    patch.setenv("STEELFLOW_STORE__CREDENTIALS_FILE", "keys.toml")


def the_default_profile(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    ini("credentials", default=keys())


def a_profile(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    ini("credentials", default={"aws_access_key_id": "x", "aws_secret_access_key": "y"}, plant=keys())
    patch.setenv("AWS_PROFILE", "plant")


def a_profile_before_the_environment(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    ini("config", profile__plant=keys())
    patch.setenv("AWS_ACCESS_KEY_ID", "x")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    patch.setenv("STEELFLOW_STORE__PROFILE", "plant")


def a_program(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    said = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET, "SessionToken": FIRST}
    Path("said.json").write_text(json.dumps(said))
    command = f"{sys.executable} -c \"print(open('said.json').read())\""
    ini("config", default={"credential_process": command})


def a_role_of_a_profile(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    base = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    ini("credentials", base=base)
    ini("config", profile__plant={"role_arn": "arn:aws:iam::1:role/reader", "source_profile": "base"})
    patch.setenv("AWS_PROFILE", "plant")
    patch.setenv("AWS_ENDPOINT_URL_STS", server.endpoint)


def a_web_identity(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    Path("jwt").write_text("a.web.token")
    patch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "jwt")
    patch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/reader")


def a_container(patch: pytest.MonkeyPatch, server: PlainS3) -> None:
    patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.endpoint}/keys")


PLACES = (
    *(environment, settings_of_ours, a_file_of_ours, the_default_profile, a_profile, a_profile_before_the_environment),
    *(a_program, a_role_of_a_profile, a_web_identity, a_container),
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__.replace("_", " "))
def test_temporary_keys_are_found(place: object, server: PlainS3, monkeypatch: pytest.MonkeyPatch) -> None:
    place(monkeypatch, server)  # type: ignore[operator]  # a function of this module
    assert reads()
    server.tokens = {SECOND}
    with pytest.raises((AccessDenied, ConfigError)) as caught:
        reads()
    told = "".join(traceback.format_exception(caught.value))
    assert not any(secret in told for secret in (SECRET, FIRST, "a.web.token"))


RENEWED = (a_file_of_ours, the_default_profile, a_program, a_web_identity, a_container)


@pytest.mark.parametrize("place", RENEWED, ids=lambda place: place.__name__.replace("_", " "))
@pytest.mark.parametrize("first", ["get", "get_many", "list"])
def test_a_night_goes_on_with_new_keys(
    place: object, first: str, server: PlainS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(monkeypatch, server)  # type: ignore[operator]  # a function of this module
    store = open_store("s3://images", load_settings().store)
    assert store.get("a") == b"one"
    assert list(store.get_many(["a"])) == [("a", b"one")]
    monkeypatch.setattr(sys.modules[__name__], "FIRST", SECOND)
    server.tokens, server.given = {SECOND}, [SECOND]
    place(monkeypatch, server)  # type: ignore[operator]  # a function of this module
    asked = {"get": lambda: store.get("a"), "get_many": lambda: dict(store.get_many(["a"])), "list": store.list}
    assert {"get": b"one", "get_many": {"a": b"one"}}.get(first, True) == (
        asked[first]() if first != "list" else [info.key for info in store.list()] == ["a", "b"]
    )
    assert list(store.get_many(["a", "b"])) == [("a", b"one"), ("b", b"two")]


def test_keys_are_renewed_before_they_expire(server: PlainS3, monkeypatch: pytest.MonkeyPatch) -> None:
    a_container(monkeypatch, server)
    server.expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)  # less than a request may take
    store = open_store("s3://images", load_settings().store)
    assert store.get("a") == b"one"
    server.tokens, server.given = {SECOND}, [SECOND]
    before = len(server.asked)
    assert store.get("b") == b"two"
    assert {head.get("X-Amz-Security-Token") for _, _, head in server.asked[before:]} == {SECOND}


def test_without_any_keys_requests_are_not_signed(server: PlainS3) -> None:
    assert credentials.source(load_settings().store, server.endpoint) is None
    with pytest.raises(AccessDenied, match="no credentials were found"):
        reads()


def test_nobody_asks_with_keys_that_were_not_wanted(server: PlainS3, monkeypatch: pytest.MonkeyPatch) -> None:
    the_default_profile(monkeypatch, server)
    anonymous = load_settings().store.model_copy(update={"credentials": "anonymous"})
    with pytest.raises(AccessDenied):
        reads(anonymous)
    assert not any("Authorization" in head for _, _, head in server.asked)


def test_the_bucket_in_the_host_name() -> None:
    with PlainS3({"a": b"one", "b": b"two"}, bucket="127") as server:
        # The bucket 127 at the host 0.0.1 is the address 127.0.0.1: no name has to be resolved.
        host = server.endpoint.replace("127.", "")
        store = open_store("s3://127", server.settings.model_copy(update={"endpoint": host, "addressing": "host"}))
        assert [store.get(info.key) for info in store.list()] == [b"one", b"two"]
        assert list(store.get_many(["a", "b"])) == [("a", b"one"), ("b", b"two")]
        assert {path.partition("/")[0] for _, path, _ in server.asked} == {"127"}


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ({"sso_session": "plant"}, "export-credentials"),
        ({"role_arn": "arn:aws:iam::1:role/reader"}, "source_profile"),
        ({"credential_process": "/no/such/program"}, "try it by hand"),
        ({"aws_access_key_id": KEY}, "aws_secret_access_key"),
        ({"role_arn": "r", "source_profile": "other"}, "other"),
    ],
)
def test_a_profile_that_cannot_be_used_says_why(
    said: dict[str, str], remedy: str, server: PlainS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini("config", profile__plant=said)
    monkeypatch.setenv("AWS_PROFILE", "plant")
    with pytest.raises((ConfigError, AccessDenied), match=remedy):
        reads()


def test_half_a_pair_of_keys_is_a_readable_error(server: PlainS3) -> None:
    with pytest.raises(ConfigError, match="set both"):
        reads(StoreSettings(endpoint=server.endpoint, access_key=KEY))
    with pytest.raises(ConfigError, match="set both"):
        reads(StoreSettings(endpoint=server.endpoint, access_key=KEY, secret_key=SecretStr("")))
