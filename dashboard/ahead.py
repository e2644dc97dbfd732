"""Imports the modules of the pages at the start: otherwise the first visitor waits for them."""

from __future__ import annotations

from importlib import import_module

_MODULES = ("pandas", "dashboard.charts.figures", "dashboard.media.thumbnails")  # Streamlit shows tables with pandas


def import_ahead() -> None:
    for name in _MODULES:
        import_module(name)
