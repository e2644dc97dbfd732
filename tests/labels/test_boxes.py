"""Labels of regions: what counts, what is kept, and what other programs read."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.errors import DataError, LabelError
from steelflow.labels import Label, LabelStore
from steelflow.labels.batches import SCHEMA
from steelflow.labels.boxes import BOX
from steelflow.labels.boxes_export import write_boxes
from steelflow.labels.stats import stats
from steelflow.store.local import LocalStore

NOON = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)
CLASSES = ("good", "scratches", "inclusion")
A, B = (10, 20, 30, 40), (100, 0, 8, 8)


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


@pytest.fixture
def frames(labels: LabelStore) -> list[str]:
    """Three frames of 200×60 pixels."""
    return list(labels.images.put_many(_png(level) for level in (90, 120, 150)))


@pytest.fixture
def minutes() -> Iterator[dt.datetime]:
    return (NOON + dt.timedelta(minutes=number) for number in range(1000))


def _png(level: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((60, 200), level, np.uint8)).save(out, "png")
    return out.getvalue()


def said(
    image: str,
    label: str | None,
    at: dt.datetime,
    box: tuple[int, int, int, int] | None = None,
    verdict: str | None = None,
    who: str = "Eva",
) -> Label:
    place = dict(zip(BOX, box, strict=True)) if box is not None else {}
    return Label(image, label, who, "review", at, object_key=f"{image[:4]}.png", ordinal=0, verdict=verdict, **place)


def counting(labels: LabelStore) -> dict[tuple[int, ...], str]:
    return {row[:4]: row[4] for row in labels.regions().select(*BOX, "label").iter_rows()}


def test_regions_of_one_frame_all_count_and_the_last_label_of_each(
    labels: LabelStore, frames: list[str], minutes: Iterator[dt.datetime]
) -> None:
    frame = frames[0]
    first = [said(frame, "scratches", next(minutes), box, "confirmed") for box in (A, B)]
    assert labels.add(first, CLASSES).added == 2
    labels.add([said(frame, "inclusion", next(minutes), A, "relabelled", "Ben")], CLASSES)
    assert counting(labels) == {A: "inclusion", B: "scratches"}
    assert labels.current().is_empty(), "nothing was said of the whole frame"
    assert labels.snapshot().frame.is_empty()
    assert labels.references().rows() == [(f"{frame[:4]}.png", None, 0)]
    disputed = labels.conflicts()
    assert disputed["x"].unique().to_list() == [A[0]]
    assert disputed["stands"].to_list() == [False, True]
    labels.add([said(frame, None, next(minutes), B)])
    assert counting(labels) == {A: "inclusion"}
    assert stats(labels)["regions"] == {"inclusion": 1}
    assert stats(labels)["withdrawn"] == 0


def test_a_good_frame_and_a_defect_in_it_overrule_each_other(
    labels: LabelStore, frames: list[str], minutes: Iterator[dt.datetime]
) -> None:
    frame = frames[0]
    labels.add([said(frame, "scratches", next(minutes), A, "confirmed")], CLASSES)
    labels.add([said(frame, "good", next(minutes), verdict="good")], CLASSES)
    assert counting(labels) == {}
    assert labels.current()["label"].to_list() == ["good"]
    labels.add([said(frame, "good", next(minutes), B, "good")], CLASSES)
    assert labels.current().height == 1, "a region that is no defect agrees with it"
    labels.add([said(frame, "inclusion", next(minutes), B, "drawn")], CLASSES)
    assert labels.current().is_empty()
    assert counting(labels) == {B: "inclusion"}
    labels.add([said(frame, None, next(minutes), B)])
    assert labels.current()["label"].to_list() == ["good"], "the defect was taken back"
    labels.add([said(frame, None, next(minutes))])
    assert counting(labels) == {A: "scratches"}, "so was the good frame"


def test_withdrawing_a_frame_withdraws_its_regions(
    labels: LabelStore, frames: list[str], minutes: Iterator[dt.datetime]
) -> None:
    labels.add([said(frames[0], "scratches", next(minutes), box, "drawn") for box in (A, B)], CLASSES)
    labels.withdraw([frames[0][:8]], "Ben")
    assert counting(labels) == {}
    assert labels.regions(withdrawn=True).height == 2


@pytest.mark.parametrize(
    ("box", "verdict", "words"),
    [
        ((-1, 0, 5, 5), "drawn", "not within an image"),
        ((0, 0, 0, 5), "drawn", "not within an image"),
        ((0, 0, 2_000_000, 5), None, "not within an image"),
        (None, "drawn", "needs a box"),
        (A, "perhaps", "verdict is one of"),
    ],
)
def test_a_box_that_cannot_be_is_refused(
    labels: LabelStore, frames: list[str], box: tuple[int, int, int, int] | None, verdict: str | None, words: str
) -> None:
    with pytest.raises(LabelError, match=words):
        labels.add([said(frames[0], "good", NOON, box, verdict)], CLASSES)
    with pytest.raises(LabelError, match="all of them"):
        labels.add([Label(frames[0], "good", "Eva", "review", x=3)], CLASSES)
    assert labels.history().is_empty()


def test_batches_of_before_are_read_unchanged(labels: LabelStore, frames: list[str]) -> None:
    labels.add([said(frames[0], "scratches", NOON)], CLASSES)
    (batch,) = labels.store.list("batches/")
    old = pl.read_parquet(io.BytesIO(labels.store.get(batch.key))).drop(*BOX, "verdict")
    out = io.BytesIO()
    old.write_parquet(out)
    labels.store.put(batch.key, out.getvalue())
    (row,) = LabelStore(labels.store).current().iter_rows(named=True)
    assert {name: row[name] for name in old.columns} == old.row(0, named=True)
    assert all(row[name] is None for name in (*BOX, "verdict"))
    assert {*old.columns, *BOX, "verdict"} == {*SCHEMA.names()}


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_other_programs_read_the_boxes(
    labels: LabelStore, frames: list[str], tmp_path: Path, minutes: Iterator[dt.datetime], kind: str
) -> None:
    if kind == "voc":
        pytest.importorskip("defusedxml", reason="Pascal VOC is read with defusedxml")
    from steelflow.training.annotations import load_annotations

    with pytest.raises(DataError, match="label regions on the page Review"):
        write_boxes(labels, tmp_path / "none", kind)
    labels.add([said(frames[0], "scratches", next(minutes), A, "confirmed")], CLASSES)
    labels.add([said(frames[0], "good", next(minutes), B, "good")], CLASSES)
    labels.add([said(frames[1], "good", next(minutes), verdict="good")], CLASSES)
    labels.add([said(frames[2], "inclusion", next(minutes))], CLASSES)
    folder = tmp_path / "out"
    folder.mkdir()
    found = write_boxes(labels, folder, kind)
    assert (found.images, found.boxes, found.good, found.left_out) == (2, {"good": 1, "scratches": 1}, 1, 1)
    read = load_annotations(folder, good=("good",))
    by_name = {Path(one.path).stem: one for one in read.items}
    assert set(by_name) == {image[:16] for image in frames[:2]}
    boxes = {(box.x, box.y, box.width, box.height): box.label for box in by_name[frames[0][:16]].boxes}
    assert boxes == {A: "scratches"}, "what is no defect is no box for training"
    assert by_name[frames[1][:16]].label == "good"
    assert labels.image(frames[0]) in {path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.parametrize("kind", ["coco", "voc", "folders", "csv", "parquet"])
def test_an_export_says_what_it_leaves_out_of_retired_classes(
    labels: LabelStore, frames: list[str], minutes: Iterator[dt.datetime], tmp_path: Path, kind: str
) -> None:
    boxes = [said(frames[0], "scratches", next(minutes), A, "drawn"), said(frames[0], "inclusion", next(minutes), B)]
    whole = [said(frames[1], "inclusion", next(minutes)), said(frames[2], "good", next(minutes), verdict="good")]
    labels.add([*boxes, *whole], CLASSES)
    labels.change_class("merge", "inclusion", "dirt", who="olga", reason="one name", classes=["dirt"])

    def exported(name: str) -> tuple[dict[str, int], str]:
        home = [f"--config={tmp_path / 'steelflow.toml'}", "labels", "export", str(tmp_path / name), "--format", kind]
        told = CliRunner().invoke(app, home)
        assert told.exit_code == 0, told.output
        found = CliRunner().invoke(app, [*home[:3], f"{tmp_path / name}.json", *home[4:], "--json"])
        return json.loads(found.stdout)["retired"], told.stdout

    (tmp_path / "steelflow.toml").write_text(f'home = "{tmp_path}/home"\n[labels]\nuri = "{labels.uri}"\n')
    retired, text = exported("before")
    assert (retired, "retired" in text) == ({}, False)
    labels.change_class("retire", "dirt", who="olga", reason="no defect")
    retired, text = exported("after")
    assert retired == {"dirt": 2 if kind in ("coco", "voc") else 1}
    assert f"labels of retired classes are left out: dirt {retired['dirt']}; `steelflow labels restore`" in " ".join(
        text.split()
    )
