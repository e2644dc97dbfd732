"""JSON logs: every line of a night says which run, night and line it is about, and no line has a secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from plants import NIGHT, UNITS, make_plant
from pydantic import SecretStr

from steelflow.config import AlertSettings, Settings, StoreSettings
from steelflow.telemetry.logs import HIDDEN, JsonLines, about, fields, secrets_of

SECRET = "tHiS-iS-nObOdY's-BuSiNeSs"


def record(text: str, *args: object, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("steelflow.x", logging.WARNING, "x.py", 1, text, args, None)
    made.__dict__.update(extra)
    return made


def line(formatter: JsonLines, text: str, *args: object, **extra: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(formatter.format(record(text, *args, **extra)))
    return told


def test_an_inner_context_adds_to_the_outer_one_and_all_ends_with_it() -> None:
    assert fields() == {}
    with about(night="2026-11-01", line=None):
        with about(run_id="r1"):
            assert fields() == {"night": "2026-11-01", "run_id": "r1"}
        assert fields() == {"night": "2026-11-01", "run_id": "r1"}
    assert fields() == {}


def test_a_thread_has_the_context_of_the_only_run() -> None:
    seen: list[dict[str, Any]] = []

    def look() -> None:
        thread = threading.Thread(target=lambda: seen.append(fields()))
        thread.start()
        thread.join()

    with about(run_id="r1"):
        look()
    look()
    assert seen == [{"run_id": "r1"}, {}]


def test_a_line_has_the_fields_of_the_run_and_those_of_its_own() -> None:
    with about(run_id="r1", night="2026-11-01"):
        told = line(JsonLines(), "unit %s", "a", line="L1", figures={"found": 3})
    assert {name: told[name] for name in ("run_id", "night", "line", "text", "level", "logger", "found")} == {
        "run_id": "r1", "night": "2026-11-01", "line": "L1", "text": "unit a", "level": "warning",
        "logger": "steelflow.x", "found": 3,
    }  # fmt: skip
    assert told["at"].endswith("+00:00")


@pytest.mark.parametrize("where", ["text", "argument", "field", "traceback"])
def test_no_secret_is_in_a_line(where: str) -> None:
    settings = Settings(
        store=StoreSettings(secret_key=SecretStr(SECRET)),
        alerts=AlertSettings(webhook=SecretStr("https://hooks.example/t0ken")),
    )
    formatter = JsonLines(secrets_of(settings, {"AWS_SESSION_TOKEN": "s3ss10n"}))
    bad = f"a {SECRET} b https://hooks.example/t0ken c s3ss10n"
    try:
        raise ValueError(bad)
    except ValueError:
        raised = sys.exc_info()
    made = {
        "text": record(bad),
        "argument": record("%s", bad),
        "field": record("x", figures={"error": bad}),
        "traceback": record("x", exc_info=raised),
    }[where]
    text = formatter.format(made)
    assert not any(secret in text for secret in (SECRET, "t0ken", "s3ss10n"))
    assert text.count(HIDDEN) >= 3
    assert "\n" not in text


def test_all_that_a_night_writes_to_standard_error_is_json_with_its_run(tmp_path: Path) -> None:
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f'home = "{tmp_path}/home"\n[log]\nformat = "json"\n[archive]\nuri = "{make_plant(tmp_path)}"\n'
        f'[report]\nuri = "{tmp_path}/report"\n[model]\nbatch_size = 16\nworkers = 2\n'
    )
    command = [sys.executable, "-m", "steelflow.cli.main", "--config", str(config), "nightly", "--json"]
    done = subprocess.run([*command, "--date", str(NIGHT)], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(one) for one in done.stderr.splitlines()]
    run = json.loads(done.stdout)["run_record"].rpartition("/")[2].removesuffix(".json")
    assert {(one["run_id"], one["night"]) for one in lines} == {(run, str(NIGHT))}
    assert [one["line"] for one in lines if one["text"].startswith("unit ")].count("L1") == UNITS // 2
    assert (lines[-1]["state"], lines[-1]["found"]) == ("complete", json.loads(done.stdout)["found"])
    refused = subprocess.run([*command, "--line", "L9"], capture_output=True, text=True, timeout=250)
    (told,) = [json.loads(one) for one in refused.stderr.splitlines()]
    assert (told["level"], "no images of line L9" in told["text"]) == ("error", True)
