"""The application that Streamlit's server runs: our app, with what the browser must know first. ``python -m dashboard``
starts it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from dashboard.head import WithScript

app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(WithScript)])
