"""What containers and the chart say fits the package: settings, commands, secrets. And the programs that check such
files find nothing, where they can be had."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from paths import ROOT
from typer.main import get_command

from steelflow.cli.main import app
from steelflow.config import Settings, load_settings

INFRA = ROOT / "infra"
CHART = INFRA / "helm" / "steelflow"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose" / "compose.yaml").read_text())
OURS = {name: one for name, one in COMPOSE["services"].items() if "steelflow" in one["image"]}
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}


def known(variable: str) -> bool:
    """Whether STEELFLOW_SECTION__FIELD is a setting."""
    value: Any = Settings().model_dump()
    for name in variable.removeprefix("STEELFLOW_").lower().split("__"):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


@pytest.mark.parametrize(
    "path",
    [INFRA / "Dockerfile", INFRA / "compose" / "compose.yaml", *sorted((CHART / "templates").iterdir())],
    ids=str,
)
def test_every_variable_is_a_setting(path: Path) -> None:
    named = set(re.findall(r"STEELFLOW_[A-Z_]+[A-Z]", path.read_text())) - {"STEELFLOW_CONFIG", "STEELFLOW_IMAGE"}
    assert [name for name in sorted(named) if not known(name)] == []


@pytest.mark.parametrize("text", [*TEMPLATES.values(), (INFRA / "compose" / "compose.yaml").read_text()])
def test_every_command_exists(text: str) -> None:
    for command in re.findall(r"(?:args|command): \[([^\]]+)\]", text):
        words = [word.strip().strip("\"'") for word in command.split(",")]
        if words[:2] == ["python3", "-m"]:
            assert importlib.util.find_spec(words[2]) is not None, words
        elif words[0] == "steelflow":
            own = get_command(app).commands[words[1]]  # type: ignore[attr-defined]  # a group
            own.make_context(words[1], words[2:])
        else:
            assert words[0] in ("prefect", "CMD"), words


def test_the_settings_of_the_chart_and_of_compose_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Settings.model_validate(VALUES["settings"])
    keys = tmp_path / "store.toml"
    keys.write_text('access_key = "a"\nsecret_key = "b"\n')
    text = (INFRA / "compose" / "steelflow.toml").read_text()
    assert tomllib.loads(text)["store"]["endpoint"] == "http://s3:8333"
    (tmp_path / "steelflow.toml").write_text(text.replace("/run/secrets/store.toml", str(keys)))
    assert load_settings(tmp_path / "steelflow.toml").store.access_key == "a"


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_writes_nowhere_and_has_no_rights(name: str) -> None:
    one = OURS[name]
    assert one["read_only"]
    assert one["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in one["security_opt"]
    assert not [key for key in one["environment"] if re.search(r"AUTH|SECRET|PASSWORD|TOKEN|CONNECTION", key)]
    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))


def test_secrets_are_made_once_and_are_all_that_compose_names(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    shutil.copy(INFRA / "compose" / "secrets.sh", script)
    subprocess.run(["sh", script], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {f"secrets/{name}" for name in made} == {one["file"] for one in COMPOSE["secrets"].values()}
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert made["postgres-password"] in made["database-url"]
    keys = tomllib.loads(made["store.toml"])
    (identity,) = yaml.safe_load(made["s3.json"])["identities"]
    assert identity["credentials"] == [{"accessKey": keys["access_key"], "secretKey": keys["secret_key"]}]
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_the_entry_makes_variables_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "PREFECT_API_AUTH_STRING").write_text("steelflow:a b$c'\"\n")
    (tmp_path / "store.toml").write_text("not a variable")
    shown = "import os; print(os.environ['PREFECT_API_AUTH_STRING']); print('store.toml' in os.environ)"
    told = subprocess.run(
        ["sh", INFRA / "entry.sh", sys.executable, "-c", shown],
        env={**os.environ, "ENTRY_SECRETS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines() == ["steelflow:a b$c'\"", "False"]


def test_the_image_is_not_root_and_copies_what_the_context_has() -> None:
    text = (INFRA / "Dockerfile").read_text()
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", text, re.M | re.S))
    for name in ("inspect", "plant"):
        assert re.findall(r"^USER (.*)$", stages[name], re.M)[-1] == "10001:10001"
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    for source in re.findall(r"^COPY (?!--from)(\S+) ", text, re.M):
        assert any(fnmatch(source.rstrip("/"), one) or one.startswith(source) for one in let_in), source
    for lock in set(re.findall(r"lock=(\w+)", text)) | {"inspect"}:
        assert (ROOT / "locks" / f"{lock}.txt").exists()


def test_the_chart_has_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"], VALUES["image"]["tag"]) == (project["version"],) * 3


def make(target: str, *options: str, needs: str) -> subprocess.CompletedProcess[str]:
    """``make target``; the test is skipped if a program cannot be had."""
    prepared = subprocess.run(["sh", INFRA / "checks" / "tools.sh"], cwd=ROOT, capture_output=True, text=True)
    if prepared.returncode:
        why = prepared.stderr.strip().splitlines()
        pytest.skip(f"{needs} cannot be had here: {why[-1] if why else prepared.returncode}")
    return subprocess.run(["make", target, *options], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_hadolint_finds_nothing() -> None:
    done = make("hadolint", needs="hadolint")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_form_of_the_chart_is_valid(tmp_path: Path) -> None:
    done = make("chart", needs="helm or kubernetes-validate")
    assert done.returncode == 0, done.stdout + done.stderr
    rendered = {path.stem: [one for one in yaml.safe_load_all(path.read_text()) if one] for path in folder().iterdir()}
    kinds = {name: {one["kind"] for one in all_} for name, all_ in rendered.items()}
    assert "CronJob" in kinds["cronjob"]
    assert "CronJob" not in kinds["worker"]
    assert "RayCluster" in kinds["ray"]
    assert not kinds["bare"] & {"NetworkPolicy", "Service"}
    # There is no schema of RayCluster; its pods are pods.
    (cluster,) = (one["spec"] for one in rendered["ray"] if one["kind"] == "RayCluster")
    for number, group in enumerate([cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]):
        pod = {"apiVersion": "v1", "kind": "Pod", **group["template"]}
        pod["metadata"] = {"name": f"ray-{number}", **pod["metadata"]}
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(pod))
    told = subprocess.run(
        [ROOT / ".infra" / "python" / "bin" / "kubernetes-validate", "--strict", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    for one in (one for all_ in rendered.values() for one in all_ if one["kind"] == "ConfigMap"):
        Settings.model_validate(tomllib.loads(one["data"]["steelflow.toml"]))


def folder() -> Path:
    return ROOT / ".infra" / "rendered"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_checkov_finds_nothing() -> None:
    if not (ROOT / ".infra" / "checkov").exists():
        pytest.skip("checkov is large: `make checkov` gets it, and runs it")
    done = make("checkov", needs="checkov")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_for_inspection_can_be_built() -> None:
    base = os.environ.get("STEELFLOW_IMAGE_BASE_DIR")
    if shutil.which("buildah") is None or not base:
        pytest.skip("needs buildah, and STEELFLOW_IMAGE_BASE_DIR: the name of a base image that this machine has")
    done = make("image-inspect", f"BASE={base}", needs="hadolint")
    assert done.returncode == 0, done.stdout + done.stderr
