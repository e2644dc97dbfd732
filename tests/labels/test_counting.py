"""A label that was added and does not count is said, whatever the reason; and what two people say is both kept."""

from __future__ import annotations

import datetime as dt
import json
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plants import local_settings
from typer.testing import CliRunner

from steelflow.archive.template import KeyTemplate
from steelflow.cli.labels import app
from steelflow.cli.output import state
from steelflow.config import LimitSettings
from steelflow.errors import LabelError
from steelflow.labels import Label, LabelStore
from steelflow.labels.intake import Imported, Intake, import_labels
from steelflow.labels.standing import NotCounted
from steelflow.store.local import LocalStore
from steelflow.synth import surface
from steelflow.synth.files import jpeg

NOON = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)
PLANT = KeyTemplate("line={line}/date={date}/{name}", "Asia/Kolkata")
DECOMPOSED = unicodedata.normalize("NFD", "Bänder")


def after(minutes: int) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True), PLANT.zone)


def said(labels: LabelStore, image: str, name: str | None, who: str = "ben", **more: object) -> tuple[NotCounted, ...]:
    return labels.add([Label(image, name, who, "review", **more)], ["a", "b", "good"]).not_counted  # type: ignore[arg-type]


BOX = {"x": 1, "y": 2, "width": 3, "height": 4}


def _older(labels: LabelStore, image: str) -> tuple[NotCounted, ...]:
    said(labels, image, "a", "ann", at=after(60))
    return said(labels, image, "b", at=after(0))


def _retired(labels: LabelStore, image: str) -> tuple[NotCounted, ...]:
    labels.change_class("retire", "b", who="olga", reason="not here", classes=["b"])
    return said(labels, image, "b")


def _golden(labels: LabelStore, image: str) -> tuple[NotCounted, ...]:
    said(labels, image, "a", "ann")
    labels.freeze(labels.current().select("image", "label"), "ann", "a test")
    return said(labels, image, "b")


def _good_later(labels: LabelStore, image: str) -> tuple[NotCounted, ...]:
    said(labels, image, "good", "ann", at=after(60), verdict="good")
    return said(labels, image, "a", at=after(0), **BOX)


def _defect_later(labels: LabelStore, image: str) -> tuple[NotCounted, ...]:
    said(labels, image, "a", "ann", at=after(60), **BOX)
    return said(labels, image, "good", at=after(0), verdict="good")


def _same_batch(labels: LabelStore, image: str) -> tuple[NotCounted, ...]:
    pair = [Label(image, "a", "ann", "import"), Label(image, "b", "ben", "import")]
    return labels.add(pair, ["a", "b"]).not_counted


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (_older, "older than the label that counts: that of ann of 2026-11-18 13:00 UTC"),
        (_retired, "of a retired class: 'b' was retired by olga"),
        (_golden, "of an image of the golden set, which keeps the label that it was chosen with"),
        (_good_later, "overruled by a later label, which calls the whole frame good"),
        (_defect_later, "overruled by a later label, which shows a defect in it"),
        (_same_batch, "followed by a later label of the same image in the same batch"),
    ],
)
def test_a_label_that_does_not_count_is_said(
    labels: LabelStore, case: Callable[[LabelStore, str], tuple[NotCounted, ...]], why: str
) -> None:
    image = labels.images.put(b"image")
    (found,) = case(labels, image)
    assert found.why.startswith(why)
    assert (found.labels, found.image) == (1, image)


def test_a_label_that_counts_or_agrees_is_not_remarked(labels: LabelStore) -> None:
    image = labels.images.put(b"image")
    assert said(labels, image, "a", "ann", at=after(60)) == ()
    assert said(labels, image, "a", at=after(0)) == ()
    assert said(labels, image, None) == ()
    labels.change_class("rename", "a", "c", who="olga", reason="a better name")
    added = labels.add([Label(image, "a", "cy", "review")])
    assert (added.not_counted, added.renamed) == ((), {"a": "c"})
    assert labels.current()["label"].to_list() == ["c"]


def picture(number: int) -> bytes:
    return jpeg(surface("scratches", np.random.default_rng(number), 32), 90)


@pytest.fixture
def archive(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "images", create=True)
    store.put("line=L1/date=2026-11-18/a.jpg", picture(1))
    store.put(f"line=L1/date=2026-11-18/{DECOMPOSED}.jpg", picture(2))
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as tar:
        (tmp_path / "m.jpg").write_bytes(picture(3))
        tar.add(tmp_path / "m.jpg", "m.jpg")
    store.put("line=L1/date=2026-11-18/s.tar", shard)
    return store


def take(tmp_path: Path, archive: LocalStore, labels: LabelStore, *rows: str) -> Imported:
    file = tmp_path / "labels.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    known = {"a", "b", "scratches", DECOMPOSED}
    return import_labels(labels, Intake(file, archive, PLANT, LimitSettings(), known), "ann")


A = "line=L1/date=2026-11-18/a.jpg"


def test_times_without_a_zone_are_those_of_the_plant(tmp_path: Path, archive: LocalStore, labels: LabelStore) -> None:
    take(tmp_path, archive, labels, "key,label,at", f"{A},a,2026-11-18T17:30:00")
    assert labels.current()["at"].to_list() == [NOON]
    image = labels.current()["image"][0]
    labels.add([Label(image, "b", "ben", "import", dt.datetime(2026, 11, 18, 17, 31))], ["b"])
    assert labels.current()["at"].to_list() == [after(1)]


def test_what_two_people_say_in_one_file_is_both_kept(tmp_path: Path, archive: LocalStore, labels: LabelStore) -> None:
    result = take(tmp_path, archive, labels, "key,label,who", f"{A},a,ann", f"{A},b,ben", f"{A},b,ben")
    assert (result.added.added, result.repeated) == (2, 1)
    assert labels.history().select("label", "who").rows() == [("a", "ann"), ("b", "ben")]
    assert labels.conflicts()["disputed"].all()
    assert [one.labels for one in result.added.not_counted] == [1]
    with pytest.raises(LabelError, match="row 3, column label: 'b', but row 2 labels the same image 'a'"):
        take(tmp_path, archive, labels, "key,label,who", f"{A},a,cy", f"{A},b,cy")


@pytest.mark.parametrize(
    "key",
    [
        "line=L1\\date=2026-11-18\\a.jpg",
        "line=L1/date=2026-11-18/Bänder.jpg",
        f"line=L1/date=2026-11-18/{DECOMPOSED}.jpg",
        "line=L1\\date=2026-11-18\\Bänder.jpg",
    ],
)
def test_a_key_is_found_as_other_systems_write_it(
    tmp_path: Path, archive: LocalStore, labels: LabelStore, key: str
) -> None:
    assert take(tmp_path, archive, labels, "key,label", f"{key},a").added.added == 1
    assert labels.current()["object_key"][0] in {info.key for info in archive.list()}
    assert labels.current()["line"].to_list() == ["L1"]


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("key,label", "line=L1\\date=2026-11-18\\x.jpg,a", r"unknown image line=L1\\date=2026-11-18\\x.jpg"),
        ("key,label", "line=L1/date=2026-11-18/x.jpg,a", "unknown image"),
        ("key,label", "..\\images\\x.jpg,a", "use a path relative to the CSV"),
        ("key,member,label", "line=L1/date=2026-11-18/s.tar,x.jpg,a", "x.jpg"),
        ("key,member,ordinal,label", "line=L1/date=2026-11-18/s.tar,m.jpg,7,a", "m.jpg"),
        ("key,ordinal,label", "line=L1/date=2026-11-18/s.tar,7,a", "s.tar"),
    ],
)
def test_an_unknown_image_is_named(
    tmp_path: Path, archive: LocalStore, labels: LabelStore, header: str, row: str, words: str
) -> None:
    with pytest.raises(LabelError, match="row 2") as caught:
        take(tmp_path, archive, labels, header, row)
    assert words.replace("\\\\", "\\") in str(caught.value)
    assert labels.history().is_empty()


def test_a_class_and_a_person_have_one_spelling(tmp_path: Path, archive: LocalStore, labels: LabelStore) -> None:
    take(tmp_path, archive, labels, "key,label,who", f"{A},{DECOMPOSED},{DECOMPOSED}")
    assert labels.classes() == ["Bänder"]
    image = labels.current()["image"][0]
    again = labels.add([Label(image, "Bänder", "Bänder", "import")], ["Bänder"])
    assert (again.added, again.unchanged) == (0, 1)


def test_a_folder_within_a_class_folder_is_named(tmp_path: Path, archive: LocalStore, labels: LabelStore) -> None:
    deep = tmp_path / "given" / "a" / "more"
    deep.mkdir(parents=True)
    (deep.parent / "1.jpg").write_bytes(picture(1))
    (deep / "2.jpg").write_bytes(picture(2))
    with pytest.raises(LabelError, match="a/more, folder: is a folder with images"):
        Intake(tmp_path / "given", archive, PLANT, LimitSettings(), {"a"})


def test_the_command_says_what_counts(tmp_path: Path, archive: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f'home = "{settings.home}"\n[archive]\nuri = "{settings.archive.uri}"\n'
        f'[report]\nuri = "{settings.report.uri}"\n'
    )
    monkeypatch.setattr(state, "config_file", config)
    file = tmp_path / "labels.csv"
    for text in (f"{A},crazing,2026-11-18T12:00:00Z", f"{A},patches,2026-11-18T11:00:00Z"):
        file.write_text(f"key,label,at\n{text}\n")
        done = CliRunner().invoke(app, ["import", str(file), "--who", "ann"])
        assert done.exit_code == 0, done.output
    assert "1 labels added, 0 of them count" in done.output
    assert "not counted: 1 older than the label that counts: that of ann of 2026-11-18 12:00 UTC" in done.output
    done = CliRunner().invoke(app, ["retire", "patches", "--reason", "not here", "--who", "olga"])
    assert done.exit_code == 0, done.output
    file.write_text(f"key,label\n{A},patches\n")
    done = CliRunner().invoke(app, ["import", str(file), "--who", "ben", "--json"])
    (why,) = json.loads(done.stdout)["added"]["not_counted"]
    assert why["why"].startswith("of a retired class: 'patches' was retired by olga")
    listed = json.loads(CliRunner().invoke(app, ["classes", "--json"]).stdout)
    assert {"class": "patches", "labels": 1, "retired": True} in listed["classes"]
    assert listed["changes"][0]["who"] == "olga"
