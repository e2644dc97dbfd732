"""The page Classes: operators retire, rename and merge; others see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pages import opened, texts
from plants import NIGHT, local_settings, make_plant

from dashboard.auth import actions
from dashboard.auth.access import Actor, NotAllowed
from steelflow.config import Settings
from steelflow.errors import LabelError
from steelflow.labels import LabelStore, open_labels
from steelflow.night.run import inspect_night
from steelflow.store.local import LocalStore


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("classes")
    settings = local_settings(make_plant(folder), folder / "report")
    inspect_night(settings, NIGHT)
    return settings


@pytest.fixture
def plant(inspected: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(inspected.report.uri, tmp_path / "report")
    return local_settings(Path(inspected.archive.uri), tmp_path / "report")


@pytest.mark.parametrize("role", ["viewer", "labeller"])
def test_only_operators_change_classes(tmp_path: Path, role: str) -> None:
    labels = LabelStore(LocalStore(tmp_path, create=True))
    with pytest.raises(NotAllowed, match="needs the role operator"):
        actions.change_class(Actor("vic", role), labels, "retire", "a", None, "why", ["a"])  # type: ignore[arg-type]
    assert not list(labels.store.list())
    olga = Actor("olga", "operator")
    with pytest.raises(LabelError, match="a name and a reason"):
        actions.change_class(olga, labels, "retire", "a", None, " ", ["a"])
    made = actions.change_class(olga, labels, "retire", "a", None, "why", ["a"])
    assert made is not None
    assert (made.who, labels.class_names().offered(["a", "b"])) == ("olga", ["b"])


def test_the_dialog_asks_for_a_reason(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "classes")
    assert not app.exception
    app.button(key="class-retire").click().run()
    assert app.selectbox(key="changed-class").options == [
        "crazing",
        "inclusion",
        "patches",
        "pitted_surface",
        "rolled-in_scale",
        "scratches",
    ]
    assert app.button(key="class-now").disabled, "without a reason"
    assert "it can be restored" in texts(app)


def test_the_page_shows_what_was_changed(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = open_labels(plant)
    labels.change_class("retire", "crazing", who="olga", reason="not here", classes=["crazing", "patches"])
    labels.change_class(
        "merge", "inclusion", "patches", who="olga", reason="one kind", classes=["inclusion", "patches"]
    )
    app = opened(plant, tmp_path, monkeypatch, "classes")
    assert not app.exception
    table, changes = (one.value for one in app.dataframe)
    assert dict(zip(table["class"], table["state"], strict=True)) == {
        "patches": "",
        "pitted surface": "",
        "rolled-in scale": "",
        "scratches": "",
        "crazing": "retired",
    }
    assert list(changes["reason"]) == ["one kind", "not here"]


def test_a_viewer_sees_no_live_button(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "classes", email="vic@plant.example")
    assert not app.exception
    assert all(app.button(key=f"class-{action}").disabled for action in ("retire", "restore", "rename", "merge"))
    assert "you need the role operator" in texts(app)
