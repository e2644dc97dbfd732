"""Roles: a viewer reads; a labeller also labels; an operator also starts runs, promotes and rolls back.

Without a login, the user at this machine is an operator: the dashboard is bound to 127.0.0.1. Requests from other
machines or through a proxy are viewers. A request under another host name is a viewer, too: a foreign site can point
its own name to this address. With Streamlit's login (OIDC, ``[auth]`` in its secrets.toml), the settings give roles by
e-mail. If the login is configured incorrectly, nobody gets access.
"""

from __future__ import annotations

import getpass
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitAuthError

from dashboard.data import sources
from steelflow.config import DashboardSettings, Role
from steelflow.errors import SteelflowError

_RANK: dict[Role, int] = {"viewer": 0, "labeller": 1, "operator": 2}
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via")


class NotAllowed(SteelflowError):
    """The user's role does not allow the action. Nothing was changed."""


class LoginUnusable(SteelflowError):
    """The login is configured, but incorrectly."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The current user. ``name`` is recorded with every change."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]

    def must_be(self, role: Role) -> None:
        """Raises ``NotAllowed`` if the actor's role is lower than ``role``."""
        if not self.may(role):
            raise NotAllowed(
                f"{self.name} has the role {self.role}, but this needs the role {role}; nothing was changed; "
                "an administrator gives roles in [dashboard.roles] of the settings"
            )


def login_configured() -> bool:
    """Whether Streamlit's login is configured.

    Raises:
        LoginUnusable: the secrets file cannot be read, or the configured one does not exist.
    """
    try:
        return "auth" in st.secrets
    except FileNotFoundError as exc:
        named = config.is_manually_set("secrets.files")
        if named or any(Path(file).exists() for file in st.get_option("secrets.files")):
            raise LoginUnusable(f"{_line(exc)}; nobody gets access until this file can be read") from exc
        return False


def log_in() -> None:
    """Send the user to the identity provider.

    Raises:
        LoginUnusable: ``[auth]`` is incomplete.
    """
    try:
        st.login()
    except StreamlitAuthError as exc:
        raise LoginUnusable(_line(exc)) from exc


def actor() -> Actor | None:
    """The current user. None if the user must log in first.

    Raises:
        NotAllowed: the user has no role here.
        LoginUnusable: see ``login_configured``.
    """
    settings = sources.settings().dashboard
    if login_configured():
        return by_claims(settings, dict(st.user)) if st.user.get("is_logged_in") else None
    if settings.roles or settings.default_role == "none":
        raise LoginUnusable(
            "[dashboard] of the settings gives roles, but there is no [auth] in Streamlit's secrets.toml, so nobody "
            "can log in; configure the login (infra/README.md), or remove the roles"
        )
    return local(settings, is_here(st.get_option("server.address"), st.context.headers))


def by_claims(settings: DashboardSettings, claims: dict[str, object]) -> Actor:
    """The actor behind the claims of an identity provider.

    Raises:
        NotAllowed: there is no e-mail address, it is not verified, or it has no role here.
    """
    email = str(claims.get("email") or "").strip().lower()
    if not email:
        raise NotAllowed(
            "the login has no e-mail address; an administrator must configure the provider to put it into the ID "
            "token, as `email`"
        )
    # Some providers leave the claim out, some send it as text. It counts as verified if it is missing or true.
    if str(claims.get("email_verified", True)).lower() != "true":
        raise NotAllowed(f"{email} is not verified; verify it at your login provider, then log in again")
    roles = {name.strip().lower(): role for name, role in settings.roles.items()}
    role = roles.get(email, settings.default_role)
    if role == "none":
        raise NotAllowed(f"{email} has no role here; an administrator gives one in [dashboard.roles] of the settings")
    return Actor(email, role)


def local(settings: DashboardSettings, here: bool) -> Actor:
    """The actor without a login. ``here``: the request comes from this machine."""
    if here:
        return Actor(settings.local_user or getpass.getuser(), "operator")
    return Actor("guest", "viewer")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def is_here(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether the request comes from this machine: the server listens on a loopback ``address``, the browser asked for
    a loopback host, and there is no proxy in between."""
    forwarded = any(headers.get(name) for name in _FORWARDED)
    return _is_loopback(address) and _is_loopback(_host(headers.get("Host"))) and not forwarded


def _host(header: str | None) -> str:
    """The name or address in a ``Host`` header, without its port."""
    try:
        return urlsplit(f"//{header or ''}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(address: str | None) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address or "0.0.0.0").is_loopback  # noqa: S104
    except ValueError:
        return False
