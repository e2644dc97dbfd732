"""Labels of frames and regions as one table: parts by coil, a hash over boxes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from steelflow.labels import Label, LabelStore
from steelflow.labels.framed import frame_labels, frame_snapshot, groups_trained, not_in
from steelflow.labels.snapshot import content_hash
from steelflow.store.local import LocalStore

DATE = dt.date(2026, 11, 1)
COILS = [f"C{number}" for number in range(40)]


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


def say(labels: LabelStore, number: int, label: str, coil: str | None, box: tuple[int, ...] | None = None) -> str:
    """A label of the frame with this number, or of a region of it."""
    image = labels.images.put(f"frame {number}".encode())
    places = {} if box is None else dict(zip(("x", "y", "width", "height"), box, strict=True))
    verdict = "good" if label == "good" else None if box is None else "drawn"
    one = Label(image, label, "ann", "review", line="L1", date=DATE, coil=coil, verdict=verdict, **places)  # type: ignore[arg-type]  # four integers
    labels.add([one], new_classes={label})
    return image


def plant(labels: LabelStore) -> pl.DataFrame:
    for number, coil in enumerate(COILS):
        say(labels, number, "good", coil)
        say(labels, 1000 + number, "hole", coil, (10, 20, 30, 40))
    return frame_labels(labels)


def test_whole_frames_and_all_of_their_regions_are_rows(labels: LabelStore) -> None:
    image = say(labels, 1, "hole", "C1", (1, 2, 3, 4))
    say(labels, 1, "scratch", "C1", (9, 2, 3, 4))
    say(labels, 2, "good", None)
    rows = frame_labels(labels)
    assert rows.filter(image=image).select("label", "x").rows() == [("hole", 1), ("scratch", 9)]
    assert rows.filter(image=image)["group"].unique().to_list() == ["L1/2026-11-01/C1"]
    alone = rows.filter(label="good").row(0, named=True)
    assert alone["group"] == alone["image"]  # without a coil


def test_before_there_is_a_golden_set_nothing_is_held_out(labels: LabelStore) -> None:
    assert set(frame_snapshot(plant(labels), None).frame["part"]) == {"training"}


def test_a_coil_is_held_out_as_a_whole(labels: LabelStore) -> None:
    rows = plant(labels)
    golden = rows.filter(coil="C3", label="good")["image"].to_list()
    taken = frame_snapshot(rows, golden)
    parts = taken.frame.group_by("coil").agg(pl.col("part").unique())
    assert parts["part"].list.len().max() == 1
    assert not set(golden) & set(taken.frame["image"])
    assert taken.frame.filter(coil="C3")["part"].to_list() == ["evaluation"]  # the hole of the golden coil
    share = (taken.frame["part"] == "evaluation").mean()
    assert 0.05 < float(share or 0) < 0.4
    again = frame_snapshot(rows, golden, trained=groups_trained(frame_snapshot(rows, None)))
    assert set(again.frame.filter(part="evaluation")["coil"]) == {"C3"}  # those an earlier model has seen stay


def test_the_hash_is_of_labels_boxes_and_parts(labels: LabelStore) -> None:
    rows = plant(labels)
    taken = frame_snapshot(rows, None)
    assert taken.hash == frame_snapshot(rows.sample(fraction=1, shuffle=True, seed=1), None).hash
    moved = rows.with_columns(x=pl.col("x") + 1)
    assert frame_snapshot(moved, None).hash != taken.hash
    golden = rows["image"].head(1).to_list()
    assert frame_snapshot(rows, golden).hash != taken.hash
    labels.write_snapshot(taken)
    found = labels.read_snapshot(taken.hash)
    assert found is not None
    assert content_hash(found.frame) == taken.hash
    assert not_in(taken.frame, found).is_empty()


def test_another_box_or_another_class_is_new(labels: LabelStore) -> None:
    before = frame_snapshot(plant(labels), None)
    say(labels, 1000, "hole", "C0", (100, 20, 30, 40))
    say(labels, 1001, "scratch", "C1", (10, 20, 30, 40))
    new = not_in(frame_snapshot(frame_labels(labels), None).frame, before)
    assert sorted(new.select("label", "x").rows()) == [("hole", 100), ("scratch", 10)]
    assert not_in(before.frame, None).height == before.frame.height
