"""Who may do what: a viewer looks, a labeller labels as well, an operator also starts, promotes and rolls back.

Without a login, who sits at this machine is an operator: the dashboard is bound to 127.0.0.1. Whoever comes from
elsewhere, or through a proxy, may look only; so may a page of another site whose name was made to lead here. With
Streamlit's own login (OIDC, ``[auth]`` in its secrets.toml), roles are given by e-mail in the settings. A login that
was meant and is set up wrongly lets nobody in.
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
    """Somebody asked for what their role does not allow; nothing was changed."""


class LoginUnusable(SteelflowError):
    """A login was meant, and is not set up as it has to be."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is here. ``name`` is recorded with everything that they change."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]

    def must_be(self, role: Role) -> None:
        """Raises ``NotAllowed`` unless the actor has this role or a higher one."""
        if not self.may(role):
            raise NotAllowed(
                f"{self.name} is a {self.role}, and this takes a role of {role}; nothing was changed; "
                "an administrator gives roles in [dashboard.roles] of the settings"
            )


def login_configured() -> bool:
    """Whether Streamlit's own login is set up.

    Raises:
        LoginUnusable: there is a file of secrets that cannot be read, or one that was asked for is not there.
    """
    try:
        return "auth" in st.secrets
    except FileNotFoundError as exc:
        named = config.is_manually_set("secrets.files")
        if named or any(Path(file).exists() for file in st.get_option("secrets.files")):
            raise LoginUnusable(f"{_line(exc)}; until it can be read nobody gets in") from exc
        return False


def log_in() -> None:
    """Send who is looking to the identity provider.

    Raises:
        LoginUnusable: ``[auth]`` lacks something.
    """
    try:
        st.login()
    except StreamlitAuthError as exc:
        raise LoginUnusable(_line(exc)) from exc


def actor() -> Actor | None:
    """Who is looking at the page; None where a login is asked for first.

    Raises:
        NotAllowed: who has logged in has no role here.
        LoginUnusable: as of ``login_configured``.
    """
    settings = sources.settings().dashboard
    if login_configured():
        return by_claims(settings, dict(st.user)) if st.user.get("is_logged_in") else None
    if settings.roles or settings.default_role == "none":
        raise LoginUnusable(
            "[dashboard] of the settings gives roles, but there is no [auth] in Streamlit's secrets.toml, so nobody "
            "can log in; set up the login (infra/README.md), or take the roles away"
        )
    return local(settings, is_here(st.get_option("server.address"), st.context.headers))


def by_claims(settings: DashboardSettings, claims: dict[str, object]) -> Actor:
    """The actor behind the claims of an identity provider.

    Raises:
        NotAllowed: there is no e-mail, it was not verified, or it has no role here.
    """
    email = str(claims.get("email") or "").strip().lower()
    if not email:
        raise NotAllowed(
            "the login names no e-mail address; an administrator lets the provider put it into the ID token, as `email`"
        )
    # Some providers never say; some say it as text. What is neither absent nor true is not verified.
    if str(claims.get("email_verified", True)).lower() != "true":
        raise NotAllowed(f"{email} was not verified; verify it at the provider that you log in with, then log in again")
    roles = {name.strip().lower(): role for name, role in settings.roles.items()}
    role = roles.get(email, settings.default_role)
    if role == "none":
        raise NotAllowed(f"{email} has no role here; an administrator gives one in [dashboard.roles] of the settings")
    return Actor(email, role)


def local(settings: DashboardSettings, here: bool) -> Actor:
    """The actor where nobody logs in; ``here`` says that only who sits at this machine can be asking."""
    if here:
        return Actor(settings.local_user or getpass.getuser(), "operator")
    return Actor("guest", "viewer")


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def is_here(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether only who sits at this machine can be asking: the server listens at a loopback ``address``, and the
    browser was told to ask one, with nobody in between."""
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
