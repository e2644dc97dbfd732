"""The environment of each child of the service: what it needs, and nothing else.

The webhook's address, which may contain a token, reaches the process that sends alerts only. The keys of the storage do
not reach Prefect's server. (``store.embedded`` does the same for the storage's program.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal

Child = Literal["server", "serve", "dashboard"]

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
    "serve": rf"{_MACHINE}|{_COMPUTING}|{_PROXIES}|{_STORAGE}|PREFECT_\w+",
    "dashboard": rf"{_MACHINE}|{_COMPUTING}|{_PROXIES}|{_STORAGE}|PREFECT_API_\w+|STREAMLIT_\w+",
}
_NOT_FOR_ALL = {_WEBHOOK: ("serve",), "PREFECT_PROFILE": ()}


def of_child(child: Child, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of ``environment`` that a child needs."""
    needed = re.compile(_NEEDS[child])
    return {
        name: value
        for name, value in environment.items()
        if needed.fullmatch(name) and child in _NOT_FOR_ALL.get(name, (child,))
    }
