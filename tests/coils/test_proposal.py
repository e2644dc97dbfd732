"""Proposals: figures that equal those of the reports, rules, and what the reports cannot know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coil_plants import CLEAN, framed, listed, with_coils
from frame_plants import NIGHT
from knowing import with_good
from plants import local_settings, make_plant

from steelflow.coils.facts import facts
from steelflow.coils.proposal import proposals
from steelflow.config import CoilSettings, Settings, SeverityRule
from steelflow.errors import ReportError
from steelflow.night.run import inspect_night
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store

C1 = ("L1", "C1")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = framed(tmp_path_factory.mktemp("plant"))
    inspect_night(settings, NIGHT)
    return settings


def regions(settings: Settings) -> pl.DataFrame:
    return RegionReader(open_store(settings.report.uri, settings.store)).regions([NIGHT]).collect()


def test_figures_of_frames_are_those_of_the_reports(plant: Settings) -> None:
    report = open_store(plant.report.uri, plant.store)
    rows, found = ReportReader(report).images([NIGHT]).collect(), regions(plant)
    coils = listed(plant)
    assert set(coils) == set(rows.filter(pl.col("coil").is_not_null()).select("line", "coil").unique().iter_rows())
    for (line, coil), state in coils.items():
        own = rows.filter(line=line, coil=coil)
        here = found.filter(line=line, coil=coil)
        assert state.figures["images"] == own.height
        assert state.figures["failed"] == own.filter(status="failed").height
        assert state.figures["defects"] == here.height == sum(state.figures["classes"].values())
        assert state.figures["classes"] == dict(here["label"].value_counts().sort("count").iter_rows())
        assert state.figures["strip"] == pytest.approx(own["length"].sum(), abs=1e-3)
        assert state.rate == pytest.approx(100 * here.height / own["length"].sum(), rel=1e-3)
        assert state.figures["models"] == ["levels 1"]
        assert state.figures["grade"] == ("DC04" if coil == "C1" else None)


@pytest.mark.parametrize("good", [(), ("patches", "crazing")])
def test_figures_of_whole_images_are_those_of_the_reports(tmp_path: Path, good: tuple[str, ...]) -> None:
    model = str(with_good(tmp_path / "own.onnx", *good))
    settings = local_settings(make_plant(tmp_path), tmp_path / "report", ref=model)
    inspect_night(settings, NIGHT)
    report = open_store(settings.report.uri, settings.store)
    rows = ReportReader(report).images([NIGHT]).collect()
    found = facts(report, NIGHT, lengths=True)
    bad = rows.filter(pl.col("status") == "ok", ~pl.col("label").is_in(good), pl.col("coil").is_not_null())
    expected = bad.group_by("line", "coil", "label").len().sort("line", "coil", "label")
    counted = found.numbers.select("line", "coil", "label", "defects").sort("line", "coil", "label")
    assert counted.rows() == expected.rows()
    metres = bad.select("line", "coil", "label", pl.col("position").floor().cast(pl.Int64)).drop_nulls().unique()
    assert sorted(found.metres.select("line", "coil", "label", "metre").rows()) == sorted(metres.rows())
    for row in found.coils.iter_rows(named=True):
        own = rows.filter(pl.col("line").eq_missing(row["line"]), coil=row["coil"])
        assert (row["images"], row["failed"]) == (own.height, own.filter(status="failed").height)
        assert row["novel"] == own["novel"].sum()
        assert row["defects"] == (bad.filter(line=row["line"], coil=row["coil"]).height if good else None)


@pytest.mark.parametrize(
    ("rules", "disposition", "words"),
    [
        ([{}], "held", "5 defects"),
        ([{"classes": ["dark"]}], "held", "3 defects of dark"),
        ([{"classes": ["rust"]}], "released", "no rule holds"),
        ([{"min_defects": 5}], "held", "5 defects (limit 5)"),
        ([{"min_defects": 6}], "released", "no rule holds"),
        ([{"per_100m": 394}], "held", "per 100 m (limit 394)"),
        ([{"per_100m": 396}], "released", "no rule holds"),
        ([{"per_1000": 625}], "held", "625 per 1,000 images (limit 625)"),
        ([{"per_1000": 626}], "released", "no rule holds"),
        ([{"severities": ["large"]}], "held", "2 defects of severity large"),
        ([{"lines": ["L2"]}], "released", "no rule holds"),
        ([{"sides": ["top"]}], "released", "no rule holds"),
        ([{"grades": ["DC04"]}], "held", "5 defects, grade DC04"),
        ([{"grades": ["DX51"]}], "released", "no rule holds"),
        ([{"length_share": 1}], "held", "100.0% of its length (limit 100 %)"),
        ([{"propose": "to be graded"}, {"min_defects": 99}], "to be graded", "5 defects"),
        ([{"propose": "to be graded"}, {"min_defects": 4}], "held", "5 defects (limit 4)"),
    ],
)
def test_rules(plant: Settings, rules: list[dict[str, Any]], disposition: str, words: str) -> None:
    """The coil C1: three dark regions of 24×16 pixels and two bright ones of 16×24, on 8 frames, 1.266 m in all."""
    severe = (SeverityRule(severity="large", classes=("bright",)),)
    settings = with_coils(plant, rules=rules, **CLEAN).model_copy(update={"severity": severe})
    proposal = listed(settings)[C1].proposal
    assert proposal is not None
    assert proposal.disposition == disposition
    assert words in proposal.reasons[0]


def test_a_severity_by_density_is_that_of_the_coil(plant: Settings) -> None:
    rule = SeverityRule(severity="dense", classes=("dark",), per_100m=200)  # C1 has 237, C2 174
    settings = with_coils(plant, rules=[{"severities": ["dense"]}], **CLEAN).model_copy(update={"severity": (rule,)})
    assert {coil: one.proposed for (line, coil), one in listed(settings).items() if line == "L1"} == {
        "C1": "held",
        "C2": "released",
        "C3": "released",
    }


def test_affected_metres_are_those_that_a_region_touches(plant: Settings) -> None:
    report = open_store(plant.report.uri, plant.store)
    found = facts(report, NIGHT).metres.filter(line="L1", coil="C2")
    touched = set()
    for row in regions(plant).filter(line="L1", coil="C2").iter_rows(named=True):
        half = row["length_mm"] / 2000
        touched |= set(range(int(row["along"] - half), int(row["along"] + half) + 1))
    assert set(found["metre"]) == touched


def test_a_rule_for_a_grade_asks_a_person_where_the_grade_is_not_known(plant: Settings) -> None:
    coils = listed(with_coils(plant, rules=[{"grades": ["DC04"]}], **CLEAN))
    assert coils["L1", "C1"].proposed == "held"
    proposal = coils["L1", "C2"].proposal
    assert proposal is not None
    assert proposal.disposition == "to be graded"
    assert "the grade is not known" in proposal.reasons[0]


def test_without_rules_a_coil_with_defects_is_to_be_graded(plant: Settings) -> None:
    proposal = listed(plant)[C1].proposal
    assert proposal is not None
    assert proposal.disposition == "to be graded"
    assert proposal.reasons == ("it has 5 defects, and the settings have no rule for them ([[coils.rules]])",)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"failed": 2}, "2 of 10 images cannot be read (20.0%, limit 5.0%)"),
        ({"failed": 10}, "none of its images can be read"),
        ({"novel": 3}, "30% of its images are unlike the training images (limit 20%)"),
        ({"drift": "alarm"}, "line L1 drifted on this night (alarm)"),
        ({"incomplete": True}, "the night is not complete"),
    ],
)
def test_what_nobody_has_labelled_is_part_of_the_proposal(plant: Settings, figures: dict[str, Any], words: str) -> None:
    found = facts(open_store(plant.report.uri, plant.store), NIGHT)
    given = {"images": 10, "failed": 0, "novel": 0, "drift": "none", "incomplete": False, **figures}
    coils = found.coils.with_columns(
        pl.lit(value).cast(found.coils.schema[name]).alias(name) for name, value in given.items()
    )
    changed = type(found)(found.date, coils, found.numbers, found.metres, ())
    rules = CoilSettings.model_validate({"rules": [{"min_defects": 99}]})
    proposal = proposals(changed, rules)[C1]
    assert (proposal.disposition, proposal.reasons) == ("to be graded", (words,))
    tolerant = CoilSettings.model_validate({"rules": [{"min_defects": 99}], **CLEAN})
    if figures != {"failed": 10}:
        assert proposals(changed, tolerant)[C1].disposition == "released"


def test_a_night_that_misses_a_line_does_not_concern_the_others(tmp_path: Path) -> None:
    settings = framed(tmp_path, rules=[{"min_defects": 99}], max_unreadable=1)
    expected = settings.model_copy(update={"night": settings.night.model_copy(update={"lines": ("L1", "L2", "L9")})})
    assert inspect_night(expected, NIGHT).state == "incomplete"
    assert {one.proposed for one in listed(settings).values()} == {"released"}
    for file in (tmp_path / "report" / "runs").rglob("*.json"):
        file.unlink()
    assert {one.proposed for one in listed(settings).values()} == {"to be graded"}, "nobody knows what is missing"


def test_a_night_without_reports_is_an_error(plant: Settings) -> None:
    with pytest.raises(ReportError, match="no reports of 2020-01-01; run `steelflow nightly --date 2020-01-01`"):
        facts(open_store(plant.report.uri, plant.store), NIGHT.replace(year=2020, month=1))
