"""``python -m dashboard --server.port 8501``: Streamlit with our app. It imports the pages' modules at the start.

The options are Streamlit's, and ``--quiet``: the link is not printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from streamlit.web.cli import main

from dashboard.ahead import import_ahead
from steelflow.inspection.runtime import prepare

prepare()
import_ahead()
options = [option for option in sys.argv[1:] if option != "--quiet"]
ours = ["--", "--quiet"] if "--quiet" in sys.argv[1:] else []
front = str(Path(__file__).parent / "front.py")
sys.argv = ["streamlit", "run", front, "--logger.hideWelcomeMessage", "true", *options, *ours]
main()
