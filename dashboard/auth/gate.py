"""In front of every request: without a login, only sessions that were begun by a link get in (``service.sessions``).

The link's token becomes a cookie that scripts cannot read, and leaves the address at once. With OIDC, or if the
settings let guests in, everybody passes, and ``access`` decides what they may do.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from steelflow.service import sessions
from steelflow.service.headers import Application, Receive, Scope, Send

_HEALTH = "/_stcore/health"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>steelflow</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1.5rem}}
code{{background:color-mix(in srgb,currentColor 10%,transparent);padding:.1em .3em;border-radius:.2em}}</style></head>
<body><h1>{title}</h1><p>Open the link that <code>steelflow dashboard</code> or <code>steelflow up</code> printed when
it started. A link works once, for an hour.</p>
<p>For a new link, run this as the same account on this machine:</p><p><code>steelflow dashboard --link</code></p>
</body></html>
"""


class Gate:
    """An ASGI application in front of Streamlit's.

    Args:
        home: with the links and sessions.
        port: where the dashboard listens; it is known after the start.
        is_free: whether everybody passes.
    """

    def __init__(self, app: Application, home: Path, port: Callable[[], int], is_free: Callable[[], bool]) -> None:
        self._app = app
        self._home = home
        self._port = port
        self._is_free = is_free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] == _HEALTH or self._is_free():
            return await self._app(scope, receive, send)
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in query if name == "token"), None)
        known = sessions.is_open(self._home, cookie_of(scope, self._port()))
        if token is not None and scope["type"] == "http" and scope["method"] == "GET":
            begun = None if known else sessions.open_link(self._home, token)
            if known or begun:
                return await self._forward(scope, send, query, begun)
        if known:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        title = "You need a link to open this dashboard" if token is None else "This link was used, or is too old"
        return await _answer(send, HTTPStatus.FORBIDDEN, _PAGE.format(title=title).encode())

    async def _forward(self, scope: Scope, send: Send, query: list[tuple[str, str]], begun: str | None) -> None:
        """To the same page without the token."""
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + scope["path"].lstrip("/")  # two slashes would lead to another host
        headers = [(b"location", f"{path}?{rest}".rstrip("?").encode("latin-1", "ignore"))]
        if begun is not None:
            life = f"Max-Age={sessions.SESSION_SECONDS:.0f}"
            value = f"{cookie_name(self._port())}={begun}; Path=/; HttpOnly; SameSite=Lax; {life}"
            headers.append((b"set-cookie", value.encode()))
        await _answer(send, HTTPStatus.SEE_OTHER, b"", headers)


def cookie_name(port: int) -> str:
    """With the port, because a browser sends the cookies of a host to all of its ports."""
    return f"steelflow-{port}"


def cookie_of(scope: Scope, port: int) -> str | None:
    """The session's secret in a request."""
    for name, value in scope.get("headers", ()):
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(cookie_name(port))
            except CookieError:
                return None
            if found is not None:
                return found.value
    return None


async def _answer(send: Send, status: HTTPStatus, body: bytes, more: list[tuple[bytes, bytes]] | None = None) -> None:
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), *(more or [])]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
