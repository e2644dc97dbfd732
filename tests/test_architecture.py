"""The table of rooms in ARCHITECTURE.md, held true."""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

PACKAGES = ("steelflow", "dashboard", "flows")
GROUND = {"errors", "records", "config", "schema"}  # every room may import these
ROW = re.compile(r"^\| `([a-z_/]+)/` \|[^|]*\|([^|]*)\|$", re.MULTILINE)


def table() -> dict[str, set[str]]:
    """Room → the rooms it may import, as ARCHITECTURE.md says; a room of steelflow goes without its package's name."""
    rows = ROW.findall((ROOT / "ARCHITECTURE.md").read_text())
    return {short(room): {name.strip() for name in named.split(",")} - {"–"} for room, named in rows}


def short(room: str) -> str:
    return room.removeprefix("steelflow/")


MAY_IMPORT = table()


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def room_of(path: Path) -> str:
    package, *inner = path.relative_to(ROOT).with_suffix("").parts
    return package if package == "flows" else short("/".join([package, inner[0]]))


def imports(path: Path) -> set[str]:
    """The full names of everything that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_used(path: Path) -> set[str]:
    """The rooms that a module imports from, its own left out; a module at the ground of a package is a room, too."""
    used = set()
    for package, *inner in (name.split(".") for name in imports(path)):
        if package in PACKAGES and inner:
            used.add(package if package == "flows" else short(f"{package}/{inner[0]}"))
    return used - {room_of(path)}


def grounds(package: str) -> set[str]:
    return {short(f"{package}/{path.stem}") for path in (ROOT / package).glob("*.py")}


def test_the_table_names_the_rooms_that_exist() -> None:
    rooms = {room_of(path) for path in modules()} - grounds("steelflow") - grounds("dashboard")
    assert set(MAY_IMPORT) == rooms
    assert set().union(*MAY_IMPORT.values()) <= rooms


def test_the_table_has_no_circle() -> None:
    graphlib.TopologicalSorter(MAY_IMPORT).prepare()


def test_the_ground_of_the_package_holds_five_modules() -> None:
    assert grounds("steelflow") == GROUND | {"__init__"}


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    assert [path for path in modules() if path.stem in sys.stdlib_module_names and path.stem != "__main__"] == []


@pytest.mark.parametrize("path", sorted((ROOT / "steelflow").rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_the_files_that_the_docstring_of_a_room_lists_exist(path: Path) -> None:
    named = set(re.findall(r"\w+\.py\b", ast.get_docstring(ast.parse(path.read_text())) or ""))
    assert {name for name in named if not list(path.parent.rglob(name))} == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_function_has_at_most_sixty_lines_or_says_why(path: Path) -> None:
    """The reason is a comment beside the name: ``def compare(  # long: most of it declares the options``."""
    text = path.read_text()
    lines = text.splitlines()
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 60
        and "# long: " not in lines[node.lineno - 1]
    ]
    assert long == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = room_of(path)
    used = rooms_used(path) - {"__version__"}
    if room == "__init__":  # names the Python API, and loads it when it is used
        assert used <= GROUND | {"api"}
    elif room in grounds("steelflow"):  # only `config` has a room below it: it composes the settings
        assert used <= GROUND | ({"settings"} if room == "config" else set())
    elif room == "settings":  # `config` imports it
        assert used <= {"errors"}
    elif room in grounds("dashboard"):
        assert used <= grounds("dashboard") | set(MAY_IMPORT) | GROUND
    else:
        own = grounds("dashboard") if room.startswith("dashboard/") else set()
        assert used <= MAY_IMPORT[room] | GROUND | own


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_all_that_the_table_lists(room: str) -> None:
    used = set().union(*(rooms_used(path) for path in modules() if room_of(path) == room))
    assert MAY_IMPORT[room] - used == set()


def test_the_tests_that_hold_the_invariants_exist() -> None:
    invariants = (ROOT / "ARCHITECTURE.md").read_text().partition("## Invariants")[2].partition("\n## ")[0]
    named = re.findall(r"`(tests/[^`]+)`", invariants)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_folders_in_the_tree_of_the_readme_exist() -> None:
    tree = re.search(r"^```\n(steelflow/ .*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert tree is not None
    named = re.findall(r"^( *)([a-z_]+/)", tree[1], re.MULTILINE)
    folders = [ROOT / ("steelflow" if indent else "") / name for indent, name in named]
    assert [folder for folder in folders if not folder.is_dir()] == []
    inside = {folder.name for folder in folders if folder.parent == ROOT / "steelflow"}
    assert inside == {room for room in MAY_IMPORT if "/" not in room} - {"flows"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_its_own_rooms_know_prefect_torch_and_streamlit(path: Path) -> None:
    heavy = {name.split(".")[0] for name in imports(path)} & {"prefect", "torch", "torchvision", "streamlit"}
    room = room_of(path)
    if room == "flows":
        assert heavy <= {"prefect"}
    elif room.startswith("dashboard"):
        assert heavy <= (set() if room == "dashboard/charts" else {"streamlit"})
    else:
        where = {name: {"torch"} for name in ("models", "engine", "training", "begin", "bench", "cli")}
        where["models"].add("torchvision")
        assert heavy <= where.get(room, set())


def test_a_name_is_loaded_when_it_is_used() -> None:
    """Neither the package nor inference loads what only training, flows or the dashboard need."""
    code = (
        "import sys, steelflow.inspection.infer, steelflow.night.run, steelflow.training.evaluate, steelflow.cli.main;"
        "steelflow.cli.main.build();"
        "print([name for name in ('torch', 'prefect', 'streamlit', 'onnx') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_inspecting_a_source_loads_no_room_of_the_loop() -> None:
    """A run of a thousand pictures takes less than a second, so its imports count."""
    code = (
        "import json, sys, steelflow.cli.main, steelflow.cli.infer;"
        "print(json.dumps(sorted({name.split('.')[1] for name in sys.modules if name.startswith('steelflow.')})))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(answer.stdout))
    assert "inspection" in loaded
    assert not loaded & {"drift", "labels", "metrics", "morning", "night", "retrain", "service", "training"}
