"""The stages of a night as spans: with OpenTelemetry they are sent, and without it nothing is loaded."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plants import local_settings, make_plant

NIGHT_OF = """
import json, sys
from pathlib import Path
from plants import NIGHT
from steelflow.config import Settings
from steelflow.night.run import inspect_night
settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())
{before}
result = inspect_night(settings, NIGHT)
{after}
"""
COLLECTED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
"""
TOLD = """
ended = spans.get_finished_spans()
names = {one.context.span_id: one.name for one in ended}
print(json.dumps([(one.name, one.parent and names[one.parent.span_id], dict(one.attributes)) for one in ended]))
"""
LOADED = "print(json.dumps(sorted(name for name in sys.modules if name.startswith('opentelemetry'))))"


def output(tmp_path: Path, before: str, after: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = tmp_path / "settings.json"
    settings.write_text(local_settings(make_plant(tmp_path), tmp_path / "report").model_dump_json())
    code = NIGHT_OF.format(before=before, after=after)
    support = str(Path(__file__).parents[1] / "support")
    path = os.pathsep.join([support, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", code, str(settings)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **variables},
        timeout=250,
    )


def installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.sdk.trace") is not None
    except ModuleNotFoundError:
        return False


def test_without_a_collector_nothing_of_opentelemetry_is_loaded(tmp_path: Path) -> None:
    done = output(tmp_path, "", LOADED)
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stderr


@pytest.mark.skipif(not installed(), reason="the extra `traces` is not installed")
def test_the_stages_of_a_night_are_spans_of_it(tmp_path: Path) -> None:
    done = output(tmp_path, COLLECTED, TOLD)
    assert done.returncode == 0, done.stderr
    spans = [(name, parent) for name, parent, _ in json.loads(done.stdout)]
    of = {name: attributes for name, _, attributes in json.loads(done.stdout)}
    assert sorted(spans, key=str) == sorted(
        [("night", None), ("inspect", "night"), ("plan", "night"), ("plan", "night"), ("record", "night"),
         ("drift", "record")],
        key=str,
    )  # fmt: skip
    assert of["record"]["steelflow.state"] == "complete"
    assert of["night"]["steelflow.night"] == "2026-11-01"
    assert of["inspect"]["steelflow.decode_seconds"] > 0


@pytest.mark.skipif(installed(), reason="the extra `traces` is installed")
def test_a_collector_without_the_extra_is_said_once(tmp_path: Path) -> None:
    done = output(tmp_path, "", "", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0
    assert done.stderr.count("pip install 'steelflow[traces]'") == 1
