"""Roles: a viewer reads; a labeller also labels; an operator also starts runs, promotes and rolls back.

Without a login, the operator is the account that started the dashboard: whoever opened a link that it has made, on this
machine and not through a proxy (``service.sessions``, ``gate``). If the settings let guests in, all others are viewers;
otherwise they get nothing. With Streamlit's login (OIDC, ``[auth]`` in its secrets.toml), the settings give roles by
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

from dashboard.auth.gate import cookie_name
from dashboard.data import sources
from steelflow.config import DashboardSettings, Role
from steelflow.errors import SteelflowError
from steelflow.service import sessions

_RANK: dict[Role, int] = {"viewer": 0, "labeller": 1, "operator": 2}
GUEST = "guest"
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


def has_login() -> bool:
    """Whether Streamlit's login decides who gets in. Where it is unusable, it lets nobody in."""
    try:
        return login_configured()
    except LoginUnusable:
        return True


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
    """The current user. None if the user must log in first, or open a link.

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
    if sessions.is_open(_home(), _session()):
        return local(settings, is_here(st.get_option("server.address"), st.context.headers))
    return local(settings, here=False) if settings.guests else None


def log_out() -> None:
    """End the session of the current user, on all pages that it has open."""
    if has_login():
        st.logout()
    elif (session := _session()) is not None:
        sessions.end(_home(), session)


def _session() -> str | None:
    """The secret of the session that the browser has sent."""
    return st.context.cookies.get(cookie_name(int(st.get_option("server.port"))))


def _home() -> Path:
    return sources.settings().home.absolute()


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
    """The actor without a login. ``here``: an open session, and the request comes from this machine."""
    if here:
        return Actor(settings.local_user or getpass.getuser(), "operator")
    return Actor(GUEST, "viewer")


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
