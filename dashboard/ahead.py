"""What the pages import, imported before anybody comes: the first visitor would wait for all of it."""

from __future__ import annotations

from importlib import import_module

_MODULES = ("pandas", "dashboard.charts.figures", "dashboard.media.thumbnails")  # Streamlit shows tables with pandas


def import_ahead() -> None:
    for name in _MODULES:
        import_module(name)
