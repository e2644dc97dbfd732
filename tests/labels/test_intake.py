"""Labels from outside: what is taken, and what is refused with nothing changed."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from plants import NIGHT, SPEC, local_settings, make_plant
from typer.testing import CliRunner

from steelflow.archive.template import KeyTemplate
from steelflow.cli.labels import app
from steelflow.cli.output import state
from steelflow.config import LimitSettings, Settings
from steelflow.errors import LabelError, SteelflowError
from steelflow.labels import LabelStore, open_labels
from steelflow.labels.intake import Imported, Intake, import_labels
from steelflow.night.run import inspect_night
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.synth import CLASSES, objects, surface, truth
from steelflow.synth.files import jpeg

LIMITS = LimitSettings()
TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
IMAGES = len(list(truth(SPEC)))


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant")).parent


@pytest.fixture
def labels(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


def picture(number: int) -> bytes:
    return jpeg(surface("scratches", np.random.default_rng(number), 32), 90)


def take(given: Path, archive: Store, labels: LabelStore, *new: str, who: str = "Eva") -> Imported:
    intake = Intake(given, archive, TEMPLATE, LIMITS, {*CLASSES, *labels.classes()}, new)
    return import_labels(labels, intake, who)


def everything(labels: LabelStore) -> dict[str, bytes]:
    return {info.key: labels.store.get(info.key) for info in labels.store.list()}


def refusal(given: Path, archive: Store, labels: LabelStore, *new: str) -> str:
    before = everything(labels)
    with pytest.raises(LabelError) as caught:
        take(given, archive, labels, *new)
    assert everything(labels) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a.jpg to f.jpg, and one that is no image."""
    made = tmp_path / "given"
    made.mkdir()
    for number, name in enumerate("abcdef"):
        (made / f"{name}.jpg").write_bytes(picture(number))
    (made / "broken.jpg").write_bytes(picture(0)[:200])
    return made


def table(folder: Path, text: str | bytes) -> Path:
    file = folder / "labels.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_the_truth_of_a_plant(plant: Path, tmp_path: Path, fresh_bucket: Callable[[], Store], where: str) -> None:
    """Keys and members, loose images and shards of all kinds, against its archive."""
    if where == "s3":
        archive, labels = fresh_bucket(), LabelStore(fresh_bucket())
        for key, data in objects(SPEC):
            archive.put(key, data)
    else:
        archive, labels = LocalStore(plant / "images"), LabelStore(LocalStore(tmp_path, create=True))
    result = take(plant / "truth.csv", archive, labels)
    assert (result.rows, result.added.added, result.added.new_classes) == (IMAGES, IMAGES, ())
    rows = labels.current()
    said = {(row["object_key"], row["member"]): row["label"] for row in rows.iter_rows(named=True)}
    assert said == {(row.key, row.member): row.label for row in truth(SPEC)}
    assert set(rows["line"]) == {"L1", "L2"}
    assert set(rows["date"]) == {NIGHT, NIGHT + dt.timedelta(days=1)}
    assert rows["coil"].n_unique() == SPEC.coils
    assert rows["ordinal"].null_count() == 0
    again = take(plant / "truth.csv", archive, labels)
    assert (again.added.batch, again.added.unchanged) == (None, IMAGES)


def test_what_was_imported_is_what_a_report_calls_it(plant: Path, tmp_path: Path) -> None:
    settings = local_settings(plant / "images", tmp_path / "report")
    labels = open_labels(settings)
    take(plant / "truth.csv", LocalStore(plant / "images"), labels)
    inspect_night(settings, NIGHT)
    from plants import rows_of

    rows = rows_of(settings).filter(pl.col("status") == "ok")
    on = ["object_key", "member", "ordinal"]
    assert rows.join(labels.references(), on=on, how="anti", nulls_equal=True).is_empty()


def test_a_folder_for_each_class(plant: Path, labels: LabelStore) -> None:
    archive = LocalStore(plant / "images")
    result = take(plant / "labelled", archive, labels)
    assert (result.rows, result.added.added) == (12, 12)
    rows = labels.current()
    assert dict(rows.group_by("label").len().iter_rows()) == dict.fromkeys(CLASSES, 2)
    assert rows["object_key"].null_count() == 12
    for image, label in rows.select("image", "label").iter_rows():
        assert labels.image(image) in [file.read_bytes() for file in (plant / "labelled" / label).iterdir()]


def test_what_a_folder_may_not_hold(plant: Path, labels: LabelStore, tmp_path: Path) -> None:
    archive, given = LocalStore(plant / "images"), tmp_path / "given"
    shutil.copytree(plant / "labelled", given)
    (given / "scratches" / "Thumbs.db").write_bytes(b"x")
    (given / ".hidden").mkdir()
    (given / "dents").mkdir()
    (given / "dents" / "1.jpg").write_bytes(picture(1))
    assert "dents/1.jpg, column label: 'dents' is not a known class" in refusal(given, archive, labels)
    assert take(given, archive, labels, "dents").added.new_classes == ("dents",)
    (given / "dents" / "2.jpg").write_bytes((given / "scratches" / "00000.jpg").read_bytes())
    assert "'scratches', but dents/2.jpg labels the same image 'dents'" in refusal(given, archive, labels)
    (given / "dents" / "2.jpg").write_bytes(b"no image")
    assert "dents/2.jpg, image: unreadable image" in refusal(given, archive, labels)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no labelled images" in refusal(empty, archive, labels)
    assert "No such file" in refusal(tmp_path / "nowhere.csv", archive, labels)


def test_files_beside_the_csv_and_objects_of_the_archive(folder: Path, labels: LabelStore, tmp_path: Path) -> None:
    archive = LocalStore(tmp_path / "archive", create=True)
    key = "line=L1/date=2026-11-18/coil=C1/x.jpg"
    archive.put(key, picture(10))
    text = (
        "\ufeffPath, Label ,who,at,remark\r\n"
        "a.jpg,scratches,Jan,2026-11-18T07:00:00+01:00,\r\n"
        f'{key},patches,,,"with a, comma"\r\n'
        "\r\n"
        "b.jpg,scratches,,2026-11-18,\r\n"
        "./b.jpg,scratches,,2026-11-18,\r\n"
    )
    result = take(table(folder, text), archive, labels)
    assert (result.rows, result.repeated, result.added.added) == (4, 1, 3)
    rows = labels.current().sort("label", "who").select("label", "who", "object_key", "line", "coil", "at").rows()
    moment = rows[0][5]
    assert rows == [
        ("patches", "Eva", key, "L1", "C1", moment),
        ("scratches", "Eva", None, None, None, dt.datetime(2026, 11, 18, tzinfo=dt.UTC)),
        ("scratches", "Jan", None, None, None, dt.datetime(2026, 11, 18, 6, tzinfo=dt.UTC)),
    ]
    assert abs(moment - dt.datetime.now(dt.UTC)) < dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "row 1: no column names the image"),
        ("path\na.jpg", "row 1: no column label"),
        ("path,key,label\na.jpg,a.jpg,scratches", "row 1: two columns name the image"),
        ("path,label,label\na.jpg,scratches,scratches", "row 1: column label occurs twice"),
        ("path,label", "no labelled images"),
        ("path,label\na.jpg,scratches\nb.jpg", "row 3, column label: the row has 1 fields"),
        ("path,label\na.jpg,scratches,x", "row 2, column 3: the row has 3 fields"),
        ('path,label\na.jpg,"scratches\nb.jpg,patches', "not valid CSV"),
        ("path,label\na.jpg,", "row 2, column label: is empty"),
        ("path,label\n,scratches", "row 2, column path: is empty"),
        ("path,label\na.jpg,scratch", "row 2, column label: 'scratch' is not a known class; did you mean 'scratches'?"),
        ("path,label\na.jpg,a/b", "row 2, column label: 'a/b' is not a valid name for a folder"),
        ("path,label\nz.jpg,scratches", "row 2, column path: unknown image z.jpg (missing"),
        ("path,label\n../a.jpg,scratches", "row 2, column path: '../a.jpg'"),
        ("path,label\n/etc/passwd,scratches", "row 2, column path: '/etc/passwd'"),
        ("path,label\nbroken.jpg,scratches", "row 2, column path: unreadable image broken.jpg (truncated"),
        ("path,label\na.jpg,scratches\na.jpg,patches", "row 3, column label: 'patches', but row 2 labels the same"),
        ("path,ordinal,label\na.jpg,x,scratches", "row 2, column ordinal: 'x'"),
        ("path,at,label\na.jpg,yesterday,scratches", "row 2, column at: 'yesterday'"),
        ("path,at,label\na.jpg,2999-01-01,scratches", "in the future"),
        ("key,member,label\nn.tar,m.jpg,scratches", "row 2, column key: unknown image m.jpg (missing: no such shard"),
        ("key,member,label\nn.tar,,scratches", "row 2, column key: unknown image n.tar (ambiguous"),
        (b"path,label\na.jpg,\xff", "not UTF-8 (byte 17"),
        ("path,label\n" + "x" * 140_000 + ",scratches", "not valid CSV: field larger"),
        ("path,label\n" + "x" * 5000 + ",scratches", "row 2, column path: is too long"),
        ("path,label\n" + "".join(f"z{i}.jpg,scratches\n" for i in range(9)), "9 problems, nothing was imported"),
    ],
)
def test_what_a_csv_may_not_say(
    folder: Path, labels: LabelStore, tmp_path: Path, text: str | bytes, words: str
) -> None:
    archive = LocalStore(tmp_path / "archive", create=True)
    assert words in refusal(table(folder, text), archive, labels)


def test_all_problems_are_counted_and_the_first_are_named(folder: Path, labels: LabelStore, tmp_path: Path) -> None:
    rows = [f"{'a' if number % 2 else 'nowhere'}.jpg,{'scratches'}" for number in range(20)]
    said = refusal(table(folder, "path,label\n" + "\n".join(rows)), LocalStore(tmp_path / "x", create=True), labels)
    assert "10 problems" in said
    assert "and 5 more" in said
    assert [f"row {number}," in said for number in (2, 4, 10, 12)] == [True, True, True, False]


def test_a_shard_that_repeats_a_name_needs_the_ordinal(folder: Path, labels: LabelStore, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        for data in (picture(1), picture(2)):
            info = tarfile.TarInfo("m.jpg")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    archive = LocalStore(tmp_path / "archive", create=True)
    archive.put("n.tar", packed.getvalue())
    assert "(ambiguous" in refusal(table(folder, "key,member,label\nn.tar,m.jpg,scratches"), archive, labels)
    take(table(folder, "key,member,ordinal,label\nn.tar,m.jpg,1,scratches"), archive, labels)
    assert labels.image(labels.current()["image"][0]) == picture(2)
    # A shard beside the CSV is read as one of the archive.
    (folder / "own.tar").write_bytes(packed.getvalue())
    assert take(table(folder, "key,ordinal,label\nown.tar,0,patches"), archive, labels).added.added == 1


def test_an_image_that_changes_between_the_two_readings(folder: Path, labels: LabelStore) -> None:
    archive = LocalStore(folder)
    intake = Intake(table(folder, "path,label\na.jpg,scratches"), archive, TEMPLATE, LIMITS, CLASSES)
    (folder / "a.jpg").write_bytes(picture(9))
    with pytest.raises(LabelError, match=r"row 2: the image was replaced"):
        import_labels(labels, intake, "Eva")
    assert labels.history().is_empty()


def test_an_interrupted_import_leaves_no_half_batch(plant: Path, tmp_path: Path) -> None:
    archive = LocalStore(plant / "images")

    class SwitchedOff(LocalStore):
        left = 40

        def put(self, key: str, data: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().put(key, data)

    with pytest.raises(KeyboardInterrupt):
        take(plant / "truth.csv", archive, LabelStore(SwitchedOff(tmp_path, create=True)))
    labels = LabelStore(LocalStore(tmp_path))
    assert labels.history().is_empty()
    assert len(list(labels.store.list("images/"))) > 0
    assert take(plant / "truth.csv", archive, labels).added.added == IMAGES


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(tmp_path: Path, labels: LabelStore) -> None:
    """40 MB of images, of which only a few are held at a time."""
    import tracemalloc

    noise = np.random.default_rng(0)
    for number in range(200):
        (tmp_path / f"{number}.bmp").write_bytes(jpeg(noise.integers(256, size=(512, 512), dtype=np.uint8), 95))
    rows = "".join(f"{number}.bmp,scratches\n" for number in range(200))
    size = sum(file.stat().st_size for file in tmp_path.glob("*.bmp"))
    tracemalloc.start()
    take(table(tmp_path, "path,label\n" + rows), LocalStore(tmp_path), labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 30e6
    assert peak < size / 2


class Shell:
    """The commands, as a user types them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        file = folder / "steelflow.toml"
        file.write_text(
            f'home = "{settings.home}"\n[archive]\nuri = "{settings.archive.uri}"\n'
            f'[report]\nuri = "{settings.report.uri}"\n[model]\nbatch_size = 16\nworkers = 1\n'
        )
        state.config_file = file

    def __call__(self, *arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def shell(plant: Path, tmp_path: Path) -> Shell:
    return Shell(local_settings(plant / "images", tmp_path / "report"), tmp_path)


def test_a_day_with_the_commands(shell: Shell, plant: Path, tmp_path: Path) -> None:
    settings = local_settings(plant / "images", tmp_path / "report")
    inspect_night(settings, NIGHT)
    assert "192 rows: 192 labels added" in shell("import", plant / "truth.csv", "--who", "Eva", "--note", "shift 1")
    assert shell.json("import", plant / "truth.csv", "--who", "Eva")["added"]["unchanged"] == IMAGES
    assert "the queue is empty" in shell("queue", "--night", str(NIGHT))
    assert shell.json("import", plant / "labelled")["added"]["added"] == 12

    golden = shell.json("golden", plant / "labelled", "--reason", "a start", "--who", "Eva")
    assert (golden["images"], golden["reason"], golden["who"]) == (12, "a start", "Eva")
    assert "all images verified" in shell("golden", "--show")
    found = shell.json("stats")
    assert (found["images"], found["parts"]["golden"]) == (IMAGES + 12, 12)
    assert "golden set" in shell("stats")

    exported = shell.json("export", tmp_path / "folders")
    assert exported["images"] == IMAGES
    assert len(list((tmp_path / "folders").glob("*/*.jpg"))) == IMAGES
    assert shell.json("export", tmp_path / "golden", "--part", "golden")["images"] == 12
    shell("export", tmp_path / "all.csv", "--format", "csv")
    shell("export", tmp_path / "training.parquet", "--format", "parquet", "--part", "training")
    with (tmp_path / "all.csv").open() as file:
        assert len(list(csv.DictReader(file))) == IMAGES
    assert set(pl.read_parquet(tmp_path / "training.parquet")["part"]) == {"training"}
    # What was exported can be imported; here it says nothing new.
    assert shell.json("import", tmp_path / "all.csv", "--who", "Eva")["added"]["added"] == 0

    image = open_labels(settings).current()["image"][0]
    assert "1 labels withdrawn" in shell("withdraw", image[:12], "--who", "Jan")
    assert shell.json("stats")["withdrawn"] == 1
    assert "no image" in shell("conflicts")


def test_the_queue_shows_what_nobody_has_looked_at(shell: Shell, plant: Path, tmp_path: Path) -> None:
    inspect_night(local_settings(plant / "images", tmp_path / "report"), NIGHT)
    first = shell.json("queue", "--n", 20, "--line", "L1")["images"]
    assert len(first) == 20
    assert {row["line"] for row in first} == {"L1"}
    rows = "".join(f"{row['object_key']},{row['member'] or ''},{row['ordinal']},{row['label']}\n" for row in first)
    shell("import", table(tmp_path, "key,member,ordinal,label\n" + rows))
    then = shell.json("queue", "--n", 20, "--line", "L1")["images"]
    place = ("object_key", "member", "ordinal")
    assert not {tuple(row[name] for name in place) for row in first} & {
        tuple(row[name] for name in place) for row in then
    }
    assert "model says" in shell("queue")


def test_commands_that_are_refused(shell: Shell, plant: Path, tmp_path: Path) -> None:
    def fails(word: str, *arguments: object) -> None:
        with pytest.raises(SteelflowError, match=word):
            shell(*arguments)

    fails("reason", "golden", plant / "labelled")
    fails("--show", "golden")
    fails("no golden set", "golden", "--show")
    fails("no golden set", "export", tmp_path / "out", "--part", "golden")
    fails("is there already", "export", plant)
    fails("no such snapshot", "stats", "--since", "0" * 64)
    fails("start with it", "withdraw", "abc")
    fails("no reports", "queue")
    fails("'Patches' is not a known class; did you mean 'patches'", "import", table(tmp_path, "key,label\nx,Patches"))
    fails("not a valid name", "import", plant / "truth.csv", "--new-class", " ")
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "out").exists()
