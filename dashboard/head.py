"""What the browser must know before Streamlit's part starts: our script, and where the server is.

Streamlit looks for its server below the page's own path first, such as ``/coil/_stcore/health``, and the browser
reports each miss as an error. All of our pages are one level deep, so ``./`` is the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

SCRIPT = (Path(__file__).parent / "browser.js").read_text(encoding="utf-8")
_ROOT = 'window.__streamlit = {BACKEND_BASE_URL: new URL("./", location.href).href};'
_HEAD = b"<head>"
_CHANGED = (b"content-length", b"etag", b"last-modified")  # of the file as it was

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class WithScript:
    """An ASGI application, Streamlit's, whose HTML pages begin with our script."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or "." in scope["path"] or "/_stcore/" in scope["path"]:
            await self._app(scope, receive, send)
            return
        plain = (b"accept-encoding", b"if-none-match", b"if-modified-since")
        headers = [(name, value) for name, value in scope["headers"] if name not in plain]
        page = _Page(send)
        await self._app({**scope, "headers": headers}, receive, page.send)


class _Page:
    """Holds an answer until it is complete, if it is HTML."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_html(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _finish(self, start: Message) -> None:
        added = f"<head><script>{_ROOT}</script><script>{SCRIPT}</script>".encode()
        body = self._body.replace(_HEAD, added, 1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() not in _CHANGED]
        await self._send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})


def _is_html(message: Message) -> bool:
    return any(name.lower() == b"content-type" and b"text/html" in value for name, value in message["headers"])
