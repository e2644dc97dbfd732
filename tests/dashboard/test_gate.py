"""The gate in front of the dashboard, asked as a server asks it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dashboard.auth.gate import Gate, cookie_name
from steelflow.service import sessions
from steelflow.service.headers import Message, Receive, Scope, Send, WithHeaders

PORT = 8501
URL = f"http://127.0.0.1:{PORT}"


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Frame-Options", b"SAMEORIGIN")]})
    await send({"type": "http.response.body", "body": b"the dashboard"})


class Asked:
    """The answer to one request."""

    def __init__(self, home: Path, path: str = "/", free: bool = False, **scope: Any) -> None:
        path, _, query = path.partition("?")
        asked = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": [], **scope}
        self.told: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            self.told.append(message)

        asyncio.run(WithHeaders(Gate(behind, home, lambda: PORT, lambda: free))(asked, receive, send))

    @property
    def status(self) -> int:
        return int(self.told[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.told[0]["headers"]}

    @property
    def cookie(self) -> str:
        return self.headers["set-cookie"].partition(";")[0]


def token(home: Path) -> str:
    return sessions.new_link(home, URL).partition("?")[2]


def with_cookie(cookie: str) -> dict[str, Any]:
    return {"headers": [(b"host", b"127.0.0.1:8501"), (b"cookie", f"a=b; {cookie}; c=d".encode())]}


@pytest.mark.parametrize("path", ["/", "/models", "/static/js/index.js", "/_stcore/host-config", "/media/x.jpg"])
@pytest.mark.parametrize("more", [{}, with_cookie(f"{cookie_name(PORT)}=guessed"), with_cookie("steelflow-1=x")])
def test_without_a_session_nothing_is_shown(tmp_path: Path, path: str, more: dict[str, Any]) -> None:
    answer = Asked(tmp_path, path, **more)
    assert answer.status == 403
    assert b"steelflow dashboard --link" in answer.told[1]["body"]
    assert Asked(tmp_path, path, type="websocket", **more).told == [{"type": "websocket.close", "code": 1008}]


def test_a_link_becomes_a_session_that_lasts_and_leaves_the_address(tmp_path: Path) -> None:
    link = token(tmp_path)
    answer = Asked(tmp_path, f"/models?line=L1&{link}")
    assert (answer.status, answer.headers["location"]) == (303, "/models?line=L1")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(answer.headers["set-cookie"].split("; "))
    for _ in range(2):
        assert Asked(tmp_path, "/models", **with_cookie(answer.cookie)).told[1]["body"] == b"the dashboard"
        assert Asked(tmp_path, type="websocket", **with_cookie(answer.cookie)).told == [{"type": "websocket.accept"}]
    assert Asked(tmp_path, f"/?{link}").status == 403
    again = Asked(tmp_path, f"/?{link}", **with_cookie(answer.cookie))
    assert (again.status, again.headers["location"], "set-cookie" in again.headers) == (303, "/", False)
    sessions.end(tmp_path, answer.cookie.partition("=")[2])
    assert Asked(tmp_path, **with_cookie(answer.cookie)).status == 403


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_only_an_opened_page_uses_a_link_up(tmp_path: Path, method: str) -> None:
    link = token(tmp_path)
    assert Asked(tmp_path, f"/?{link}", method=method).status == 403
    assert Asked(tmp_path, f"/?{link}", type="websocket").told[0]["type"] == "websocket.close"
    assert Asked(tmp_path, f"/?{link}").status == 303


def test_a_link_never_leads_to_another_host(tmp_path: Path) -> None:
    assert Asked(tmp_path, f"//evil.example/?{token(tmp_path)}").headers["location"] == "/evil.example/"


def test_health_is_told_to_everybody(tmp_path: Path) -> None:
    assert Asked(tmp_path, "/_stcore/health").status == 200


def test_where_a_login_decides_the_gate_is_open(tmp_path: Path) -> None:
    assert Asked(tmp_path, free=True).told[1]["body"] == b"the dashboard"


@pytest.mark.parametrize("free", [True, False])
def test_no_page_may_be_framed(tmp_path: Path, free: bool) -> None:
    answer = Asked(tmp_path, free=free)
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert len(answer.told[0]["headers"]) == len(answer.headers)
