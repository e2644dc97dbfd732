"""The dashboard as Streamlit runs it in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import ROOT
from streamlit.testing.v1 import AppTest

from steelflow.config import Settings

APP = ROOT / "dashboard" / "app.py"


OPERATOR = "anna@plant.example"


def opened(
    settings: Settings,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    page: str = "tonight",
    email: str = OPERATOR,
    more: str = "",
    **query: str,
) -> AppTest:
    """A page after its first run, for somebody who has logged in."""
    config = folder / "dashboard.toml"
    config.write_text(
        f"home = '{settings.home}'\n[archive]\nuri = '{settings.archive.uri}'\n"
        f"[report]\nuri = '{settings.report.uri}'\n{more}\n[dashboard]\nroles = {{ '{OPERATOR}' = 'operator' }}\n"
    )
    monkeypatch.setenv("STEELFLOW_CONFIG", str(config))
    app = AppTest.from_file(APP, default_timeout=60)
    app.secrets["auth"] = {"client_id": "x"}
    app.user = {"is_logged_in": True, "email": email, "email_verified": True}
    app.query_params.update(query)
    app.run()
    if page != "tonight":
        app.query_params.update(query)
        app.switch_page(f"app_pages/{page}.py").run()
    return app


def texts(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.error, *app.warning, *app.title, *app.subheader]
    return "\n".join(str(part.value) for part in parts)
