"""Recall, false alarms and coils against a truth, with known values."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from steelflow.synth.frame_truth import DEFECTS, FRAMES
from steelflow.synth.score import Found, score

NIGHT = dt.date(2026, 11, 1)
BOX = ("x", "y", "width", "height")


def table(schema: pl.Schema, rows: list[dict[str, Any]]) -> pl.DataFrame:
    common = {"line": "L1", "date": NIGHT, "ordinal": 0}
    return pl.DataFrame([common | row for row in rows], schema)


def defect(
    key: str, box: tuple[int, ...], label: str = "patches", *, name: str, coil: str = "C1", member: str | None = None
) -> dict[str, Any]:
    place = {"object_key": key, "member": member, "coil": coil}
    return place | {"defect": name, "label": label} | dict(zip(BOX, box, strict=True))


def region(
    key: str, box: tuple[int, ...], label: str = "patches", *, coil: str = "C1", member: str | None = None
) -> dict[str, Any]:
    return {"object_key": key, "member": member, "coil": coil, "label": label} | dict(zip(BOX, box, strict=True))


REGIONS = pl.Schema(
    {name: DEFECTS[name] for name in ("object_key", "member", "ordinal", "line", "date", "coil", "label", *BOX)}
)
TRUTH = table(
    DEFECTS,
    [
        defect("a", (100, 100, 40, 40), name="1"),
        defect("a", (300, 10, 10, 10), "scratches", name="2"),
        defect("b", (300, 0, 10, 90), "scratches", name="2"),  # the same scratch in the next frame
        defect("s.tar", (0, 0, 20, 20), name="3", coil="C2", member="m1"),
    ],
)
LISTED = table(FRAMES, [{"object_key": key, "coil": coil} for key, coil in (("a", "C1"), ("b", "C1"), ("c", "C2"))])


def reported(*rows: dict[str, Any]) -> pl.DataFrame:
    return table(REGIONS, list(rows))


def test_each_defect_counts_once_and_each_stray_region_is_a_false_alarm() -> None:
    found = score(
        reported(
            region("a", (105, 95, 40, 40)),  # overlaps
            region("a", (110, 110, 20, 20)),  # the same defect again
            region("b", (290, 30, 32, 32), "inclusion"),  # finds the scratch by its second frame, with a wrong label
            region("c", (0, 0, 20, 20), coil="C2"),  # nothing there
            region("a", (600, 0, 30, 30)),  # nothing there
        ),
        TRUTH,
        LISTED,
        metres=50.0,
    )
    assert found.classes == {"patches": Found(1, 2, 1), "scratches": Found(1, 1, 0)}
    assert (found.found, found.total, found.recall) == (2, 3, pytest.approx(2 / 3))
    assert (found.false_alarms, found.false_alarms_per_100m) == (2, 4.0)
    assert found.classes["patches"].recall == 0.5


@pytest.mark.parametrize(
    ("box", "hit"),
    [
        ((100, 100, 40, 40), True),
        ((0, 0, 1000, 250), True),  # the centre of the defect is inside
        ((118, 118, 2, 2), True),  # its centre is inside the defect
        ((130, 130, 40, 40), True),  # a corner, and its centre is less than a cell away
        ((150, 150, 10, 10), True),
        ((160, 160, 10, 10), False),  # its centre is 25 pixels away
        ((100, 200, 40, 40), False),
    ],
)
def test_a_region_finds_a_defect_near_it(box: tuple[int, ...], hit: bool) -> None:
    found = score(reported(region("a", box)), TRUTH[:1], LISTED, metres=1.0)
    assert (found.found == 1) is hit
    assert found.false_alarms == (0 if hit else 1)


@pytest.mark.parametrize(("member", "hit"), [("m1", True), ("m2", False), (None, False)])
def test_a_region_must_be_in_the_image_of_the_defect(member: str | None, hit: bool) -> None:
    found = score(reported(region("s.tar", (0, 0, 20, 20), coil="C2", member=member)), TRUTH[3:], LISTED, metres=1.0)
    assert (found.found == 1) is hit


def test_a_coil_is_right_if_it_is_held_or_passed_as_the_truth_says() -> None:
    three = [region("a", (600, 0, 9, 9)), region("b", (600, 0, 9, 9)), region("b", (700, 0, 9, 9))]
    assert score(reported(), TRUTH, LISTED, 1.0).coils_right == 1  # C1 has three regions and was not held
    assert score(reported(*three), TRUTH, LISTED, 1.0).coils_right == 2
    assert score(reported(*three), TRUTH, LISTED, 1.0, hold=4).coils_right == 2
    assert score(reported(*three), TRUTH, LISTED, 1.0, hold=1).coils_right == 1  # C2 was not held
    assert score(reported(), TRUTH, LISTED, 1.0).coils == 2


def test_without_defects_there_is_no_recall() -> None:
    found = score(reported(region("a", (0, 0, 5, 5))), TRUTH[:0], LISTED, metres=20.0)
    assert found.recall is None
    assert found.false_alarms_per_100m == 5.0
