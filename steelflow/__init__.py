"""steelflow: overnight inspection of steel-surface image archives.

The names below are the Python API. Each is loaded when it is first used, so ``import steelflow`` is fast and does not
load torch, Polars or PyArrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from steelflow import errors
from steelflow.errors import SteelflowError

if TYPE_CHECKING:
    from steelflow.api.drift import compare_drift
    from steelflow.api.images import classify
    from steelflow.api.reports import inspect, open_report
    from steelflow.api.stores import open_labels, open_registry
    from steelflow.api.training import evaluate, train
    from steelflow.config import Settings, load_settings

    __version__: str

__all__ = [
    "Settings",
    "SteelflowError",
    "__version__",
    "classify",
    "compare_drift",
    "errors",
    "evaluate",
    "inspect",
    "load_settings",
    "open_labels",
    "open_registry",
    "open_report",
    "train",
]

_HOMES = {
    "Settings": "steelflow.config",
    "classify": "steelflow.api.images",
    "compare_drift": "steelflow.api.drift",
    "evaluate": "steelflow.api.training",
    "inspect": "steelflow.api.reports",
    "load_settings": "steelflow.config",
    "open_labels": "steelflow.api.stores",
    "open_registry": "steelflow.api.stores",
    "open_report": "steelflow.api.reports",
    "train": "steelflow.api.training",
}


def _load(name: str) -> object:
    if name == "__version__":
        value = import_module("importlib.metadata").version("steelflow")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a type checker would take every misspelt name for one that this function finds
    __getattr__ = _load
