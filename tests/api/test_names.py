"""What ``import steelflow`` offers, and what it costs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

import steelflow
from steelflow.errors import SteelflowError

NAMES = [
    "Settings",
    "SteelflowError",
    "__version__",
    "classify",
    "compare_drift",
    "errors",
    "evaluate",
    "inspect",
    "load_settings",
    "open_labels",
    "open_registry",
    "open_report",
    "train",
]

SNIPPET = """\
import numpy as np
import steelflow

result = steelflow.inspect("photos", out="report", progress=lambda images: None)
reveal_type(result.files)
reveal_type(steelflow.open_report("report", dates="2026-11-18", lines=["L1"]))
reveal_type(steelflow.classify(np.zeros((2, 50, 50), np.uint8), engine="onnxruntime"))
reveal_type(steelflow.train("labelled", out="model", epochs=2).evaluation.accuracy)
reveal_type(steelflow.evaluate("steelnet", "labelled").figures.macro_f1)
reveal_type(steelflow.compare_drift("one", "two").verdict)
reveal_type(steelflow.open_labels("labels").current())
reveal_type(steelflow.open_registry("registry").champion())
reveal_type(steelflow.load_settings("steelflow.toml"))
reveal_type(steelflow.__version__)
steelflow.inspect("photos", "report")
steelflow.inspekt("photos", out="report")
"""
REVEALED = [
    "tuple[str, ...]",
    "polars.lazyframe.frame.LazyFrame",
    "polars.dataframe.frame.DataFrame",
    "float",
    "float",
    "Literal['none'] | Literal['warn'] | Literal['alarm'] | Literal['insufficient']",
    "polars.dataframe.frame.DataFrame",
    "steelflow.registry.version.Version | None",
    "steelflow.config.Settings",
    "str",
]


def answer(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_names_that_are_offered() -> None:
    assert sorted(steelflow.__all__) == NAMES
    assert set(NAMES) <= set(dir(steelflow))
    for name in NAMES:
        assert getattr(steelflow, name) is getattr(steelflow, name)


def test_type_checkers_are_told_the_place_from_which_a_name_is_loaded() -> None:
    tree = ast.parse(Path(steelflow.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    told = {alias.name: one.module for one in guarded.body if isinstance(one, ast.ImportFrom) for alias in one.names}
    assert told == steelflow._HOMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'steelflow' has no attribute 'inspekt'"):
        _ = steelflow.inspekt


def test_every_error_is_at_hand() -> None:
    code = "import steelflow; print(issubclass(steelflow.errors.StoreUnreachable, steelflow.SteelflowError))"
    assert answer(code).strip() == "True"
    assert steelflow.SteelflowError is SteelflowError


def test_importing_the_package_loads_nothing_that_takes_time() -> None:
    loaded = set(json.loads(answer("import sys, steelflow, json; print(json.dumps(list(sys.modules)))")))
    ours = {name for name in loaded if name.partition(".")[0] == "steelflow"}
    assert ours == {"steelflow", "steelflow.errors"}
    assert not loaded & {"torch", "polars", "pyarrow", "numpy", "pydantic", "onnxruntime", "cv2", "importlib.metadata"}


@pytest.mark.parametrize("name", ["inspect", "open_report", "classify", "train", "evaluate", "open_labels"])
def test_a_function_loads_no_torch_before_it_is_called(name: str) -> None:
    code = f"import sys, steelflow; steelflow.{name}; print([m for m in ('torch', 'prefect') if m in sys.modules])"
    assert answer(code).strip() == "[]"


@pytest.mark.slow  # mypy reads Polars, NumPy and torch
def test_a_type_checker_knows_arguments_and_results(tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    revealed = [line.split('"')[1] for line in told if "Revealed type" in line]
    assert revealed == REVEALED
    errors = [re.sub(r".*snippet.py:(\d+): error: (.*?)  .*", r"\1 \2", line) for line in told if ": error: " in line]
    assert errors == [
        '15 Too many positional arguments for "inspect"',
        '16 Module has no attribute "inspekt"; maybe "inspect"?',
    ]
