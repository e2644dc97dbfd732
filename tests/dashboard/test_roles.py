"""Every action of the dashboard, called directly: a role that is too low changes nothing, and who acted is recorded."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from map_plants import NIGHT, make

import dashboard.auth
from dashboard.auth import actions, dispositions, normal, together
from dashboard.auth.access import Actor, NotAllowed
from dashboard.auth.labelling import Review
from steelflow.coils.decisions import open_decisions
from steelflow.config import Role, Settings
from steelflow.labels import open_labels
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry, resolved
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store

CLASSES = ("bright", "dark", "good")
C1 = ("L1", "C7001")


class Plant:
    """A night of strip with regions on L1, and of images that are judged as a whole on L2; two versions of a model."""

    def __init__(self, folder: Path) -> None:
        made = make(folder)
        self.settings: Settings = made.model_copy(update={"drift": made.drift.model_copy(update={"min_images": 50})})
        inspect_night(self.settings, NIGHT)
        self.report = open_store(self.settings.report.uri, self.settings.store)
        self.archive = open_store(self.settings.archive.uri, self.settings.store)
        self.labels, self.registry = open_labels(self.settings), open_registry(self.settings)
        for name in ("steelnet", "ssdc_mininet", "strip"):
            self.registry.register(name, who="ann", reason="for the tests")
        for version in ("v1", "v2"):
            self.registry.promote(version, who="ann", reason="for the tests")
        olga = Actor("olga", "operator")
        self.said = [actions.label(olga, self.labels, self.whole(n), self.data(n), "dark", CLASSES) for n in (0, 1)]

    def whole(self, number: int) -> dict[str, Any]:
        rows = ReportReader(self.report).images([NIGHT], ["L2"]).filter(status="ok").collect()
        return rows.sort("object_key").row(number, named=True)

    def region(self) -> dict[str, Any]:
        found = RegionReader(self.report).regions([NIGHT], ["L1"]).collect()
        return {**found.sort("object_key", "region").row(0, named=True), "cluster": None, "reason": "region"}

    def data(self, number: int) -> bytes:
        return self.archive.get(self.whole(number)["object_key"])

    def everything(self) -> dict[str, str]:
        """All objects of the plant, with their etags."""
        stores = {"report": self.report, "labels": open_store(self.settings.labels_uri, self.settings.store)}
        stores["registry"] = self.registry.store
        return {f"{name} {info.key}": info.etag for name, store in stores.items() for info in store.list()}


@dataclass(frozen=True)
class Action:
    """A change: the function, what it is called with, the role that it needs, and who the plant says has made it."""

    function: Callable[..., Any]
    act: Callable[[Plant, Actor], Any]
    needs: Role
    who: Callable[[Plant], str]


def _of_region(plant: Plant, actor: Actor) -> None:
    review, row = Review([plant.region()]), plant.region()
    review.say(actor, plant.labels, plant.archive.get(row["object_key"]), row["label"], CLASSES, verdict="confirmed")


def _drawn(plant: Plant, actor: Actor) -> None:
    review, row = Review([plant.region()]), plant.region()
    review.draw(actor, plant.labels, plant.archive.get(row["object_key"]), "bright", CLASSES, (1, 2, 30, 40))


def _undone(plant: Plant, actor: Actor) -> None:
    review = Review([plant.whole(1)], place=1, done=[plant.said[1]])
    review.undo(actor, plant.labels)


def _last_label(plant: Plant) -> str:
    return str(plant.labels.history()["who"][-1])


def _last_entry(plant: Plant) -> str:
    return plant.registry.log()[-1].who


ACTIONS = {
    "label": Action(
        actions.label,
        lambda p, who: actions.label(who, p.labels, p.whole(2), p.data(2), "bright", CLASSES),
        "labeller",
        _last_label,
    ),
    "label a region": Action(Review.say, _of_region, "labeller", _last_label),
    "draw a box": Action(Review.draw, _drawn, "labeller", _last_label),
    "undo": Action(actions.undo, lambda p, who: actions.undo(who, p.labels, p.said[0]), "labeller", _last_label),
    "undo in review": Action(Review.undo, _undone, "labeller", _last_label),
    "label many": Action(
        together.label_together,
        lambda p, who: together.label_together(
            who, p.labels, [p.whole(3)], lambda asked: [(one, p.archive.get(one.key)) for one in asked], "good", CLASSES
        ),
        "labeller",
        _last_label,
    ),
    "retire a class": Action(
        actions.change_class,
        lambda p, who: actions.change_class(who, p.labels, "retire", "bright", None, "a test", CLASSES, ("good",)),
        "operator",
        lambda p: p.labels.class_names().changes[-1].who,
    ),
    "promote": Action(
        actions.promote,
        lambda p, who: actions.promote(who, p.registry, "v3", "a test", "v2"),
        "operator",
        _last_entry,
    ),
    "roll back": Action(
        actions.rollback, lambda p, who: actions.rollback(who, p.registry, "v1", "a test"), "operator", _last_entry
    ),
    "decide about a coil": Action(
        dispositions.decide,
        lambda p, who: dispositions.decide(
            who, p.settings, p.report, open_decisions(p.settings), NIGHT, {C1: 0}, "held", "a test"
        ),
        "operator",
        lambda p: open_decisions(p.settings).history(NIGHT, *C1)[-1].who,
    ),
    "accept drift": Action(
        normal.accept_as_normal,
        lambda p, who: normal.accept_as_normal(who, p.settings, p.report, NIGHT, "L1", "a test"),
        "operator",
        lambda p: _accepted(p),
    ),
}
"""The actions of ``Orchestrator``, which ask Prefect, are in ``test_pages.py`` and ``test_runs_browser.py``."""

_RANKS: tuple[Role, ...] = ("viewer", "labeller", "operator")


def _accepted(plant: Plant) -> str:
    from dashboard.data.drifting import accepted

    found = accepted(plant.report, resolved(plant.settings).digest, "L1")
    assert found is not None
    return str(found["who"])


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    return Plant(tmp_path_factory.mktemp("roles"))


@pytest.fixture(params=list(ACTIONS))
def action(request: pytest.FixtureRequest) -> Action:
    return ACTIONS[request.param]


def test_who_has_not_the_role_changes_nothing(inspected: Plant, action: Action) -> None:
    before = inspected.everything()
    for role in _RANKS[: _RANKS.index(action.needs)]:
        with pytest.raises(NotAllowed, match=f"vic has the role {role}, but this needs the role {action.needs}"):
            action.act(inspected, Actor("vic", role))
    assert inspected.everything() == before


def test_who_acted_is_recorded(inspected: Plant, action: Action) -> None:
    action.act(inspected, Actor("olga", action.needs))
    assert action.who(inspected) == "olga"


def test_no_action_is_left_out() -> None:
    known = {action.function.__qualname__ for action in ACTIONS.values()}
    known |= {"Orchestrator.start", "Orchestrator.cancel", "Orchestrator.repeat"}
    assert {function.__qualname__ for function in _acting()} == known


def _acting() -> Iterator[Callable[..., Any]]:
    """What takes an actor, in the modules that may change something."""
    for module in pkgutil.iter_modules(dashboard.auth.__path__, "dashboard.auth."):
        for thing in vars(importlib.import_module(module.name)).values():
            of_class = vars(thing).values() if inspect.isclass(thing) else [thing]
            for one in of_class:
                if (
                    inspect.isfunction(one)
                    and one.__module__ == module.name
                    and "actor" in inspect.signature(one).parameters
                ):
                    yield one
