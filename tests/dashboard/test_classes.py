"""The page Classes: operators retire, rename and merge; others see."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from pages import OPERATOR, opened, texts
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
def plant(inspected: Settings, tmp_path: Path) -> Iterator[Settings]:
    shutil.copytree(inspected.report.uri, tmp_path / "report")
    yield local_settings(Path(inspected.archive.uri), tmp_path / "report")
    st.cache_data.clear()
    st.cache_resource.clear()


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


def test_a_class_is_retired_on_the_page(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "classes")
    assert not app.exception
    app.button(key="class-retire").click().run()
    app.selectbox(key="changed-class").set_value("inclusion").run()
    app.text_input(key="class-reason").set_value("not on this line").run()
    app.button(key="class-now").click().run()
    assert not app.exception
    (change,) = open_labels(plant).class_names().changes
    assert (change.action, change.name, change.who, change.reason) == (
        "retire",
        "inclusion",
        OPERATOR,
        "not on this line",
    )


def test_a_viewer_sees_no_live_button(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(plant, tmp_path, monkeypatch, "classes", email="vic@plant.example")
    assert not app.exception
    assert all(app.button(key=f"class-{action}").disabled for action in ("retire", "restore", "rename", "merge"))
    assert "you need the role operator" in texts(app)
