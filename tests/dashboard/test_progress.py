"""The progress of a night on the page Runs: from Prefect, and from storage for nights of a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from pages import opened, texts
from plants import NIGHT, local_settings

from dashboard.auth.orchestrator import Orchestrator
from steelflow.report.layout import progress_key
from steelflow.report.progress import NightProgress
from steelflow.store.local import LocalStore


def test_a_night_of_a_terminal_is_shown_from_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    store = LocalStore(tmp_path / "report", create=True)
    store.put(progress_key(NIGHT), NightProgress(NIGHT, "run-7", 2, 1, 3, 0, 4, 9_000, 800.0, 0.4, 200.0).to_json())
    app = opened(settings, tmp_path, monkeypatch, "runs")
    assert not app.exception
    assert f"**Night of {NIGHT}**" in texts(app)
    bars = [one.proto for one in app.get("progress")]
    assert [(bar.value, bar.text) for bar in bars] == [(40, "40 %, 9,000 images, 800/s, 3 min left; 4 units left")]
    store.delete(progress_key(NIGHT))
    st.cache_data.clear()
    assert not opened(settings, tmp_path, monkeypatch, "runs").get("progress")


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("43 %, 9,000 images, 800/s, 3 min left", "43 %, 9,000 images, 800/s, 3 min left"),
        ("Inspected share of the night, in percent", ""),
        (None, ""),
    ],
)
def test_prefects_artifact_has_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, description: str | None, told: str
) -> None:
    answers: dict[str, Any] = {
        "/api/deployments/filter": [{"id": "d1", "name": "nightly"}],
        "/api/flow_runs/filter": [{"id": "r1", "name": "a", "deployment_id": "d1", "state_type": "RUNNING"}],
        "/api/artifacts/filter": [{"flow_run_id": "r1", "data": 43.0, "description": description}],
    }
    monkeypatch.setattr(Orchestrator, "_ask", lambda self, method, path, body=None: answers[path])
    run = Orchestrator("http://127.0.0.1:9").runs()[0]
    assert (run.progress, run.told, run.under_way) == (43.0, told, True)
