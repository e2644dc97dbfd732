"""``steelflow.compare_drift``: folders, reports, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

import steelflow


def test_darker_images_are_an_alarm_that_explains_itself(weeks: Path) -> None:
    told: list[int] = []
    found = steelflow.compare_drift(weeks / "week-46", weeks / "week-47", progress=told.append)
    assert sum(told) == 2 * 540
    assert found.verdict == "alarm"
    assert found.signals[0].signal == "brightness"
    assert found.signals[0].value > found.signals[0].threshold
    assert "brightness moved down" in found.reasons[0]
    assert len(found.nights) == 1
    page = found.explanation()
    assert "brightness" in page
    assert page.count('src="data:image') >= 4


def test_reports_are_compared_as_their_images_are(weeks: Path, tmp_path: Path) -> None:
    places = [weeks / "week-46", weeks / "week-47"]
    reports = [tmp_path / place.name for place in places]
    for place, report in zip(places, reports, strict=True):
        steelflow.inspect(place, out=report)
    of_images, of_reports = steelflow.compare_drift(*places), steelflow.compare_drift(*reports)
    assert of_reports.signals == of_images.signals
    assert "not available: missing" in of_reports.explanation()  # there is no archive here
    assert steelflow.compare_drift(reports[0], reports[0]).verdict == "none"


def test_thresholds_come_from_the_settings(weeks: Path) -> None:
    few = steelflow.Settings(drift={"min_images": 541})
    assert steelflow.compare_drift(weeks / "week-46", weeks / "week-47", settings=few).verdict == "insufficient"


def test_what_cannot_be_compared_is_an_error_of_ours(weeks: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(steelflow.SteelflowError, match="gone"):
        steelflow.compare_drift(tmp_path / "gone", weeks / "week-47")
    steelflow.inspect(photos, out=tmp_path / "other", model="ssdc_mininet")
    with pytest.raises(steelflow.errors.DriftError, match="judge both with one model"):
        steelflow.compare_drift(weeks / "week-46", tmp_path / "other")
