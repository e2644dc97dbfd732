"""Rules that cannot hold say so: where the coils are listed, and in the sentence about the night."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coil_plants import CLEAN, framed, listed, with_coils
from frame_plants import NIGHT

from steelflow.coils.defects import NUMBERS
from steelflow.coils.unfit import undecided
from steelflow.config import CoilSettings, Settings, SeverityRule
from steelflow.morning.trust import trust_of
from steelflow.night.run import inspect_night

C1 = ("L1", "C1")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Lines L1 and L2, regions of the classes dark and bright, without sides."""
    settings = framed(tmp_path_factory.mktemp("plant"))
    inspect_night(settings, NIGHT)
    return settings


@pytest.mark.parametrize(
    ("severity", "rules", "words"),
    [
        ([], [{"classes": ["dork"]}], "[[coils.rules]] 1 names the class 'dork', which no model of this night knows"),
        ([], [{"min_defects": 99}, {"classes": ["Dark"]}], "[[coils.rules]] 2 names the class 'Dark'"),
        ([], [{"classes": ["Dark"]}], "(did you mean 'dark'?)"),
        ([], [{"lines": ["l1"]}], "[[coils.rules]] 1 names the line 'l1'; it is called 'L1'"),
        ([], [{"severities": ["reject"]}], "names the severity 'reject', which no [[severity]] gives"),
        (
            [{"severity": "reject", "classes": ["holes"]}],
            [{"severities": ["reject"]}],
            "[[severity]] 1 names the class",
        ),
        ([{"severity": "reject", "lines": ["l1"]}], [{"severities": ["reject"]}], "it is called 'L1'"),
    ],
)
def test_a_rule_that_names_what_is_not_there_says_so(
    plant: Settings, severity: list[dict[str, Any]], rules: list[dict[str, Any]], words: str
) -> None:
    settings = ruled(plant, severity, rules)
    proposal = listed(settings)[C1].proposal
    assert proposal is not None
    assert proposal.disposition == "released"
    assert proposal.reasons[0].startswith("no rule holds; ")
    assert words in proposal.reasons[0]
    assert any(words in one.text for one in trust_of(settings, NIGHT).reasons if one.about == "rules")


@pytest.mark.parametrize(
    ("severity", "rules"),
    [
        ([], [{"classes": ["dark"], "min_defects": 99}]),
        ([], [{"lines": ["L7"], "classes": ["rust"]}]),  # a line that has no images tonight
        ([{"severity": "reject", "min_area_mm2": 1e9}], [{"severities": ["reject"]}]),
    ],
)
def test_a_rule_that_fits_says_nothing(
    plant: Settings, severity: list[dict[str, Any]], rules: list[dict[str, Any]]
) -> None:
    settings = ruled(plant, severity, rules)
    proposal = listed(settings)[C1].proposal
    assert proposal is not None
    assert proposal.reasons == ("no rule holds",)
    assert not [one for one in trust_of(settings, NIGHT).reasons if one.about == "rules"]


@pytest.mark.parametrize(
    ("sides", "unscaled", "rule", "said"),
    [
        (["top", "Bottom ", "TOP"], 0, {"sides": ("top",)}, []),
        (["top", None, "oben"], 0, {"sides": ("top",)}, ["side, top or bottom"]),
        (["top", None, "oben"], 0, {"min_area_px": 5}, []),
        (["top", "top", "top"], 2, {"min_area_mm2": 5}, ["size in mm"]),
        (["top", "top", "top"], 2, {"min_area_mm2": 5, "lines": ("L2",)}, []),
    ],
)
def test_what_a_rule_asks_for_and_is_not_known(
    sides: Sequence[str | None], unscaled: int, rule: dict[str, Any], said: list[str]
) -> None:
    rows = [("L1", "C1", side, "dark", None, 2, 0, unscaled) for side in sides]
    numbers = pl.DataFrame(rows, schema=NUMBERS, orient="row")
    settings = Settings(severity=(SeverityRule(severity="reject", **rule),))
    found = list(undecided(numbers, settings, "L1"))
    assert len(found) == len(said)
    for text, words in zip(found, said, strict=True):
        assert words in text
        assert f"not known of {3 * unscaled or 4} of them" in text


def test_the_side_of_a_rule_is_that_of_the_archive_in_other_letters(tmp_path: Path) -> None:
    settings = framed(tmp_path, rules=[{"sides": ["top"]}], **CLEAN)
    for table in Path(settings.archive.uri).rglob("frames.csv"):
        lines = table.read_text().splitlines()
        table.write_text("\n".join([f"{lines[0]},side", *(f"{line},TOP" for line in lines[1:])]))
    inspect_night(settings, NIGHT)
    assert listed(settings)[C1].proposed == "held"
    severe = (SeverityRule(severity="reject", sides=("top",)),)
    graded = with_coils(settings, rules=[{"severities": ["reject"]}], **CLEAN).model_copy(update={"severity": severe})
    assert listed(graded)[C1].proposed == "held"


def ruled(plant: Settings, severity: list[dict[str, Any]], rules: list[dict[str, Any]]) -> Settings:
    chosen = {
        "severity": tuple(SeverityRule.model_validate(one) for one in severity),
        "coils": CoilSettings.model_validate({"rules": rules, **CLEAN}),
    }
    return plant.model_copy(update=chosen)
