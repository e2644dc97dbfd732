"""``python -m flows.server``: Prefect's server, as ``prefect server start`` runs it, for this machine only.

Prefect asks for the secret in ``PREFECT_SERVER_API_AUTH_STRING``. We also refuse requests for other host names (a
foreign site can point its own name to this address), and to be framed by another page.
"""

from __future__ import annotations

from typing import Any

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings
from starlette.middleware.trustedhost import TrustedHostMiddleware

from steelflow.errors import ConfigError
from steelflow.service.headers import WithHeaders

_HOSTS = ["127.0.0.1", "localhost"]


def application() -> Any:
    """Prefect's application behind our two guards. Raises ``ConfigError`` without a secret."""
    if get_current_settings().server.api.auth_string is None:
        raise ConfigError("PREFECT_SERVER_API_AUTH_STRING is not set; start the server with `steelflow up`")
    app = create_app(final=True)
    app.add_middleware(WithHeaders)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)
    return app


def main() -> None:
    api = get_current_settings().server.api
    uvicorn.run(
        application(),
        host=api.host,
        port=api.port,
        timeout_keep_alive=api.keepalive_timeout,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
        log_level=get_current_settings().server.logging_level.lower(),
    )


if __name__ == "__main__":
    main()
