"""Drift that is said to be normal: the reference moves, on the lines that were named, for the model that inspects."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from nights import DAY, DIGEST, night_rows, put_report

from steelflow.config import DriftSettings
from steelflow.drift import accept, check_night
from steelflow.errors import DriftError
from steelflow.store.local import LocalStore

SETTINGS = DriftSettings(reference_nights=1)
DARK = 0.5


@pytest.fixture
def report(tmp_path: Path) -> LocalStore:
    """A night that became the reference, and three dark ones after it, on two lines."""
    store = LocalStore(tmp_path, True)
    for night in range(4):
        for line in ("L1", "L2"):
            rows = night_rows(seed=10 * night + int(line[1]), light=DARK if night else 1.0)
            put_report(store, DAY + dt.timedelta(days=night), line, rows)
    assert verdicts(store, 0) == {"L1": "insufficient", "L2": "insufficient"}
    assert verdicts(store, 1) == {"L1": "alarm", "L2": "alarm"}
    return store


def verdicts(store: LocalStore, night: int) -> dict[str | None, str]:
    found = check_night(store, DAY + dt.timedelta(days=night), SETTINGS, DIGEST)
    return {line.line: line.verdict for line in found.lines}


def test_what_was_accepted_does_not_alarm_and_the_other_line_still_does(report: LocalStore) -> None:
    said = {"who": "ann", "reason": "new lamps"}
    assert accept(report, DIGEST, [DAY + dt.timedelta(days=1)], 500, lines=["L1"], **said) == ["L1"]
    assert verdicts(report, 2) == {"L1": "none", "L2": "alarm"}
    (note,) = (report.root / "drift" / "accepted").rglob("*.json")
    about = json.loads(note.read_text())
    assert (about["who"], about["reason"], about["nights"]) == ("ann", "new lamps", ["2026-11-02"])


def test_all_lines_of_several_nights(report: LocalStore) -> None:
    nights = [DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=2)]
    assert accept(report, DIGEST, nights, 1000, who="ann", reason="new lamps") == ["L1", "L2"]
    assert verdicts(report, 3) == {"L1": "none", "L2": "none"}


def test_too_few_images_or_no_reason_change_nothing(report: LocalStore) -> None:
    before = sorted(report.root.rglob("*"))
    with pytest.raises(DriftError, match="no line has 5000 images"):
        accept(report, DIGEST, [DAY], 5000, who="ann", reason="new lamps")
    with pytest.raises(DriftError, match="needs a name and a reason"):
        accept(report, DIGEST, [DAY], 500, who="ann", reason=" ")
    with pytest.raises(DriftError, match="no line has 500 images judged by model aaaa"):
        accept(report, "a" * 64, [DAY], 500, who="ann", reason="new lamps")
    assert sorted(report.root.rglob("*")) == before
