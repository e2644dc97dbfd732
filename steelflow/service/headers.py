"""HTTP headers of our pages: no other page may show them in a frame, and browsers do not guess their type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = {
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}


class WithHeaders:
    """An ASGI application (Prefect's or Streamlit's) whose answers have ``HEADERS``; its own values of them are
    replaced, but a policy for content is kept beside ours."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                replaced = HEADERS.keys() - {b"content-security-policy"}
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in replaced]
                message["headers"] = [*kept, *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, with_headers)
