"""Imports the modules of the pages at the start: otherwise the first visitor waits for them."""

from __future__ import annotations

from importlib import import_module

from streamlit.logger import get_logger

_MODULES = ("pandas", "dashboard.charts.figures", "dashboard.media.thumbnails")  # Streamlit shows tables with pandas


def import_ahead() -> None:
    get_logger("streamlit.runtime.caching.cache_data_api").setLevel("ERROR")  # it misses the server, which starts next
    for name in _MODULES:
        import_module(name)
