"""``steelflow models operating-point``: shown, set, fitted, taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
from strip import frame, level_model, with_defect

from steelflow.cli.main import main
from steelflow.engine import open_engine
from steelflow.registry.operating_points import points_of
from steelflow.store.local import LocalStore


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELFLOW_REGISTRY__URI", str(tmp_path / "registry"))
    monkeypatch.setenv("STEELFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return level_model(tmp_path / "levels.onnx")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["steelflow", "models", "operating-point", *map(str, arguments)])
    try:
        main()
    except SystemExit as exc:
        return int(exc.code or 0)
    return 0


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert run(monkeypatch, *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_point_is_set_for_a_line_and_taken_back(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(monkeypatch, capsys, model)
    assert (found["own"], found["all_lines"], found["lines"], found["changed"]) == (0.5, None, {}, None)
    found = told(monkeypatch, capsys, model, "--line", "L1", "--set", "0.35", "--who", "ann", "--reason", "dirt")
    assert found["lines"] == {"L1": 0.35}
    assert (found["changed"]["who"], found["changed"]["reason"]) == ("ann", "dirt")
    found = told(monkeypatch, capsys, model, "--set", "0.6")
    assert (found["all_lines"], found["lines"]) == (0.6, {"L1": 0.35})
    digest = open_engine(model, "onnxruntime").digest
    assert points_of(LocalStore(tmp_path / "registry"), digest) == {"L1": 0.35, None: 0.6}
    assert told(monkeypatch, capsys, model, "--set", "0.6")["changed"] is None
    found = told(monkeypatch, capsys, model, "--reset")
    assert (found["all_lines"], found["lines"], len(found["changes"])) == (None, {}, 3)


def test_a_point_is_fitted_to_false_alarms_on_data(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        (tmp_path / "data/good").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/dark").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"data/good/{number}.png"), frame(64, 128, number))
        cv2.imwrite(str(tmp_path / f"data/dark/{number}.png"), with_defect(frame(64, 128, 9 + number), 20, 20, 16, 16))
    shown = told(monkeypatch, capsys, model, "--data", tmp_path / "data")
    assert shown["measured"]["operating_point"] == 0.5
    assert shown["measured"]["found"] == {"dark": {"found": 4, "of": 4}}
    assert shown["changed"] is None
    found = told(monkeypatch, capsys, model, "--data", tmp_path / "data", "--false-alarms", "0%", "--line", "L2")
    assert found["lines"] == {"L2": found["measured"]["operating_point"]}
    assert found["measured"]["good_view_alarms"] == 0
    assert found["changed"]["reason"] == "false alarms 0%"
    assert run(monkeypatch, model) == 0
    assert "line L2, by " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--set", "1"), "give a number from 0 to below 1"),
        (("--set", "nan"), "give a number from 0 to below 1"),
        (("--set", "0.1", "--reset"), "give one of --set, --false-alarms and --reset"),
        (("--false-alarms", "1%"), "needs --data"),
        (("--data", "nowhere"), "no such folder or file"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: tuple[str, ...],
    reason: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, model, *arguments) == 1
    said = capsys.readouterr().err
    assert reason in " ".join(said.split())
    assert not (tmp_path / "registry").exists()


def test_a_model_without_good_classes_has_no_point(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "steelnet", "--set", "0.4") == 1
    assert "steelnet: has no good class" in " ".join(capsys.readouterr().err.split())
