"""``python -m dashboard --server.port 8501``: Streamlit with our app, and its imports done before anybody comes."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas  # noqa: F401  Streamlit shows tables with it
from streamlit.web.cli import main

import dashboard.charts
import dashboard.thumbnails  # noqa: F401  with these comes everything that the pages import

sys.argv = ["streamlit", "run", str(Path(__file__).parent / "app.py"), *sys.argv[1:]]
main()
