"""What travels to another machine: everything a unit needs, and no secret."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from plants import NIGHT, local_settings, make_plant, rows_of
from pydantic import SecretStr

from steelflow.config import AlertSettings, Settings, StoreSettings, load_settings
from steelflow.errors import ClusterError
from steelflow.executor.actor import Inspector, Refused
from steelflow.executor.assignment import Assignment, on_node
from steelflow.executor.base import Local
from steelflow.inspection.pipeline import Done
from steelflow.night.run import Night, inspect_night
from steelflow.records import Unit
from steelflow.registry import open_registry

SECRET = "do-not-tell-6f1d"


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEELFLOW_HOME", str(tmp_path / "home-of-the-node"))
    return make_plant(tmp_path)


def assignment(settings: Settings) -> Assignment:
    return Assignment.of(settings, Night(settings, NIGHT).job())


def inspected(actor: Inspector, units: tuple[Unit, ...]) -> list[Done]:
    results = actor.inspect(units)
    assert isinstance(results, list)
    return results


def test_no_secret_travels(plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELFLOW_STORE__ACCESS_KEY", "key-of-the-driver")
    monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", SECRET)
    monkeypatch.setenv("STEELFLOW_ALERTS__WEBHOOK", f"https://hooks.example/{SECRET}")
    monkeypatch.setenv("STEELFLOW_ARCHIVE__URI", str(plant))
    monkeypatch.setenv("STEELFLOW_REPORT__URI", str(tmp_path / "report"))
    settings = load_settings()
    assert settings.store.secret_key is not None
    sent = pickle.dumps(assignment(settings))
    assert SECRET.encode() not in sent
    assert b"key-of-the-driver" not in sent
    assert SECRET not in repr(pickle.loads(sent))


def test_a_node_uses_its_own_credentials_and_home(plant: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_settings(plant, tmp_path / "report").model_copy(
        update={
            "store": StoreSettings(endpoint="store.plant:9000", access_key="driver", secret_key=SecretStr(SECRET)),
            "alerts": AlertSettings(webhook=SecretStr("https://hooks.example/x")),
        }
    )
    sent = assignment(settings)
    monkeypatch.setenv("STEELFLOW_STORE__ACCESS_KEY", "node")
    monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", "of-the-node")
    monkeypatch.setenv("STEELFLOW_HOME", str(tmp_path / "node"))
    there = on_node(sent.settings, load_settings())
    assert (there.store.access_key, there.store.endpoint) == ("node", "store.plant:9000")
    assert there.store.secret_key == SecretStr("of-the-node")
    assert there.home == tmp_path / "node"
    assert there.alerts.webhook is None


def test_an_actor_writes_the_rows_that_this_process_writes(plant: Path, tmp_path: Path) -> None:
    here, there = local_settings(plant, tmp_path / "here"), local_settings(plant, tmp_path / "there")
    inspect_night(here, NIGHT)
    night = Night(there, NIGHT)
    sent = pickle.loads(pickle.dumps(Assignment.of(there, night.job())))
    actor = Inspector(sent, workers=1)
    assert actor.open() is None
    with night.lock():
        plans = [night.plan(partition) for partition in night.partitions]
        done = [one for plan in plans for one in inspected(actor, plan.todo)]
        result = night.finish(plans, done)
    assert result.state == "complete"
    assert rows_of(there).equals(rows_of(here))
    assert inspect_night(there, NIGHT).done_units == 0


def test_an_actor_with_another_model_or_version_refuses(plant: Path, tmp_path: Path) -> None:
    settings = local_settings(plant, tmp_path / "report")
    open_registry(settings).register("steelnet", who="ann", reason="first")
    open_registry(settings).promote("v1", who="ann", reason="first")
    sent = assignment(settings)
    assert sent.settings.model.ref == "v1"  # a promotion in the middle of the night changes nothing
    open_registry(settings).register("ssdc_mininet", who="ann", reason="second")
    open_registry(settings).promote("v2", who="ann", reason="second")
    assert Inspector(sent, 1).open() is None

    other = Inspector(replace(sent, settings=sent.settings.with_model("v2")), 1).open()
    assert isinstance(other, Refused)
    assert other.kind == ClusterError.__name__
    assert "finds the model" in other.text
    older = Inspector(replace(sent, steelflow="0.0.1"), 1).open()
    assert isinstance(older, Refused)
    assert "install the same" in older.text


def test_local_is_the_default(plant: Path, tmp_path: Path) -> None:
    assert isinstance(Night(local_settings(plant, tmp_path / "report"), NIGHT).executor, Local)
