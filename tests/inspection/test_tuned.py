"""What was measured about a model is remembered for its owner, and is not believed when anything changed."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from steelflow.config import ModelSettings, Settings
from steelflow.engine.openvino import BF16, PRECISION_KEY
from steelflow.inspection import tuned
from steelflow.inspection.pipeline import load_model
from steelflow.models.shipped import resolve
from steelflow.training.rewrite import with_metadata

MODEL = resolve("steelnet")


def files(home: Path) -> list[Path]:
    return sorted((home / tuned.FOLDER).glob("*"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    load_model(Settings(home=home))
    return home


def test_the_answer_is_kept_for_the_owner_only(home: Path) -> None:
    (file,) = files(home)
    assert json.loads(file.read_text())["engine"] == "onnxruntime"
    for path in (home, home / tuned.FOLDER, file):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_remembered_answer_is_used(home: Path) -> None:
    (file,) = files(home)
    file.write_text('{"engine": "onnxruntime", "batch_size": 77}')
    assert load_model(Settings(home=home)).batch_size == 77
    assert load_model(Settings(home=home, model=ModelSettings(batch_size=5))).batch_size == 5, "a setting is stronger"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "1", '"x"', "[" * 100_000, "\0" * 50, '{"engine": "onnxruntime"}'),
        '{"engine": "onnxruntime", "batch_size": 0}',
        '{"engine": "onnxruntime", "batch_size": 4097}',
        '{"engine": "onnxruntime", "batch_size": true}',
        '{"engine": "onnxruntime", "batch_size": "128"}',
        '{"engine": "abacus", "batch_size": 128}',
        '{"engine": ["onnxruntime"], "batch_size": 128}',
    ],
)
def test_a_damaged_file_is_measured_again(home: Path, text: str) -> None:
    (file,) = files(home)
    file.write_text(text)
    assert load_model(Settings(home=home)).batch_size in (128, 256)
    assert json.loads(file.read_text())["batch_size"] in (128, 256)


def test_another_machine_runtime_model_or_setting_is_measured_for_itself(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.onnx"
    with_metadata(MODEL, other, {"note": "another file"})
    changes: list[dict[str, Any]] = [
        {"ref": str(other)},
        {"engine": "onnxruntime"},
        {"workers": 3},
        {"memory_limit_mib": 512},
    ]
    for number, change in enumerate(changes, 2):
        load_model(Settings(home=home, model=ModelSettings(**change)))
        assert len(files(home)) == number, change
    monkeypatch.setattr(tuned, "machine", lambda: "another machine")
    load_model(Settings(home=home))
    assert len(files(home)) == len(changes) + 2
    monkeypatch.setattr(tuned.importlib.metadata, "version", lambda _: "99")
    load_model(Settings(home=home))
    assert len(files(home)) == len(changes) + 3


def test_without_a_home_none_is_made(tmp_path: Path) -> None:
    assert load_model(Settings(home=tmp_path / "none")).batch_size in (128, 256)
    assert not (tmp_path / "none").exists()


def test_a_home_that_cannot_be_written_costs_the_measurement_only(tmp_path: Path) -> None:
    (tmp_path / tuned.FOLDER).write_text("a file in the place of the folder")
    assert load_model(Settings(home=tmp_path)).batch_size in (128, 256)


def test_a_model_measured_in_bfloat16_runs_where_it_is_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'steelflow[openvino]'")
    from steelflow.engine.openvino import has_bf16

    if not has_bf16():
        pytest.skip("this processor has no bfloat16")
    gated = tmp_path / "gated.onnx"
    with_metadata(MODEL, gated, {PRECISION_KEY: BF16})
    for wanted in ("onnxruntime", "openvino"):
        monkeypatch.setattr(tuned, "_seconds", lambda engine, wanted=wanted: not engine.name.startswith(wanted))
        home = tmp_path / wanted
        home.mkdir()
        for _ in range(2):  # measured, then remembered
            model = load_model(Settings(home=home, model=ModelSettings(ref=str(gated))))
            assert model.engine.name.startswith(wanted)
        assert json.loads(files(home)[0].read_text())["engine"] == wanted
