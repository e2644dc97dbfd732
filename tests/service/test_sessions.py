"""Links of the dashboard: each works once, and only for the account that made it."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import TextIO

import pytest

from steelflow.service import sessions

URL = "http://127.0.0.1:8501"


def token_of(link: str) -> str:
    return link.partition("token=")[2]


def begun(home: Path) -> str:
    session = sessions.open_link(home, token_of(sessions.new_link(home, URL)))
    assert session is not None
    return session


def age(home: Path, kind: str, seconds: float) -> None:
    for file in (home / "dashboard" / kind).iterdir():
        old = file.stat().st_mtime - seconds
        os.utime(file, (old, old))


def test_a_link_begins_one_session(tmp_path: Path) -> None:
    link = sessions.new_link(tmp_path, URL)
    assert link.startswith(f"{URL}/?token=")
    session = sessions.open_link(tmp_path, token_of(link))
    assert sessions.is_open(tmp_path, session)
    assert sessions.open_link(tmp_path, token_of(link)) is None


def test_of_several_that_open_it_at_once_one_gets_in(tmp_path: Path) -> None:
    for _ in range(20):
        token = token_of(sessions.new_link(tmp_path, URL))
        got: Counter[bool] = Counter()
        start = threading.Barrier(4)

        def opened(token: str = token, got: Counter[bool] = got, start: threading.Barrier = start) -> None:
            start.wait()
            got[sessions.open_link(tmp_path, token) is not None] += 1

        threads = [threading.Thread(target=opened) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == {True: 1, False: 3}


@pytest.mark.parametrize("secret", ["", "x", "../../prefect/api-secret", "\0", "a" * 5000, "ü"])
def test_what_was_not_made_here_opens_nothing(tmp_path: Path, secret: str) -> None:
    session = begun(tmp_path)
    assert sessions.open_link(tmp_path, secret) is None
    assert not sessions.is_open(tmp_path, secret)
    assert sessions.open_link(tmp_path, session) is None  # a session is no link
    assert sessions.is_open(tmp_path, session)


def test_an_ended_session_is_void_and_others_stay(tmp_path: Path) -> None:
    one, other = begun(tmp_path), begun(tmp_path)
    sessions.end(tmp_path, one)
    assert (sessions.is_open(tmp_path, one), sessions.is_open(tmp_path, other)) == (False, True)


def test_old_links_and_sessions_are_void_and_removed(tmp_path: Path) -> None:
    token, session = token_of(sessions.new_link(tmp_path, URL)), begun(tmp_path)
    age(tmp_path, "links", sessions.LINK_SECONDS + 5)
    age(tmp_path, "sessions", sessions.SESSION_SECONDS + 5)
    assert sessions.open_link(tmp_path, token) is None
    assert not sessions.is_open(tmp_path, session)
    begun(tmp_path)
    assert len(list((tmp_path / "dashboard" / "sessions").iterdir())) == 1


def test_no_file_has_the_secret_and_none_is_open_to_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    token, session = token_of(sessions.new_link(home, URL)), begun(home)
    for path in (home, *home.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0
        assert not {token, session} & {path.name, path.read_text() if path.is_file() else ""}


def test_the_address_is_kept(tmp_path: Path) -> None:
    assert sessions.address(tmp_path) is None
    sessions.announce(tmp_path, URL)
    assert sessions.address(tmp_path) == URL


def test_a_log_that_others_may_read_is_closed_before_it_gets_the_link(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        (tmp_path / "log").chmod(0o644)
        assert "?token=" in sessions.shown_link(tmp_path, URL, log)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_the_journal_gets_no_link(tmp_path: Path) -> None:
    one, other = socket.socketpair()
    with one, other, one.makefile("w") as journal:
        out: TextIO = journal
        shown = sessions.shown_link(tmp_path, URL, out)
    assert "token" not in shown
    assert "steelflow dashboard --link" in shown


def test_a_stream_in_memory_gets_the_link(tmp_path: Path) -> None:
    assert "?token=" in sessions.shown_link(tmp_path, URL, io.StringIO())
