"""Two sets compared by the library: which reference is taken, which night is chosen, and the page about it."""

from __future__ import annotations

import datetime as dt
import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from nights import DAY, night_rows, put_report
from plants import local_settings

from steelflow.config import Settings
from steelflow.drift import accept, build_profile, check_night
from steelflow.errors import DriftError
from steelflow.night.comparison import Comparison, compare
from steelflow.registry import open_registry, resolved
from steelflow.store.local import LocalStore

LIGHT = {"first": 1.0, "brought": 0.8, "accepted": 0.6}  # what the images of each reference look like


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "report")


def put_nights(settings: Settings, *lights: float) -> LocalStore:
    """Reports of L1 and L2 by the configured model, a night for each light."""
    report = LocalStore(Path(settings.report.uri), create=True)
    for number, light in enumerate(lights):
        for line in ("L1", "L2"):
            rows = night_rows(seed=2 * number + int(line[1]), light=light, digest=resolved(settings).digest)
            put_report(report, DAY + dt.timedelta(number), line, rows)
    return report


def by_line(found: Comparison) -> dict[str | None, str]:
    return {one.line: one.verdict for one in found.chosen.lines}


def test_first_nights_then_brought_then_accepted(settings: Settings) -> None:
    """Each reference takes the place of the one before; the last night looks like one of them alone."""
    unregistered = settings.model.model_copy(update={"ref": "steelnet"})
    settings = settings.model_copy(update={"model": unregistered})
    report = put_nights(settings, LIGHT["first"], LIGHT["first"], LIGHT["first"], LIGHT["accepted"], LIGHT["brought"])
    digest = resolved(settings).digest
    with pytest.raises(DriftError, match="no reference of model"):
        compare(settings)
    for number in range(3):
        check_night(report, DAY + dt.timedelta(number), settings.drift, digest)
    assert by_line(compare(settings)) == {"L1": "alarm", "L2": "alarm"}

    rows = night_rows(1500, seed=77, light=LIGHT["brought"], digest=digest).with_columns(line=pl.lit("L1"))
    registry = open_registry(settings)
    registry.register("steelnet", who="ann", reason="a test", reference=build_profile(rows, digest))
    registry.promote("v1", who="ann", reason="a test")
    champion = settings.model_copy(update={"model": settings.model.model_copy(update={"ref": "champion"})})
    assert by_line(compare(champion)) == {"L1": "none", "L2": "alarm"}  # the profile does not know L2

    accept(report, digest, [DAY + dt.timedelta(3)], 500, who="ann", reason="a test", lines=["L1"])
    assert by_line(compare(champion)) == {"L1": "alarm", "L2": "alarm"}
    put_nights(settings, *[LIGHT["accepted"]] * 6)
    assert by_line(compare(champion)) == {"L1": "none", "L2": "alarm"}


def test_the_reference_is_the_one_of_the_night(settings: Settings) -> None:
    """A profile without lines serves for every line, beside a line that has a reference of its own."""
    report = put_nights(settings, 1.0, 0.6, 0.6)
    digest = resolved(settings).digest
    profile = build_profile(night_rows(1500, seed=77, digest=digest), digest)
    registry = open_registry(settings)
    registry.register("steelnet", who="ann", reason="a test", reference=profile)
    registry.promote("v1", who="ann", reason="a test")
    accept(report, digest, [DAY + dt.timedelta(1)], 500, who="ann", reason="a test", lines=["L1"])
    night = check_night(report, DAY + dt.timedelta(2), settings.drift, digest, profile)
    assert {one.line: one.verdict for one in night.lines} == {"L1": "none", "L2": "alarm"}
    assert compare(settings).chosen == night


def test_the_worst_night_is_chosen_and_the_page_is_about_it(settings: Settings, tmp_path: Path) -> None:
    digest = resolved(settings).digest
    (tmp_path / "good.parquet").write_bytes(build_profile(night_rows(1500, seed=77, digest=digest), digest))
    put_nights(settings, 1.0, 0.6, 0.5)
    found = compare(settings, reference=str(tmp_path / "good.parquet"), current=settings.report.uri)
    assert [one.verdict for one in found.nights] == ["none", "alarm", "alarm"]
    assert found.chosen is found.nights[1]  # the earliest of the worst
    assert set(found.before) == set(found.after) == {"L1", "L2"}
    assert found.after["L2"].height == 600
    assert found.to_dict()["nights"][2] == {"date": str(DAY + dt.timedelta(2)), "verdict": "alarm"}
    page = found.explanation()
    assert f"Drift on the night of {DAY + dt.timedelta(1)}: alarm" in page
    assert "brightness moved down" in page


def test_images_are_classified_first_and_progress_is_told(settings: Settings, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(80):
        grey = rng.normal(rng.uniform(90, 130), 20, (64, 64)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number:02}.png"), grey)
    told: list[int] = []
    images = str(tmp_path / "images")
    tight = settings.model_copy(update={"drift": settings.drift.model_copy(update={"min_images": 50})})
    found = compare(tight, reference=images, current=images, progress=lambda done: told.append(done.counts.found))
    assert found.chosen.verdict == "none"
    assert sum(told) == 2 * 80
    assert [one.images for one in found.chosen.lines] == [80]
    assert found.chosen.signals


def test_without_reports_there_is_nothing_to_compare(settings: Settings, tmp_path: Path) -> None:
    digest = resolved(settings).digest
    (tmp_path / "good.parquet").write_bytes(build_profile(night_rows(1500, seed=77, digest=digest), digest))
    with pytest.raises(DriftError, match="no report of the night of"):
        compare(settings, reference=str(tmp_path / "good.parquet"))


def test_a_line_that_the_reference_does_not_know_has_no_verdict_and_the_others_have(
    settings: Settings, tmp_path: Path
) -> None:
    digest = resolved(settings).digest
    rows = night_rows(1500, seed=77, digest=digest).with_columns(line=pl.lit("L1"))
    (tmp_path / "good.parquet").write_bytes(build_profile(rows, digest))
    put_nights(settings, 0.6)
    found = compare(settings, reference=str(tmp_path / "good.parquet"))
    assert by_line(found) == {"L1": "alarm", "L2": "insufficient"}
    assert set(found.before) == set(found.after) == {"L1"}
    assert found.verdict == "alarm"


@pytest.mark.parametrize(("archive", "says"), [("s3://images", "missing"), ("nowhere", "")])
def test_the_verdict_needs_no_archive(settings: Settings, tmp_path: Path, archive: str, says: str) -> None:
    """Neither one in an embedded store that does not run, nor a folder that is gone."""
    digest = resolved(settings).digest
    (tmp_path / "good.parquet").write_bytes(build_profile(night_rows(1500, seed=77, digest=digest), digest))
    put_nights(settings, 0.6)
    away = settings.model_copy(update={"archive": settings.archive.model_copy(update={"uri": archive})})
    found = compare(away, reference=str(tmp_path / "good.parquet"))
    assert found.verdict == "alarm"
    page = found.explanation()
    assert "brightness moved down" in page
    assert f"not available: {says}" in page
    assert "data:image/jpeg" not in page


def test_images_of_a_tar_are_shown_on_the_page(settings: Settings, tmp_path: Path) -> None:
    """The images are in the tar alone, not in the archive of the settings."""
    rng = np.random.default_rng(0)
    (tmp_path / "bright").mkdir()
    with tarfile.open(tmp_path / "dark.tar", "w") as tar:
        for number in range(80):
            grey = rng.normal(rng.uniform(90, 130), 20, (64, 64)).clip(0, 255)
            cv2.imwrite(str(tmp_path / "bright" / f"{number:02}.png"), grey.astype(np.uint8))
            data = cv2.imencode(".png", (0.4 * grey).astype(np.uint8))[1].tobytes()
            info = tarfile.TarInfo(f"{number:02}.png")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    tight = settings.model_copy(update={"drift": settings.drift.model_copy(update={"min_images": 50})})
    found = compare(tight, reference=str(tmp_path / "bright"), current=str(tmp_path / "dark.tar"))
    assert (found.verdict, [one.images for one in found.chosen.lines]) == ("alarm", [80])
    page = found.explanation()
    assert "brightness moved down" in page
    assert page.count("data:image/jpeg") >= 12
    assert "not available" not in page
