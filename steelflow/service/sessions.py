"""The local operator of a dashboard without a login: the account that opened a link which it has made itself.

A link works once, for an hour. It begins a session, which a cookie holds; logging out ends it. Other accounts of the
machine reach the port, but they know no link: links and sessions are files in ``home``, named by their digests.

    home/dashboard/links/<SHA-256>      a link that was not opened yet
    home/dashboard/sessions/<SHA-256>   a session
    home/dashboard/address              where the dashboard listens
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import time
from pathlib import Path
from typing import IO

from steelflow.store.private import own_folder, own_home, write_own

LINK_SECONDS = 3600.0
SESSION_SECONDS = 30 * 24 * 3600.0
ANOTHER = "`steelflow dashboard --link` prints a new link"


def new_link(home: Path, url: str) -> str:
    """The dashboard's address with a token that works once."""
    token = secrets.token_urlsafe(32)
    _begin(home, "links", token, LINK_SECONDS)
    return f"{url}/?token={token}"


def open_link(home: Path, token: str) -> str | None:
    """Use the token of a link: the secret of a new session; None if the link is unknown, used or too old."""
    if not _end(home, "links", token, LINK_SECONDS):
        return None
    session = secrets.token_urlsafe(32)
    _begin(home, "sessions", session, SESSION_SECONDS)
    return session


def is_open(home: Path, session: str | None) -> bool:
    """Whether it is the secret of a session that has not ended."""
    return bool(session) and _young(_file(home, "sessions", str(session)), SESSION_SECONDS)


def end(home: Path, session: str) -> None:
    """End a session. All pages that it has open become void."""
    _end(home, "sessions", session, SESSION_SECONDS)


def announce(home: Path, url: str) -> None:
    """Record where the dashboard listens, for ``steelflow dashboard --link``."""
    write_own(own_folder(own_home(home) / "dashboard") / "address", url)


def address(home: Path) -> str | None:
    """Where the last dashboard of this home listens, or did listen."""
    with contextlib.suppress(OSError):
        return (home / "dashboard" / "address").read_text()
    return None


def shown_link(home: Path, url: str, out: IO[str]) -> str:
    """What to print at the start: the link; or, if ``out`` is a log that others may read, how to get one.

    A file that we own is closed to others instead.
    """
    if _is_private(out):
        return new_link(home, url)
    return f"{url} ({ANOTHER})"


def _is_private(out: IO[str]) -> bool:
    try:
        found = os.fstat(out.fileno())
    except (OSError, ValueError):  # it exists in this process only
        return True
    if stat.S_ISSOCK(found.st_mode):  # the journal
        return False
    if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
        with contextlib.suppress(OSError):
            os.fchmod(out.fileno(), stat.S_IMODE(found.st_mode) & ~0o077)
            return True
        return False
    return True


def _begin(home: Path, kind: str, secret: str, seconds: float) -> None:
    folder = own_folder(own_folder(own_home(home) / "dashboard") / kind)
    for old in folder.iterdir():
        if not _young(old, seconds):
            old.unlink(missing_ok=True)
    write_own(_file(home, kind, secret), "")


def _end(home: Path, kind: str, secret: str, seconds: float) -> bool:
    """Delete it. Returns whether it was there and young: of several processes, one gets True."""
    file = _file(home, kind, secret)
    young = _young(file, seconds)
    try:
        file.unlink()
    except OSError:
        return False
    return young


def _young(file: Path, seconds: float) -> bool:
    with contextlib.suppress(OSError):
        return 0 <= time.time() - file.stat().st_mtime + 1 < seconds + 1
    return False


def _file(home: Path, kind: str, secret: str) -> Path:
    return home / "dashboard" / kind / hashlib.sha256(secret.encode()).hexdigest()
