"""``python -m dashboard --server.port 8501``: Streamlit with our app. It imports the pages' modules at the start."""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.web.cli import main

from dashboard.ahead import import_ahead
from steelflow.inspection.runtime import prepare

prepare()
import_ahead()
sys.argv = ["streamlit", "run", str(Path(__file__).parent / "front.py"), *sys.argv[1:]]
main()
