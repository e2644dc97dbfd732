"""A second reader: who reads what again, and how far two readers agree."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.labels import Label, LabelStore
from steelflow.labels.second import SECOND, agreement, due, is_read_twice, pairs
from steelflow.labels.stats import stats
from steelflow.store.local import LocalStore

NOON = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)
CLASSES = ["crazing", "good", "patches", "scratches"]


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


def put(labels: LabelStore, count: int) -> list[str]:
    return list(labels.images.put_many(b"image %d" % number for number in range(count)))


def say(labels: LabelStore, image: str, name: str | None, who: str, minute: int, **more: Any) -> None:
    more = {"source": "review", "object_key": f"{image[:8]}.jpg", "ordinal": 0} | more
    labels.add([Label(image, name, who, at=NOON + dt.timedelta(minutes=minute), **more)], classes=CLASSES)


def waiting(labels: LabelStore, who: str, share: float = 1.0) -> list[str]:
    return due(labels.history(), share, who)["image"].to_list()


def test_an_image_comes_again_to_another_person_once(labels: LabelStore) -> None:
    one, two, three, four = put(labels, 4)
    say(labels, one, "patches", "ann", 0)
    say(labels, two, "patches", "ann", 1)
    say(labels, three, "patches", "ann", 2, source="import")
    say(labels, four, "patches", "ann", 3, x=1, y=1, width=4, height=4)
    assert waiting(labels, "ann") == []
    assert waiting(labels, "ben") == [one, two]
    assert waiting(labels, "ben", 0.0) == []
    say(labels, one, "crazing", "ben", 4, source=SECOND)
    assert waiting(labels, "ben") == waiting(labels, "cleo") == [two]
    say(labels, two, None, "ann", 5, note="undone")
    say(labels, two, "scratches", "ann", 6)
    assert waiting(labels, "ben") == [two]
    say(labels, two, None, "ann", 7)  # withdrawn
    assert waiting(labels, "ben") == []


def test_the_share_is_that_of_the_images_and_does_not_depend_on_the_part(labels: LabelStore) -> None:
    images = put(labels, 2000)
    for share in (0.1, 0.5):
        chosen = [image for image in images if is_read_twice(image, share)]
        assert len(chosen) / len(images) == pytest.approx(share, abs=0.03)
        evaluation = sum(int(image, 16) % 5 == 0 for image in chosen) / len(chosen)
        assert evaluation == pytest.approx(0.2, abs=0.06)
    assert {i for i in images if is_read_twice(i, 0.1)} <= {i for i in images if is_read_twice(i, 0.2)}


def test_what_an_undone_or_changed_second_label_says_does_not_count(labels: LabelStore) -> None:
    one, two, three = put(labels, 3)
    for image in (one, two, three):
        say(labels, image, "patches", "ann", 0)
        say(labels, image, "crazing", "ben", 1, source=SECOND)
    say(labels, one, "patches", "ben", 2, note="undone; ann had said so")
    say(labels, two, "scratches", "ben", 3)
    found = pairs(labels.history(), labels.class_names())
    assert found.rows() == [(three, "patches", "crazing")]
    assert waiting(labels, "ben") == [one], "undone, so it comes again"
    labels.change_class("merge", "crazing", "patches", who="ann", reason="one kind", classes=CLASSES)
    assert pairs(labels.history(), labels.class_names()).rows() == [(three, "patches", "patches")]


def test_agreement_by_hand() -> None:
    """Cohen's kappa of a worked example: 20 + 15 of 50 are the same, each reader says yes to half and 60 %."""
    said = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    found = agreement(pl.DataFrame(said, schema=["first", "second"], orient="row"))
    assert (found.images, found.same, found.agreement) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.classes["yes"].agreement == pytest.approx(40 / 55)
    assert found.classes["yes"].images == 35
    assert found.classes["yes"].kappa == pytest.approx(0.4), "of two classes, each has the kappa of all"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_agreement_as_polars_counts_it(said: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(said, schema=["first", "second"], orient="row")
    found = agreement(frame)
    assert found.agreement == frame.select((pl.col("first") == pl.col("second")).mean()).item()
    one = frame.group_by(pl.col("first").alias("c")).agg(a=pl.len() / frame.height)
    two = frame.group_by(pl.col("second").alias("c")).agg(b=pl.len() / frame.height)
    chance = one.join(two, on="c").select((pl.col("a") * pl.col("b")).sum()).item()
    if chance > 1 - 1e-9:
        assert found.kappa is None
    else:
        assert found.kappa == pytest.approx((found.agreement - chance) / (1 - chance))
    for name in {*itertools.chain(*said)}:
        either = frame.filter((pl.col("first") == name) | (pl.col("second") == name)).height
        assert found.classes[name].images == either


def test_stats_have_it(labels: LabelStore, tmp_path: Path) -> None:
    assert stats(labels)["second_reader"]["images"] == 0
    for number, image in enumerate(put(labels, 4)):
        say(labels, image, "patches", "ann", number)
        say(labels, image, "patches" if number else "crazing", "ben", 10 + number, source=SECOND)
    expected = asdict(agreement(pairs(labels.history(), labels.class_names())))
    assert stats(labels)["second_reader"] == expected
    config = tmp_path / "s.toml"
    config.write_text(f"home='{tmp_path}/h'\n[report]\nuri='{tmp_path}/r'\n[labels]\nuri='{tmp_path}/labels'\n")
    shown = CliRunner().invoke(app, ["--config", str(config), "labels", "stats", "--json"])
    assert json.loads(shown.stdout)["second_reader"] == expected
    text = CliRunner().invoke(app, ["--config", str(config), "labels", "stats"]).stdout
    assert "second reader: 4 images, 75.0% with the same label, kappa 0.00" in text


def test_regions_of_the_model_come_again_and_drawn_boxes_and_good_frames_do_not(labels: LabelStore) -> None:
    frame, good = put(labels, 2)
    boxes = [{"x": x, "y": 1, "width": 4, "height": 4} for x in range(4)]
    said = [("patches", "confirmed"), ("crazing", "relabelled"), ("good", "good"), ("scratches", "drawn")]
    for minute, (box, (name, verdict)) in enumerate(zip(boxes, said, strict=True)):
        say(labels, frame, name, "ann", minute, verdict=verdict, **box)
    say(labels, good, "patches", "ann", 8, verdict="good")
    assert due(labels.history(), 1.0, "ben").select("image", "x").rows() == [(frame, 0), (frame, 1), (frame, 2)]
    assert waiting(labels, "ann") == []
    say(labels, frame, "patches", "ben", 10, source=SECOND, verdict="confirmed", **boxes[0])
    say(labels, frame, "scratches", "ben", 11, source=SECOND, verdict="relabelled", **boxes[1])
    say(labels, frame, "patches", "ben", 12, source=SECOND, verdict="relabelled", **boxes[2])
    say(labels, frame, "good", "ben", 13, note="undone; ann had said so", **boxes[2])
    assert due(labels.history(), 1.0, "cleo")["x"].to_list() == [2], "undone, so it comes again"
    found = pairs(labels.history(), labels.class_names())
    assert found.rows() == [(frame, "patches", "patches"), (frame, "crazing", "scratches")]
    assert (agreement(found).images, agreement(found).same) == (2, 1)
