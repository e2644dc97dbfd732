"""The import table of ARCHITECTURE.md, held true."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Every room may import these.
SHARED = {"errors", "records", "config", "schema"}

# room → the rooms it may import beyond itself and the shared ones.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "records": set(),
    "schema": set(),
    "config": set(),
    "calendar": set(),
    "store": set(),
    "archive": {"store"},
    "decode": set(),
    "quality": {"decode"},
    "models": set(),
    "engine": {"models"},
    "report": {"models", "store"},
    "registry": {"models", "engine", "store"},
    "drift": {"report", "models", "store", "archive", "decode"},
    "labels": {"report", "models", "store", "archive", "decode"},
    "alerts": set(),
    "training": {"models", "decode", "store", "archive"},
    "synth": set(),
    "pipeline": {"store", "archive", "decode", "quality", "engine", "models", "report", "registry"},
    "night": {"pipeline", "store", "archive", "report", "drift", "registry"},
    "infer": {"pipeline", "store", "archive", "report"},
    "evaluate": {"pipeline", "training", "decode"},
    "selection": {"models", "engine", "pipeline", "training", "evaluate", "bench"},
    "retrain": {"pipeline", "training", "registry", "labels", "drift", "alerts", "engine", "models", "report", "decode"}
    | {"archive", "store"},
    "backfill": {"night", "pipeline", "registry", "report", "archive", "store"},
    "housekeeping": {"registry", "report", "store"},
    "simulation": {"night", "retrain", "labels", "report", "archive", "store", "synth"},
    "service": {"store"},
    "bench": {"pipeline", "infer", "store", "archive", "decode", "quality", "engine", "models", "report", "synth"}
    | {"registry", "drift", "training"},
}
EVERYTHING = set(MAY_IMPORT) | {"cli"}
MAY_IMPORT["cli"] = EVERYTHING


def modules() -> list[Path]:
    return sorted((ROOT / "steelflow").rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "steelflow").with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in MAY_IMPORT, f"{room}: a new room needs a line in this table and in ARCHITECTURE.md"
    used = {name.split(".")[1] for name in imports(path) if name.startswith("steelflow.")}
    allowed = MAY_IMPORT[room] | SHARED | {room, "__version__"}
    assert used <= allowed, f"{path.name} may not import {sorted(used - allowed)}"
    assert not any(name.split(".")[0] in ("flows", "dashboard") for name in imports(path))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_its_own_rooms_know_prefect_torch_and_streamlit(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imports(path)} & {"prefect", "torch", "torchvision", "streamlit"}
    where = {room: {"torch"} for room in ("models", "engine", "training", "bench", "cli")}
    where["models"].add("torchvision")
    assert heavy <= where.get(room_of(path), set())


def test_a_name_is_loaded_when_it_is_used() -> None:
    """Neither the package nor inference loads what only training, flows or the dashboard need."""
    code = (
        "import sys, steelflow.infer, steelflow.night, steelflow.evaluate, steelflow.cli.main;"
        "print([name for name in ('torch', 'prefect', 'streamlit', 'onnx') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
