"""What ``model.ref`` means, which model a night is inspected with, and the commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from plants import NIGHT, copied, local_settings, make_plant, rows_of

from steelflow.cli.main import main
from steelflow.cli.output import state
from steelflow.config import ArchiveSettings, ModelSettings, ReportSettings, Settings
from steelflow.errors import ModelError, RegistryError
from steelflow.inspection.pipeline import load_model
from steelflow.models.shipped import SELECTED, SHIPPED, WEIGHTS
from steelflow.night.run import inspect_night
from steelflow.registry import model_file, open_registry, resolved
from steelflow.store.embedded import serving


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def settings(plant: Path, tmp_path: Path) -> Settings:
    return local_settings(copied(plant, tmp_path / "images"), tmp_path / "report")


def asking(settings: Settings, ref: str) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update={"ref": ref})})


def register_both(settings: Settings) -> None:
    registry = open_registry(settings)
    for name in ("steelnet", "ssdc_mininet"):
        registry.register(name, who="ann", reason="it ships")


def test_a_reference_becomes_a_file(settings: Settings, tmp_path: Path) -> None:
    assert settings.model.ref == "champion"
    assert model_file(settings) == WEIGHTS / f"{SELECTED}.onnx"
    register_both(settings)
    assert resolved(settings) == (WEIGHTS / f"{SELECTED}.onnx", None)  # none was promoted
    registry = open_registry(settings)
    registry.promote("v2", who="ann", reason="a test")
    kept = settings.home / "models"
    assert resolved(settings) == (kept / SHIPPED["ssdc_mininet"] / "model.onnx", "v2")
    assert resolved(asking(settings, "v1")) == (kept / SHIPPED["steelnet"] / "model.onnx", "v1")
    assert resolved(asking(settings, "steelnet")) == (WEIGHTS / "steelnet.onnx", None)
    own = tmp_path / "own.onnx"
    own.write_bytes(b"")
    assert model_file(asking(settings, str(own))) == own
    with pytest.raises(RegistryError, match=r"'v9': no such version in the registry; there are: v1, v2"):
        model_file(asking(settings, "v9"))
    with pytest.raises(ModelError, match="'v0': no such model"):
        model_file(asking(settings, "v0"))


def test_a_damaged_champion_inspects_nothing(settings: Settings) -> None:
    register_both(settings)
    registry = open_registry(settings)
    registry.promote("v2", who="ann", reason="a test")
    registry.store.put("versions/v2/model.onnx", b"other")
    with pytest.raises(RegistryError, match=r"registry/versions/v2/model.onnx: is not what was registered"):
        inspect_night(settings, NIGHT)
    assert not list(Path(settings.report.uri).rglob("*.parquet"))


def test_a_night_is_inspected_by_the_champion_and_says_so(settings: Settings) -> None:
    first = inspect_night(settings, NIGHT)
    assert set(rows_of(settings)["model_version"]) == {"1"}  # of the spec: it is not from the registry
    register_both(settings)
    registry = open_registry(settings)
    registry.promote("v2", who="ann", reason="a test")
    assert load_model(settings).spec.version == "v2"
    assert inspect_night(settings, NIGHT).done_units == first.done_units
    rows = rows_of(settings)
    assert set(rows["model_version"]) == {"v2"}
    assert set(rows["model_digest"]) == {SHIPPED["ssdc_mininet"]}
    registry.promote("v1", who="ann", reason="better")
    inspect_night(settings, NIGHT)
    assert set(rows_of(settings)["model_version"]) == {"v1"}
    registry.rollback(who="ann", reason="worse")
    assert inspect_night(settings, NIGHT).done_units == first.done_units
    assert rows_of(settings).drop("model_version").equals(rows.drop("model_version"))
    assert inspect_night(settings, NIGHT).done_units == 0


def test_a_model_is_looked_up_without_the_embedded_storage(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home",
        archive=ArchiveSettings(uri=str(tmp_path)),
        report=ReportSettings(uri="s3://reports"),
        model=ModelSettings(batch_size=1, workers=1),
    )
    assert resolved(settings) == (WEIGHTS / f"{SELECTED}.onnx", None)
    assert not settings.home.exists()
    with serving(settings) as reached:
        register_both(reached)
        open_registry(reached).promote("v2", who="ann", reason="a test")
        assert resolved(settings).version == "v2"  # through the server, since one runs
    log = settings.home / "s3" / "server.log"
    log.unlink()  # a server that starts writes another one
    assert resolved(settings).version == "v2"
    assert load_model(asking(settings, "v1")).spec.version == "v1"
    with pytest.raises(RegistryError, match=r"'v9': no such version in the registry; there are: v1, v2"):
        resolved(asking(settings, "v9"))
    assert not log.exists()


def test_a_registry_in_a_bucket_of_its_own(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"home": tmp_path, "report": {"uri": str(tmp_path / "r")}, "registry": {"uri": "s3://models/steel"}}
    )
    with serving(settings, settings.registry_uri) as reached:
        register_both(reached)
        open_registry(reached).promote("v1", who="ann", reason="a test")
    assert resolved(settings).version == "v1"


# ---- the commands


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    (tmp_path / "steelflow.toml").write_text('[report]\nuri = "report"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ann")

    def call(*arguments: str) -> tuple[int, str, str]:
        state.config_file = None
        monkeypatch.setattr(sys, "argv", ["steelflow", "models", *arguments])
        try:
            main()
            code: object = 0
        except SystemExit as exited:
            code = exited.code
        printed = capsys.readouterr()
        return int(str(code or 0)), printed.out, printed.err

    return call


def test_from_registering_to_rolling_back(run: Any) -> None:
    assert "no versions yet" in run("versions")[1]
    assert "no entries yet" in run("log")[1]
    assert run("register", "steelnet", "--reason", "it ships")[1].startswith("v1: steelnet registered")
    assert "is already registered" in run("register", "steelnet", "--reason", "again")[1]
    made = json.loads(run("register", "ssdc_mininet", "--reason", "x", "--data-hash", "d", "--who", "bob", "--json")[1])
    assert (made["version"], made["data_hash"], made["created_by"]) == ("v2", "d", "bob")
    assert run("promote", "v1", "--reason", "first")[1] == "v1 is champion (entry 3)\n"
    assert run("promote", "v1", "--reason", "first")[1] == "v1 is champion already\n"
    entry = json.loads(run("promote", "v2", "--reason", "faster", "--json")[1])
    assert (entry["version"], entry["previous"], entry["who"], entry["reason"]) == ("v2", "v1", "ann", "faster")
    found = json.loads(run("versions", "--json")[1])
    assert [(one["version"], one["alias"]) for one in found["versions"]] == [("v1", None), ("v2", "champion")]
    assert (found["champion"], found["challenger"]) == ("v2", None)
    table = run("versions")[1].splitlines()
    assert table[0].split() == ["version", "name", "classes", "created", "golden", "point", "good", "alias"]
    assert table[2].split()[:3] == ["v2", "ssdc_mininet", "6"]
    assert run("rollback", "--reason", "blind")[1] == "v1 is champion, v2 was (entry 5)\n"
    entries = json.loads(run("log", "--json")[1])["entries"]
    assert [entry["action"] for entry in entries] == ["register", "register", "promote", "promote", "rollback"]
    assert run("log")[1].count("\n") == 5
    shown = json.loads(run("show", "champion", "--json")[1])
    assert (shown["digest"], shown["spec"]["name"]) == (SHIPPED["steelnet"], "steelnet")
    assert "steelnet" in shown["card"]


def test_what_is_refused_is_one_line(run: Any, tmp_path: Path) -> None:
    for arguments, says in (
        (("promote", "v1", "--reason", "x"), "'v1': no such version in the registry"),
        (("rollback", "--reason", "x"), "the champion, none, cannot be rolled back"),
        (("rollback", "--reason", "x", "--to", "v1"), "cannot be rolled back to v1"),
        (("register", "nothing", "--reason", "x"), "'nothing': no such model"),
        (("register", str(tmp_path), "--reason", "x"), "should hold one model, has none"),
        (("register", "steelnet", "--reason", " "), "give --who and --reason"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert says in err
    assert not (tmp_path / "report").exists() or not any((tmp_path / "report").rglob("*.json"))
