"""The commands as a user types them: what they print, where, and how they exit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from knowing import noise, with_good
from paths import ROOT
from plants import FOUND, NIGHT, UNITS, make_plant

from steelflow.cli.main import main
from steelflow.cli.output import state
from steelflow.report.layout import night_lock_key
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked
from steelflow.synth import CLASSES, TEMPLATE


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Answer:
        state.config_file = None
        monkeypatch.setattr(sys, "argv", ["steelflow", *map(str, arguments)])
        try:
            main()
            code: object = 0
        except SystemExit as exited:
            code = exited.code
        printed = capsys.readouterr()
        return Answer(int(str(code or 0)), printed.out, printed.err)

    return call


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


def config(folder: Path, plant: Path, **more: str) -> Path:
    file = folder / "steelflow.toml"
    report = folder / "report"
    lines = [f'home = "{folder / "home"}"', "[archive]", f'uri = "{plant}"', "[report]", f'uri = "{report}"']
    file.write_text("\n".join(lines + [f"{key}\n{value}" for key, value in more.items()]))
    return file


def refused(answer: Answer, *words: str) -> None:
    """Exit code 1 and one line that names the trouble, on standard error."""
    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("steelflow: ")
    for word in words:
        assert word in answer.err


def test_version_is_the_one_of_pyproject(run: Any) -> None:
    answer = run("--version")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (answer.code, answer.out, answer.err) == (0, f"steelflow {declared}\n", "")


def test_help_lists_every_command_in_a_named_panel(run: Any) -> None:
    answer = run("--help")
    assert answer.code == 0
    assert "Night" in answer.out
    assert "─ Commands ─" not in answer.out  # where Typer puts a command without a panel


def test_help_keeps_the_brackets_of_settings(run: Any) -> None:
    assert "[night.shifts]" in run("report", "--help").out


def test_infer_prints_one_json_object(run: Any, plant: Path, tmp_path: Path) -> None:
    answer = run("infer", plant, "--out", tmp_path / "out", "--json")
    assert answer.code == 0
    assert {"images", "ok", "failed", "seconds", "images_per_second", "model", "files"} <= answer.json.keys()
    assert answer.json["images"] == answer.json["ok"] + answer.json["failed"] == 2 * FOUND
    assert all(Path(file).is_file() for file in answer.json["files"])
    assert answer.err == ""


def test_nightly_prints_one_json_object(run: Any, plant: Path, tmp_path: Path) -> None:
    file = config(tmp_path, plant)
    first = run("--config", file, "nightly", "--date", NIGHT, "--json")
    assert {"found", "ok", "failed", "skipped_units", "done_units", "run_record"} <= first.json.keys()
    assert (first.code, first.json["found"], first.json["done_units"]) == (0, FOUND, UNITS)
    again = run("--config", file, "nightly", "--date", NIGHT, "--json")
    assert (again.json["done_units"], again.json["skipped_units"]) == (0, UNITS)
    one = run("--config", file, "nightly", "--date", NIGHT, "--line", "L1", "--json")
    assert one.json["found"] == FOUND // 2


def test_people_get_sentences(run: Any, plant: Path, tmp_path: Path) -> None:
    answer = run("--config", config(tmp_path, plant), "nightly", "--date", NIGHT)
    assert f"{FOUND:,} images found" in answer.out
    assert "run record:" in answer.out


def test_rates_are_told_and_what_a_model_does_not_know(run: Any, plant: Path, tmp_path: Path) -> None:
    own = with_good(tmp_path / "own.onnx", "patches")
    by_class = run("--config", config(tmp_path, plant), "nightly", "--date", NIGHT)
    assert "defects by class per 1,000 images: " in by_class.out
    known = run("--config", config(tmp_path, plant), "nightly", "--date", NIGHT, "--model", own)
    assert " per 1,000 images (" in known.out
    notes = [line for line in known.out.splitlines() if line.startswith("note: ")]
    assert notes
    assert all("the new reports replace them" in note for note in notes)
    told = run("infer", plant, "--out", tmp_path / "out", "--model", own, "--json").json["defects"]
    assert (told["per"], told["metres"], "patches" in told["classes"]) == ("1000 images", None, False)
    assert told["rate"] == pytest.approx(1000 * told["defects"] / told["images"])
    strange = run("infer", noise(tmp_path / "noise", 20), "--out", tmp_path / "out")
    assert "note: the shipped model steelnet knows six hot-rolled defects on 200×200 pictures; " in strange.out
    assert "of these images are unlike them: begin with `steelflow models begin`" in strange.out


def test_ctrl_c_ends_a_command_with_one_line(plant: Path, tmp_path: Path) -> None:
    file = config(tmp_path, plant)
    report = LocalStore(tmp_path / "report", create=True)
    held = night_lock_key(NIGHT)
    with locked(report, held, "the night"):
        command = [sys.executable, "-m", "steelflow.cli.main", "--config", str(file)]
        waiting = subprocess.Popen(
            [*command, "nightly", "--date", str(NIGHT), "--wait", "200"], stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while len({info.key.rpartition("-")[0] for info in report.list(f"{held}/")}) < 2:
            assert time.monotonic() < deadline  # its claim beside ours: it waits
            time.sleep(0.01)
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=60)
    assert (waiting.returncode, said) == (1, "steelflow: stopped; run the same command again to resume\n")


def test_synth_then_evaluate(run: Any, tmp_path: Path) -> None:
    made = run(
        "synth", tmp_path / "plant", "--nights", 1, "--lines", 1, "--coils", 2, "--images", 4, "--labelled", 3, "--json"
    )
    assert (made.code, made.json["labelled"]) == (0, 3 * len(CLASSES))
    assert made.json["template"] == TEMPLATE
    answer = run("evaluate", "--model", "ssdc_mininet", "--data", tmp_path / "plant" / "labelled", "--json")
    assert {"accuracy", "macro_f1", "auc", "ece", "per_class", "confusion_matrix"} <= answer.json.keys()
    assert answer.json["images"] == 3 * len(CLASSES)
    refused(run("synth", tmp_path / "plant"), "not empty")


def test_synth_strip_writes_frames_their_truth_and_a_picture(run: Any, tmp_path: Path) -> None:
    asked = ("--lines", 1, "--nights", 1, "--coils", 2, "--frames", 4, "--broken", 1, "--json")
    made = run("synth-strip", tmp_path / "plant", *asked)
    assert (made.code, made.json["images"], made.json["broken"]) == (0, 2 * 4 * 4, 1)
    listed = pl.read_parquet(tmp_path / "plant" / "frames" / "date=2026-11-01" / "line=L1.parquet")
    assert listed.height == 2 * 4 * 4
    assert all((tmp_path / "plant" / "images" / key).is_file() for key in listed["object_key"])
    assert (tmp_path / "plant" / "truth" / "date=2026-11-01" / "line=L1.parquet").is_file()
    assert (tmp_path / "plant" / "strip.png").read_bytes().startswith(b"\x89PNG")
    refused(run("synth-strip", tmp_path / "plant"), "not empty")


def test_evaluate_refuses_classes_that_the_model_lacks(run: Any, tmp_path: Path) -> None:
    run(
        "synth",
        tmp_path / "plant",
        "--nights",
        1,
        "--lines",
        1,
        "--coils",
        1,
        "--images",
        1,
        "--broken",
        0,
        "--labelled",
        2,
    )
    (tmp_path / "plant" / "labelled" / "crazing").rename(tmp_path / "plant" / "labelled" / "rust")
    refused(run("evaluate", "--model", "ssdc_mininet", "--data", tmp_path / "plant" / "labelled"), "rust", "crazing")


def test_models(run: Any) -> None:
    listed = run("models", "list", "--json").json
    assert [model["spec"]["name"] for model in listed["models"]] == [
        "steelnet",
        "ssdc_mininet",
        "strip",
        "strip_accurate",
    ]
    shown = run("models", "show", "steelnet", "--json").json
    assert "Song" in shown["card"]
    assert shown["digest"] == listed["models"][0]["digest"]


def test_config_masks_secrets(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELFLOW_STORE__ACCESS_KEY", "someone")
    monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", "do-not-print-me")
    for arguments in (("config", "show"), ("config", "show", "--json")):
        answer = run(*arguments)
        assert answer.code == 0
        assert "someone" in answer.out
        assert "do-not-print-me" not in answer.out + answer.err


def test_doctor_finds_what_is_wrong(run: Any, plant: Path, tmp_path: Path) -> None:
    good = run("--config", config(tmp_path, plant), "doctor", "--json")
    assert good.json["checks"]["archive"]["ok"]
    assert good.json["checks"]["model"]["ok"]
    bad = run("--config", config(tmp_path, tmp_path / "nowhere", **{"[model]": 'ref = "nothing"'}), "doctor", "--json")
    assert bad.code == 1
    assert not bad.json["checks"]["archive"]["ok"]
    assert "nowhere" in bad.json["checks"]["archive"]["says"]
    assert not bad.json["checks"]["model"]["ok"]


@pytest.mark.parametrize(
    "arguments",
    [["infer"], ["nightly", "--date", "yesterday"], ["nonsense"], ["infer", "x", "--out", "y", "--engine", "abacus"]],
)
def test_wrong_usage_is_exit_code_2(run: Any, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


def test_bad_input_is_one_line(run: Any, plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    refused(run("infer", tmp_path / "missing", "--out", out), "missing")
    refused(run("infer", plant, "--out", out, "--model", "resnet5000"), "resnet5000", "ssdc_mininet")
    refused(run("--config", tmp_path / "none.toml", "config", "show"), "none.toml")
    bad = config(tmp_path, plant)
    bad.write_text(bad.read_text().replace("[report]", 'template = "line={line}/{name}/{date"\n[report]'))
    refused(run("--config", bad, "nightly", "--date", NIGHT), "template")
    bad.write_text("[store]\nendpiont = 'x'\n")
    refused(run("--config", bad, "config", "show"), "store.endpiont", "config show")
    bad.write_text("[store\n")
    refused(run("--config", bad, "config", "show"), "TOML")
    bad.unlink()
    refused(run("train", "--data", plant, "--arch", "ssdc_mininet", "--out", out), str(plant))
    refused(run("train", "--data", plant, "--arch", "alexnet", "--out", out), "alexnet")
    assert not out.exists()


def test_storage_errors_are_one_line(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steelflow.store.embedded import embedded_s3

    out = tmp_path / "out"
    with embedded_s3(tmp_path / "s3", {"here"}) as server:
        monkeypatch.setenv("STEELFLOW_STORE__ENDPOINT", server.endpoint)
        monkeypatch.setenv("STEELFLOW_STORE__ACCESS_KEY", str(server.access_key))
        monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", "wrong-but-secret")
        denied = run("infer", "s3://here", "--out", out)
        refused(denied, "access denied", "store.secret_key")
        assert "wrong-but-secret" not in denied.err
        assert server.secret_key is not None
        monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", server.secret_key.get_secret_value())
        refused(run("infer", "s3://not-here", "--out", out), "not-here", "create it")
        refused(run("infer", "s3://here", "--out", out), "contains no images")
    refused(run("infer", "s3://here", "--out", out), "store.endpoint")
    assert not out.exists()


def test_a_model_that_contradicts_its_spec_is_refused(run: Any, plant: Path, tmp_path: Path) -> None:
    import onnx

    from steelflow.models.shipped import resolve
    from steelflow.models.spec import METADATA_KEY

    model = onnx.load(resolve("ssdc_mininet"))
    spec = json.loads(next(item.value for item in model.metadata_props if item.key == METADATA_KEY))
    for change, words in (({"classes": ["good", "bad"]}, ("6 classes", "good, bad")), (None, ("no steelflow spec",))):
        del model.metadata_props[:]
        if change is not None:
            model.metadata_props.add(key=METADATA_KEY, value=json.dumps({**spec, **change}))
        onnx.save(model, tmp_path / "other.onnx")
        refused(run("infer", plant, "--out", tmp_path / "out", "--model", tmp_path / "other.onnx"), *words)
    assert not (tmp_path / "out").exists()
