"""Each test of the dashboard begins with empty caches: plants differ, and Streamlit's caches are of the process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    st.cache_data.clear()
    st.cache_resource.clear()
