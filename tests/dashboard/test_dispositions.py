"""Coils in the dashboard: what is proposed, who may decide, and that a viewer changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from coil_plants import framed, listed
from frame_plants import NIGHT
from pages import opened, texts

from dashboard.auth.access import Actor, NotAllowed
from dashboard.auth.dispositions import decide
from dashboard.data import coils as data_coils
from steelflow.coils.decisions import open_decisions
from steelflow.config import Role, Settings
from steelflow.errors import CoilError
from steelflow.morning.trust import trust_of
from steelflow.night.run import inspect_night
from steelflow.store import open_store

C1 = ("L1", "C1")
BUTTONS = ("held", "released", "to be graded")
MORE = "[coils]\nmax_unreadable = 1.0\n[[coils.rules]]\nclasses = ['bright']\n"


@pytest.fixture
def plant(tmp_path: Path) -> Settings:
    settings = framed(tmp_path / "plant", rules=[{"classes": ["bright"]}], max_unreadable=1)
    inspect_night(settings, NIGHT)
    return settings


def say(settings: Settings, who: str, role: Role, seen: int = 0) -> None:
    report = open_store(settings.report.uri, settings.store)
    actor = Actor(who, role)
    decide(actor, settings, report, open_decisions(settings), NIGHT, {C1: seen}, "held", "bright spots")


@pytest.mark.parametrize("role", ["viewer", "labeller"])
def test_who_has_not_the_role_changes_nothing(plant: Settings, role: Role) -> None:
    with pytest.raises(NotAllowed, match=f"vic has the role {role}, but this needs the role operator"):
        say(plant, "vic", role)
    assert listed(plant)[C1].history == ()


def test_the_settings_say_which_role_decides(plant: Settings) -> None:
    coils = plant.coils.model_copy(update={"role": "labeller"})
    say(plant.model_copy(update={"coils": coils}), "ann", "labeller")
    assert [one.who for one in listed(plant)[C1].history] == ["ann"]


def test_a_decision_on_what_another_person_has_changed_is_refused(plant: Settings) -> None:
    say(plant, "ann", "operator")
    with pytest.raises(CoilError, match="ann has decided in the meantime"):
        say(plant, "ben", "operator")
    say(plant, "ben", "operator", seen=1)
    assert [one.who for one in listed(plant)[C1].history] == ["ann", "ben"]


def test_the_coil_page_shows_proposal_decision_and_what_has_changed(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(plant, "ann", "operator")
    (tmp_path / "plant/images/line=L1" / f"date={NIGHT}" / "coil=C1" / "0.0m_000.png").unlink()
    inspect_night(plant, NIGHT)
    where = {"night": str(NIGHT), "line": "L1", "coil": "C1"}
    app = opened(plant, tmp_path, monkeypatch, "coil", more=MORE, **where)
    assert not app.exception
    told = texts(app).replace("\\", "").replace("\u2060", "")
    assert "proposed: held" in told
    assert "1 defect of bright" in told
    assert "bright spots" in told
    assert "images: 8, now 7" in told
    assert [app.button(key=f"{one}-L1/C1").disabled for one in BUTTONS] == [False] * 3


def test_a_viewer_sees_it_and_has_no_buttons(plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"night": str(NIGHT), "line": "L1", "coil": "C1"}
    app = opened(plant, tmp_path, monkeypatch, "coil", email="vic@plant.example", more=MORE, **where)
    assert not app.exception
    assert "proposed: held" in texts(app)
    assert [app.button(key=f"{one}-L1/C1").disabled for one in BUTTONS] == [True] * 3
    assert "you need the role operator" in texts(app)


def test_tonight_lists_the_coils_and_the_trust(
    plant: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(plant, "ann", "operator")
    app = opened(plant, tmp_path, monkeypatch, more=MORE, night=str(NIGHT))
    assert not app.exception
    told = texts(app)
    assert "**5** to hold, **0** to be graded, 0 to release, 1 of 6 decided" in told
    (shown,) = [one.value for one in app.dataframe if "proposed" in one.value.columns]
    assert set(zip(shown["line"], shown["coil"], strict=True)) == set(listed(plant)) - {C1}
    labels = [one.label.replace("\\", "") for one in app.expander]
    _, _, sentence = trust_of(plant, NIGHT).sentence.partition(": ")
    assert any(sentence in label for label in labels)


def test_the_morning_report_of_the_page(plant: Settings) -> None:
    assert data_coils.report_of(plant, NIGHT, ".pdf").startswith(b"%PDF-")
    assert data_coils.report_of(plant, NIGHT, ".html").startswith(b"<!doctype html>")
