"""Decisions about coils: append-only, in order, and never silently changed."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coil_plants import framed, listed, with_coils
from frame_plants import NIGHT

from steelflow.coils.deciding import Decided, decide
from steelflow.coils.decisions import Decision, Decisions, open_decisions
from steelflow.config import Settings
from steelflow.errors import CoilError
from steelflow.night.run import inspect_night
from steelflow.store import open_store
from steelflow.store.base import Store
from steelflow.store.local import LocalStore

C1 = ("L1", "C1")
MOMENT = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)
NAMES = ("C1", "../../C1", "a/b", ".", "..", "=cmd|' /C calc'!A0", "Ü" * 200, "x" * 255, "50%", " ", "\N{SNOWMAN}\n")


@pytest.fixture(params=["folder", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, fresh_bucket: Callable[[], Store]) -> Store:
    return LocalStore(tmp_path / "store", create=True) if request.param == "folder" else fresh_bucket()


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = framed(tmp_path_factory.mktemp("plant"))
    inspect_night(settings, NIGHT)
    return settings


@pytest.fixture
def settings(inspected: Settings, tmp_path: Path) -> Settings:
    return with_coils(inspected, uri=str(tmp_path / "coils"))


def one(coil: str = "C1", line: str | None = "L1", **more: Any) -> Decision:
    basis = {"images": 8, "strip": 1.25, "models": ["levels 1"]}
    fields: dict[str, Any] = {"disposition": "held", "reason": "pits", "who": "ann", "proposed": "held", **more}
    at = Decision.__dataclass_fields__  # every field is given: no default hides one
    given = {
        "number": 0,
        "date": NIGHT,
        "line": line,
        "coil": coil,
        "reasons": ("5 defects",),
        "basis": basis,
        **fields,
    }
    given.setdefault("at", MOMENT)
    assert set(given) == set(at) - {"before", "digest"}
    return Decision(**given)


def say(settings: Settings, disposition: Any, reason: str, who: str = "ann", **more: Any) -> list[Decided]:
    report = open_store(settings.report.uri, settings.store)
    return decide(settings, report, open_decisions(settings), NIGHT, [C1], disposition, who=who, reason=reason, **more)


def test_decisions_are_kept_in_order(store: Store) -> None:
    decisions = Decisions(store)
    assert decisions.of_night(NIGHT) == {}
    known: tuple[Decision, ...] = ()
    for number in range(1, 4):
        known = (*known, decisions.add(one(reason=f"reason {number}"), known))
        assert decisions.history(NIGHT, *C1) == known
    assert [each.number for each in known] == [1, 2, 3]
    assert [each.before for each in known] == ["", known[0].digest, known[1].digest]
    decisions.add(one(line=None), ())
    assert set(decisions.of_night(NIGHT)) == {C1, (None, "C1")}
    assert set(decisions.of_night(NIGHT, ["L1"])) == {C1}
    assert decisions.of_night(NIGHT.replace(day=2)) == {}


def test_an_existing_decision_is_never_overwritten(store: Store) -> None:
    decisions = Decisions(store)
    first = decisions.add(one(who="ann"), ())
    with pytest.raises(CoilError, match="another person has decided in the meantime; this decision was not stored"):
        decisions.add(one(who="ben"), ())
    assert decisions.history(NIGHT, *C1) == (first,)


@pytest.mark.parametrize("name", NAMES)
def test_a_coil_may_have_any_name(tmp_path: Path, name: str) -> None:
    decisions = Decisions(LocalStore(tmp_path / "store", create=True))
    for coil in NAMES:
        decisions.add(one(coil), ())
    assert set(decisions.of_night(NIGHT)) == {("L1", coil) for coil in NAMES}
    assert [each.coil for each in decisions.history(NIGHT, "L1", name)] == [name]
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


@pytest.mark.parametrize("change", ["edited", "forged", "removed", "inserted", "no JSON", "moved"])
def test_a_change_by_hand_is_detected(tmp_path: Path, change: str) -> None:
    decisions = Decisions(LocalStore(tmp_path, create=True))
    known: tuple[Decision, ...] = ()
    for reason in ("a", "b", "c"):
        known = (*known, decisions.add(one(reason=reason), known))
    files = sorted(tmp_path.rglob("*.json"))
    fields = json.loads(files[1].read_text())
    if change == "edited":
        files[1].write_text(json.dumps({**fields, "disposition": "released"}))
    elif change == "forged":
        files[1].write_text(json.dumps(one(reason="x", number=2, disposition="released").sealed().to_dict()))
    elif change == "removed":
        files[1].unlink()
    elif change == "inserted":
        files[2].with_name("00000004.json").write_bytes(files[1].read_bytes())
    elif change == "no JSON":
        files[1].write_text("{")
    else:
        other = files[1].parent.with_name("coil=C9")
        files[1].parent.rename(other)
    with pytest.raises(CoilError, match=r"was changed by hand: this object .*; restore it from a backup") as caught:
        decisions.of_night(NIGHT)
    assert "\n" not in str(caught.value)


def test_what_was_decided_stands_with_its_basis(settings: Settings) -> None:
    (made,) = say(settings, "released", "  seen on the\n line ")
    assert made.fresh
    state = listed(settings)[C1]
    assert (state.disposition, state.decision, state.changed) == ("released", made.decision, ())
    assert (made.decision.reason, made.decision.who, made.decision.number) == ("seen on the line", "ann", 1)
    assert (made.decision.proposed, made.decision.basis["defects"]) == ("to be graded", 5)
    assert made.decision.basis["classes"] == {"dark": 3, "bright": 2}


def test_the_same_decision_is_stored_once(settings: Settings, tmp_path: Path) -> None:
    assert [each.fresh for each in say(settings, "held", "pits")] == [True]
    assert [each.fresh for each in say(settings, "held", "pits")] == [False]
    assert [each.fresh for each in say(settings, "held", "pits", who="ben")] == [True]
    assert [each.fresh for each in say(settings, "released", "pits", who="ben")] == [True]
    assert len(list((tmp_path / "coils").rglob("*.json"))) == 3
    assert [each.disposition for each in listed(settings)[C1].history] == ["held", "held", "released"]


@pytest.mark.parametrize(
    ("reason", "who", "seen", "words"),
    [
        ("", "ann", None, "needs a name and a reason"),
        (" \n", "ann", None, "needs a name and a reason"),
        ("pits", " ", None, "needs a name and a reason"),
        ("x" * 2001, "ann", None, "the limit is 2,000"),
        ("pits", "ann", {C1: 0}, "ben has decided in the meantime: held \\(his\\)"),
    ],
)
def test_what_is_refused_changes_nothing(settings: Settings, reason: str, who: str, seen: Any, words: str) -> None:
    say(settings, "held", "his", who="ben")
    with pytest.raises(CoilError, match=f"{words}.*nothing was changed"):
        say(settings, "released", reason, who=who, seen=seen)
    assert len(listed(settings)[C1].history) == 1


def test_if_one_of_several_coils_does_not_exist_none_is_decided(settings: Settings) -> None:
    report = open_store(settings.report.uri, settings.store)
    coils = [C1, ("L1", "C99")]
    with pytest.raises(CoilError, match="no coil 'C99' of line L1 on 2026-11-01; nothing was changed"):
        decide(settings, report, open_decisions(settings), NIGHT, coils, "held", who="ann", reason="pits")
    assert listed(settings)[C1].history == ()


def test_people_who_decide_at_once_are_all_kept(settings: Settings) -> None:
    names = [f"person {number}" for number in range(4)]
    threads = [threading.Thread(target=say, args=(settings, "held", "pits", name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = listed(settings)[C1].history
    assert sorted(each.who for each in history) == names
    assert [each.number for each in history] == [1, 2, 3, 4]


def test_a_decision_stays_when_its_night_is_inspected_again(tmp_path: Path) -> None:
    settings = framed(tmp_path, rules=[{"classes": ["bright"]}], max_unreadable=1)
    inspect_night(settings, NIGHT)
    say(settings, "held", "bright spots")
    coil = tmp_path / "images" / "line=L1" / f"date={NIGHT}" / "coil=C1"
    for name in ("0.0m_000.png", "3.0m_006.png"):  # the two frames with a bright region
        (coil / name).unlink()
    inspect_night(settings, NIGHT)
    state = listed(settings)[C1]
    assert (state.disposition, state.proposed) == ("held", "released")
    assert {"images: 8, now 6", "defects of bright: 2, now 0", "defects of dark: 3, now 1"} <= set(state.changed)
    assert "proposal: held, now released" in state.changed
    for path in coil.iterdir():
        path.unlink()
    inspect_night(settings, NIGHT)
    state = listed(settings)[C1]
    assert (state.disposition, state.proposal) == ("held", None)
    assert state.changed == ("the reports no longer have images of this coil",)
