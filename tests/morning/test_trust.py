"""Whether a night can be trusted: one sentence, and the reasons that decide it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coil_plants import framed
from frame_plants import NIGHT

from steelflow.config import Settings
from steelflow.drift.check import NIGHTS, TABLE
from steelflow.morning.trust import Reason, _novelty, answered, trust, trust_of
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry
from steelflow.store import open_store
from steelflow.store.base import Store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A complete night, judged by the champion."""
    settings = framed(tmp_path, max_unreadable=1)
    registry = open_registry(settings)
    metrics = {"golden_accuracy": 0.991}
    registry.register(str(tmp_path / "levels.onnx"), who="ann", reason="a test", metrics=metrics)
    registry.promote("v1", who="ann", reason="a test")
    settings = settings.with_model("champion")
    inspect_night(settings, NIGHT)
    return settings


def drift(settings: Settings, date: dt.date, **verdicts: str) -> None:
    rows = [
        {"line": line, "verdict": verdict, "reason": "", "breach": verdict in ("warn", "alarm"), "text": "it is darker"}
        for line, verdict in verdicts.items()
    ]
    table = pl.DataFrame([dict.fromkeys(TABLE) | row for row in rows], schema=TABLE).drop("date")
    store = open_store(settings.report.uri, settings.store)
    path = Path(settings.report.uri) / f"{NIGHTS}date={date}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(path)
    assert store.stat(f"{NIGHTS}date={date}.parquet").size


def sentence(settings: Settings, **changes: Any) -> str:
    return trust_of(settings.model_copy(update=changes), NIGHT).sentence


def of(settings: Settings) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in trust_of(settings, NIGHT).reasons:
        found.setdefault(one.about, []).append((one.answer, one.text))
    return found


def test_coverage(settings: Settings, tmp_path: Path) -> None:
    assert of(settings)["coverage"] == [("yes", "all 2 lines are complete (50 images, 2 unreadable)")]
    some = settings.model_copy(update={"coils": settings.coils.model_copy(update={"max_unreadable": 0.01})})
    assert of(some)["coverage"] == [("with care", "4.0% of the images cannot be read")]
    lines = settings.night.model_copy(update={"lines": ("L1", "L2", "L9")})
    inspect_night(settings.model_copy(update={"night": lines}), NIGHT)
    assert of(settings)["coverage"] == [("no", "line L9: no images on 2026-11-01")]
    assert sentence(settings) == "No: line L9: no images on 2026-11-01."
    for file in (tmp_path / "report" / "runs").rglob("*.json"):
        file.unlink()
    assert sentence(settings) == "No: the night of 2026-11-01 has no record: it was not inspected to its end."


@pytest.mark.parametrize(
    ("novel", "answers"),
    [
        ((0, 0), [("yes", "0.0% of the images are unlike the training images")]),
        ((20, 20), [("yes", "20.0% of the images are unlike the training images")]),
        (
            (0, 21),
            [
                ("with care", "21% of the images of line L2 are unlike the training images"),
                ("yes", "10.5% of the images are unlike the training images"),
            ],
        ),
        (
            (51, 50),
            [
                ("no", "51% of the images of line L1 are unlike the training images"),
                ("with care", "50% of the images of line L2 are unlike the training images"),
            ],
        ),
        ((None, None), [("with care", "the model does not notice images that it was not trained for")]),
    ],
)
def test_novelty(novel: tuple[int | None, int | None], answers: list[tuple[str, str]]) -> None:
    summary = pl.DataFrame(
        {"line": ["L1", "L2"], "status": "ok", "images": 100, "novel": novel},
        schema_overrides={"novel": pl.UInt32},
    )
    assert [(one.answer, one.text) for one in _novelty(summary, most=0.2)] == answers


def test_drift(settings: Settings) -> None:
    assert of(settings)["drift"] == [("with care", "no line has a verdict on drift")]
    drift(settings, NIGHT, L1="none", L2="none")
    assert of(settings)["drift"] == [("yes", "no line drifts")]
    drift(settings, NIGHT, L1="none")
    assert of(settings)["drift"] == [("with care", "drift is not known for L2")]
    drift(settings, NIGHT, L1="warn", L2="alarm")
    drift(settings, NIGHT - dt.timedelta(1), L1="none", L2="warn")
    drift(settings, NIGHT - dt.timedelta(2), L1="none", L2="insufficient")
    drift(settings, NIGHT - dt.timedelta(3), L1="none", L2="alarm")
    drift(settings, NIGHT - dt.timedelta(4), L1="none", L2="none")
    assert of(settings)["drift"] == [
        ("no", "line L2 drifts since 29 Oct (it is darker)"),
        ("with care", "line L1 is over a threshold of drift since 01 Nov (it is darker)"),
    ]


@pytest.mark.parametrize(
    ("metrics", "days", "answer", "words"),
    [
        ({"golden_accuracy": 0.991}, 12, "yes", "the model v1 (12 days old) got 99.1% of the golden set right"),
        ({"golden_accuracy": 0.991}, 0, "yes", "(new)"),
        ({"golden_accuracy": 0.991}, 200, "with care", "(200 days old)"),
        ({"golden_accuracy": 0.90}, 1, "with care", "(1 day old) got 90.0%"),
        ({"golden_accuracy": 0.70}, 1, "no", "got 70.0%"),
        ({}, 1, "with care", "was never measured on a golden set"),
    ],
)
def test_the_model(tmp_path: Path, metrics: dict[str, float], days: int, answer: str, words: str) -> None:
    settings = framed(tmp_path, max_unreadable=1)
    registry = open_registry(settings)
    registry.register(str(tmp_path / "levels.onnx"), who="ann", reason="a test", metrics=metrics)
    registry.promote("v1", who="ann", reason="a test")
    inspect_night(settings.with_model("champion"), NIGHT)
    night = dt.datetime.now(dt.UTC).date() + dt.timedelta(days)
    _moved(open_store(settings.report.uri, settings.store), Path(settings.report.uri), night)
    (found,) = [one for one in trust_of(settings, night).reasons if one.about == "model"]
    assert (found.answer, words in found.text) == (answer, True), found


def _moved(store: Store, root: Path, night: dt.date) -> None:
    """The night's record under another date."""
    (record,) = (root / "runs").rglob("*.json")
    to = root / f"runs/date={night}" / record.name
    to.parent.mkdir()
    to.write_text(record.read_text().replace(f'"date": "{NIGHT}"', f'"date": "{night}"'))
    assert list(store.list(f"runs/date={night}/"))


def test_a_model_that_is_not_in_the_registry_was_never_measured_here(tmp_path: Path) -> None:
    settings = framed(tmp_path)
    inspect_night(settings, NIGHT)
    assert of(settings)["model"] == [("with care", "the model levels was never measured on images of this plant")]


def test_two_models_are_told(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "report" / "summaries" / f"date={NIGHT}" / "line=L2.parquet"
    pl.read_parquet(path, hive_partitioning=False).with_columns(model=pl.lit("other 7")).write_parquet(path)
    assert ("with care", "2 models judged this night: levels v1, other 7") in of(settings)["model"]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([("yes", "a"), ("yes", "b"), ("yes", "c"), ("yes", "d")], ("yes", "Yes: a; b; c; d.")),
        ([("yes", "a"), ("with care", "b")], ("with care", "With care: b.")),
        ([("yes", "a"), ("with care", "b"), ("no", "c")], ("no", "No: c.")),
        ([("no", text) for text in "abcde"], ("no", "No: a; b; c, and 2 more reasons.")),
        ([("no", text) for text in "abcd"], ("no", "No: a; b; c, and 1 more reason.")),
        ([], ("no", "No: nothing is known of this night.")),
    ],
)
def test_the_worst_reason_decides(reasons: list[tuple[Any, str]], expected: tuple[str, str]) -> None:
    found = answered(Reason("drift", answer, text) for answer, text in reasons)
    assert (found.answer, found.sentence) == expected
    assert len(found.reasons) == len(reasons)


def test_a_registry_that_cannot_be_read_is_a_reason_not_an_error(settings: Settings, tmp_path: Path) -> None:
    next((tmp_path / "report" / "registry" / "log").iterdir()).write_text("{}")
    found = trust_of(settings, NIGHT)
    assert found.answer == "no"
    assert "registry" in found.sentence


def test_it_is_the_same_with_the_stores_at_hand(settings: Settings) -> None:
    store = open_store(settings.report.uri, settings.store)
    assert trust(store, open_registry(settings), NIGHT, settings) == trust_of(settings, NIGHT)
