"""The environment of each child of the service: what it needs, and nothing else.

The addresses of the webhook and the push gateway, which may contain secrets, reach the process that sends to them only.
The keys of the storage do not reach Prefect's server. (``store.embedded`` does the same for the storage's program.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal

Child = Literal["server", "serve", "dashboard", "metrics"]

_MACHINE = (
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TZDIR|TMPDIR|TEMP|TMP|XDG_\w+|TERM|NO_COLOR|COLUMNS"
    r"|LD_LIBRARY_PATH|PYTHON\w+|VIRTUAL_ENV|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|COVERAGE_\w+"
)
_COMPUTING = (
    r"OMP_\w+|OPENBLAS_\w+|MKL_\w+|ORT_\w+|CUDA_\w+|NVIDIA_\w+|TORCH\w*|PYTORCH_\w+|OPENVINO_\w+|MALLOC_\w+|RAY_\w+"
)
_PROXIES = r"(?i:(https?|all|no)_proxy)"
_STORAGE = r"AWS_\w+|STEELFLOW_\w+"
_WEBHOOK = "STEELFLOW_ALERTS__WEBHOOK"

_NEEDS: dict[Child, str] = {
    "server": rf"{_MACHINE}|PREFECT_\w+",
    "serve": rf"{_MACHINE}|{_COMPUTING}|{_PROXIES}|{_STORAGE}|PREFECT_\w+|OTEL_\w+",
    "metrics": rf"{_MACHINE}|{_COMPUTING}|{_STORAGE}|PREFECT_API_URL",
    "dashboard": rf"{_MACHINE}|{_COMPUTING}|{_PROXIES}|{_STORAGE}|PREFECT_API_\w+|STREAMLIT_\w+",
}
_PUSH = "STEELFLOW_METRICS__PUSH"
_NOT_FOR_ALL = {_WEBHOOK: ("serve",), _PUSH: ("serve",), "PREFECT_PROFILE": ()}


def of_child(child: Child, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of ``environment`` that a child needs."""
    needed = re.compile(_NEEDS[child])
    return {
        name: value
        for name, value in environment.items()
        if needed.fullmatch(name) and child in _NOT_FOR_ALL.get(name, (child,))
    }
