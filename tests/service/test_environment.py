"""What each child of the service gets of our environment."""

from __future__ import annotations

import pytest

from steelflow.service.environment import Child, of_child

GIVEN = {
    "PATH": "/bin",
    "HOME": "/home/x",
    "LC_ALL": "C.UTF-8",
    "https_proxy": "http://proxy",
    "STEELFLOW_ALERTS__WEBHOOK": "https://chat.example/token",
    "STEELFLOW_METRICS__PUSH": "https://me:pass@gateway.example",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    "PREFECT_API_URL": "http://127.0.0.1:4200/api",
    "STEELFLOW_STORE__SECRET_KEY": "s",
    "AWS_SECRET_ACCESS_KEY": "s",
    "PREFECT_PROFILE": "work",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "STREAMLIT_SECRETS_FILES": "/etc/secrets.toml",
    "OMP_NUM_THREADS": "1",
    "GITHUB_TOKEN": "t",
    "SSH_AUTH_SOCK": "/run/ssh",
    "MY_PASSWORD": "p",
}
EVERYWHERE = {"PATH", "HOME", "LC_ALL"}
PREFECT = {"PREFECT_LOGGING_LEVEL", "PREFECT_API_URL"}
SENT = {"STEELFLOW_ALERTS__WEBHOOK", "STEELFLOW_METRICS__PUSH"}
STORAGE = {"STEELFLOW_STORE__SECRET_KEY", "AWS_SECRET_ACCESS_KEY"}


@pytest.mark.parametrize(
    ("child", "more"),
    [
        ("server", PREFECT),
        ("serve", {"https_proxy", "OMP_NUM_THREADS", "OTEL_EXPORTER_OTLP_ENDPOINT"} | SENT | PREFECT | STORAGE),
        ("metrics", {"OMP_NUM_THREADS", "PREFECT_API_URL"} | STORAGE),
        ("dashboard", {"https_proxy", "STREAMLIT_SECRETS_FILES", "OMP_NUM_THREADS", "PREFECT_API_URL"} | STORAGE),
    ],
)
def test_a_child_gets_what_it_needs_and_nothing_else(child: Child, more: set[str]) -> None:
    assert of_child(child, GIVEN).keys() == EVERYWHERE | more
