"""The label store: what stands, what is kept, and what is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelflow.errors import LabelError, ObjectNotFound, StoreError
from steelflow.labels import Label, LabelStore, Snapshot
from steelflow.labels import batches as batches_module
from steelflow.labels.snapshot import content_hash, part_of
from steelflow.labels.stats import stats
from steelflow.records import ObjectInfo
from steelflow.store.base import Store
from steelflow.store.local import LocalStore
from steelflow.synth import surface
from steelflow.synth.files import jpeg
from steelflow.training.data import load_images

NOON = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)


def later(minutes: int) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, fresh_bucket: Callable[[], Store]) -> Store:
    return LocalStore(tmp_path / "labels", create=True) if request.param == "folder" else fresh_bucket()


@pytest.fixture
def labels(store: Store) -> LabelStore:
    return LabelStore(store)


@pytest.fixture
def local(tmp_path: Path) -> LabelStore:
    return LabelStore(LocalStore(tmp_path / "labels", create=True))


def put(labels: LabelStore, count: int) -> list[str]:
    return list(labels.images.put_many(b"image %d" % number for number in range(count)))


def standing(labels: LabelStore, **how: Any) -> dict[str, str | None]:
    return dict(labels.current(**how).select("image", "label").iter_rows())


def everything(store: Store) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list()}


def refused(labels: LabelStore, said: list[Label], *words: str) -> None:
    before = everything(labels.store)
    with pytest.raises(LabelError) as caught:
        labels.add(said)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)
    assert everything(labels.store) == before


def test_labels_come_back_with_all_that_was_said(labels: LabelStore) -> None:
    (image,) = put(labels, 1)
    said = Label(image, "scratches", "Eva", "review", NOON, "at the edge", "k.tar", "m.jpg", 7)
    added = labels.add([said], classes={"scratches"})
    assert (added.added, added.unchanged, added.new_classes) == (1, 0, ())
    (row,) = LabelStore(labels.store).current().iter_rows(named=True)
    assert {name: row[name] for name in Label.__slots__} == {name: getattr(said, name) for name in Label.__slots__}
    assert labels.image(image) == b"image 0"
    assert labels.references().rows() == [("k.tar", "m.jpg", 7)]


def test_the_last_label_stands_and_the_others_stay_visible(labels: LabelStore) -> None:
    one, two, three = put(labels, 3)
    known = {"a", "b"}
    labels.add([Label(image, "a", "import", "import", later(0)) for image in (one, two, three)], known)
    labels.add([Label(one, "b", "Eva", "review", later(2))], known)
    labels.add([Label(one, "a", "Jan", "review", later(1)), Label(two, None, "Jan", "review", later(1))], known)
    assert standing(labels) == {one: "b", three: "a"}
    assert standing(labels, withdrawn=True) == {one: "b", two: None, three: "a"}
    assert standing(labels, at=later(1)) == {one: "a", three: "a"}
    conflicts = labels.conflicts()
    assert conflicts.select("image", "label", "who", "stands").rows() == [
        (one, "a", "import", False),
        (one, "a", "Jan", False),
        (one, "b", "Eva", True),
    ]
    assert conflicts["disputed"].all()
    assert labels.history(two)["label"].to_list() == ["a", None]
    assert labels.classes() == ["a", "b"]


def test_correcting_ones_own_label_is_no_dispute(local: LabelStore) -> None:
    (image,) = put(local, 1)
    for minute, label in enumerate(("a", "b")):
        local.add([Label(image, label, "Eva", "review", later(minute))], {"a", "b"})
    assert local.conflicts()["disputed"].to_list() == [False, False]


def test_saying_the_same_again_adds_nothing(labels: LabelStore) -> None:
    images = put(labels, 3)
    said = [Label(image, "a", "Eva", "import") for image in images]
    assert labels.add(said, {"a"}).added == 3
    before = everything(labels.store)
    again = LabelStore(labels.store).add(said, {"a"})
    assert (again.batch, again.added, again.unchanged) == (None, 0, 3)
    assert everything(labels.store) == before
    assert labels.add([Label(images[0], "a", "Jan", "import")], {"a"}).added == 1


def test_repeating_an_import_undoes_no_correction_unless_it_insists(local: LabelStore) -> None:
    (image,) = put(local, 1)
    imported = [Label(image, "a", "mill", "import")]
    local.add(imported, {"a", "b"})
    local.add([Label(image, "b", "Eva", "review")], {"a", "b"})
    again = local.add(imported, {"a", "b"}, insist=False)
    assert (again.added, again.overruled, standing(local)) == (0, 1, {image: "b"})
    assert local.add(imported, {"a", "b"}).added == 1
    assert standing(local) == {image: "a"}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None]), st.integers(0, 4), st.sampled_from("xy")),
            max_size=4,
        ),
        max_size=5,
    )
)
def test_last_label_wins(tmp_path_factory: pytest.TempPathFactory, said: list[list[tuple[int, Any, int, str]]]) -> None:
    """By time, then batch, then row; whatever order the times come in."""
    labels = LabelStore(LocalStore(tmp_path_factory.mktemp("labels")))
    images = put(labels, 4)
    kept: list[tuple[int, int, str, str | None, str]] = []
    for number, batch in enumerate(said):
        expected = {row[2]: row for row in sorted(kept, key=lambda row: row[:2])}
        rows = [Label(images[i], label, who, "review", later(minute)) for i, label, minute, who in batch]
        labels.add(rows, {"a", "b"})
        for row in rows:
            at = int((row.at - NOON).total_seconds()) if row.at else 0
            stands = expected.get(row.image)
            if stands is not None and (stands[3], stands[4]) == (row.label, row.who):
                continue
            if any((at, row.image, row.label, row.who) == (old[0], *old[2:]) for old in kept):
                continue
            kept.append((at, number, row.image, row.label, row.who))
    wins = {row[2]: row[3] for row in sorted(kept, key=lambda row: row[:2])}
    for reader in (labels, LabelStore(labels.store)):
        assert standing(reader, withdrawn=True) == wins
        assert reader.history().height == len(kept)


def test_two_people_at_once_lose_nothing(labels: LabelStore) -> None:
    (image,) = put(labels, 1)
    people = [f"person {number}" for number in range(8)]

    def say(who: str) -> None:
        LabelStore(labels.store).add([Label(image, who[-1], who, "review")], new_classes=set("01234567"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, people))
    assert set(labels.history(image)["who"]) == set(people)
    last = labels.history(image).sort("at", "batch")["label"][-1]
    assert standing(labels) == {image: last}
    assert labels.conflicts().filter("stands")["label"].to_list() == [last]


def test_what_is_refused_changes_nothing(labels: LabelStore) -> None:
    image, other = put(labels, 2)
    labels.add([Label(image, "scratches", "Eva", "review")], {"scratches"})
    good = Label(image, "scratches", "Jan", "review")

    def bad(*words: str, **change: Any) -> None:
        fields = {"image": other, "label": "scratches", "who": "Jan", "source": "review"} | change
        refused(labels, [good, Label(**fields)], *words)

    bad("'scrtches'", "did you mean 'scratches'?", label="scrtches")
    bad("not in the store", image="0" * 64)
    bad("not a SHA-256", image="../x")
    bad("not a valid name", label=" ")
    bad("folder", label="a/b")
    bad("folder", label="..")
    bad("who", who="")
    bad("printable", who="x\n")
    bad("no time zone", at=dt.datetime(2026, 1, 1))
    bad("future", at=dt.datetime.now(dt.UTC) + dt.timedelta(days=2))
    bad("note", note="x" * 5000)
    assert labels.add([Label(other, "dent", "Jan", "review")], new_classes=["dent"]).new_classes == ("dent",)
    assert labels.add([Label(other, "dent", "Eva", "review")]).new_classes == ()


class Failing(LocalStore):
    """Ends after so many writes, as a machine does that is switched off."""

    left = 10**9

    def put(self, key: str, data: Any) -> ObjectInfo:
        self.left -= 1
        if self.left < 0:
            raise StoreError("switched off")
        return super().put(key, data)


def test_images_without_a_batch_do_no_harm(tmp_path: Path) -> None:
    store = Failing(tmp_path)
    labels = LabelStore(store)
    store.left = 2
    with pytest.raises(StoreError):
        put(labels, 5)
    with pytest.raises(StoreError):
        labels.add([Label(hashlib.sha256(b"image 0").hexdigest(), "a", "Eva", "import")], {"a"})
    assert LabelStore(store).history().is_empty()
    store.left = 100
    assert labels.add([Label(image, "a", "Eva", "import") for image in put(labels, 5)], {"a"}).added == 5


def test_a_damaged_image_is_not_handed_out(labels: LabelStore) -> None:
    image, other = put(labels, 2)
    key = f"images/{image[:2]}/{image}"
    labels.store.put(key, b"Image 0")
    with pytest.raises(LabelError, match=f"{key}: the image was changed"):
        labels.image(image)
    labels.store.delete(key)
    with pytest.raises(LabelError, match=f"{key}: a labelled image is missing"):
        labels.image(image)
    assert labels.image(other) == b"image 1"


def test_a_damaged_batch_is_named(labels: LabelStore) -> None:
    (image,) = put(labels, 1)
    batch = labels.add([Label(image, "a", "Eva", "review")], {"a"}).batch
    assert batch is not None
    labels.store.put(batch, b"PAR1 or so")
    with pytest.raises(LabelError, match=batch):
        LabelStore(labels.store).current()


def test_years_of_single_labels_are_compacted_and_the_batches_stay_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches_module, "_LOOSE", 5)
    labels = LabelStore(LocalStore(tmp_path, create=True))
    images = put(labels, 20)
    for image in images:
        labels.add([Label(image, "a", "Eva", "review")], {"a"})

    asked: list[str] = []

    class Watched(LocalStore):
        def get_many(self, keys: Sequence[str], etags: Sequence[str] | None = None) -> Any:
            asked.extend(keys)
            return super().get_many(keys, etags)

    store = Watched(tmp_path)
    assert (tmp_path / "compacted.parquet").is_file()
    assert LabelStore(store).history().equals(labels.history())
    assert 0 < len(asked) < 12
    # One batch is edited, one taken away: what the compacted file says of them does not count.
    first, second, *_ = sorted((tmp_path / "batches").iterdir())
    pl.read_parquet(first).with_columns(label=pl.lit("b")).write_parquet(first)
    second.unlink()
    for reader in (LabelStore(store), labels):
        assert reader.history().height == 19
        assert standing(reader)[images[0]] == "b"
    (tmp_path / "compacted.parquet").write_bytes(b"rubbish")
    assert LabelStore(store).history().equals(labels.history())


def test_a_snapshot_is_named_by_what_is_in_it(labels: LabelStore) -> None:
    images = put(labels, 40)
    labels.add([Label(image, "a", "Eva", "import", NOON) for image in images], {"a"})
    first = labels.snapshot()
    expected = hashlib.sha256("".join(f"{image} a\n" for image in sorted(images)).encode()).hexdigest()
    assert first.hash == expected
    labels.write_snapshot(first)
    labels.add([Label(images[0], "b", "Eva", "import", later(1)), Label(images[1], None, "Eva", "x", later(1))], {"b"})
    assert labels.snapshot().hash != first.hash
    assert labels.snapshot().frame.height == 39
    assert labels.snapshot(at=NOON).hash == first.hash
    kept = labels.read_snapshot(first.hash)
    assert kept is not None
    assert kept.frame.equals(first.frame)
    assert labels.read_snapshot("0" * 64) is None
    assert labels.read_snapshot(None) is None
    changed = io.BytesIO()
    first.frame.with_columns(label=pl.lit("b")).write_parquet(changed)
    labels.store.put(f"snapshots/{first.hash}.parquet", changed.getvalue())
    with pytest.raises(LabelError, match="was changed"):
        labels.read_snapshot(first.hash)


def test_a_fifth_is_for_evaluation_and_stays_there(local: LabelStore) -> None:
    images = put(local, 500)
    local.add([Label(image, "a", "Eva", "import") for image in images], {"a"})
    parts = dict(local.snapshot().frame.select("image", "part").iter_rows())
    assert {image for image, part in parts.items() if part == "evaluation"} == {
        image for image in images if int(image, 16) % 5 == 0
    }
    assert 60 < list(parts.values()).count("evaluation") < 140
    local.add([Label(image, "b", "Jan", "import") for image in images[:99]], {"b"})
    assert dict(local.snapshot().frame.select("image", "part").iter_rows()) == parts


def test_an_export_is_what_training_reads(local: LabelStore, tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    said = []
    for label, _ in itertools.product(("inclusion", "scratches"), range(12)):
        image = local.images.put(jpeg(surface(label, rng, 64), 90))
        said.append(Label(image, label, "Eva", "import"))
    local.add(said, {"inclusion", "scratches"})
    snapshot = local.snapshot()
    assert local.export(snapshot.only("training"), tmp_path / "out") == (snapshot.frame["part"] == "training").sum()
    assert local.export(snapshot.only("evaluation"), tmp_path / "out") == (snapshot.frame["part"] == "evaluation").sum()
    data = load_images(tmp_path / "out", 32)
    truth = {one.image: one.label for one in said}
    found = {digest.hex(): data.classes[label] for digest, label in zip(data.digests, data.labels, strict=True)}
    assert found == truth
    assert all(path.endswith(".jpg") for path in data.paths)


def frozen(labels: LabelStore) -> tuple[list[str], pl.DataFrame]:
    images = put(labels, 30)
    labels.add([Label(image, "ab"[i % 2], "Eva", "import") for i, image in enumerate(images)], {"a", "b"})
    chosen = labels.snapshot().frame.filter(pl.col("image").is_in(images[:10])).select("image", "label")
    return images, chosen


def test_the_golden_set_is_frozen_and_never_trained_on(labels: LabelStore) -> None:
    assert labels.golden() is None
    images, chosen = frozen(labels)
    golden = labels.freeze(chosen, "Eva", "picked by hand")
    assert (golden.hash, golden.pin.images, golden.pin.classes) == (content_hash(chosen), 10, {"a": 5, "b": 5})
    labels.add([Label(images[0], "b", "Jan", "review")], {"b"})  # says nothing about what was frozen
    read = LabelStore(labels.store).golden()
    assert read is not None
    assert read.pin == golden.pin
    assert read.frame.sort("image").equals(chosen.sort("image"))
    assert {image: data for image, _, data in read.load()} == {image: labels.image(image) for image in images[:10]}
    assert set(labels.snapshot().frame["image"]) == set(images[10:])
    assert labels.freeze(chosen, "Eva", "again").pin == golden.pin  # the same one: nothing to choose
    second = labels.freeze(chosen.head(4), "Jan", "smaller")
    assert [(pin.number, pin.reason) for pin in labels.pins()] == [(1, "picked by hand"), (2, "smaller")]
    assert second.pin.number == 2
    assert labels.snapshot().frame.height == 26


def test_a_golden_set_that_is_refused(labels: LabelStore) -> None:
    images, chosen = frozen(labels)
    twice = pl.DataFrame({"image": [images[0], images[0]], "label": ["a", "b"]})
    unknown = pl.DataFrame({"image": ["0" * 64], "label": ["a"]})
    before = everything(labels.store)
    for frame, reason, word in (
        (chosen, " ", "reason"),
        (chosen.head(0), "why", "needs images"),
        (twice, "why", "one label"),
        (unknown, "why", "not in the label store"),
    ):
        with pytest.raises(LabelError, match=word):
            labels.freeze(frame, "Eva", reason)
    assert everything(labels.store) == before


def test_a_golden_set_that_changed_is_refused_and_named(labels: LabelStore) -> None:
    images, chosen = frozen(labels)
    golden = labels.freeze(chosen, "Eva", "picked by hand")
    manifest, pin = f"golden/{golden.hash}.parquet", labels.store.get("golden.json")
    whole = labels.store.get(manifest)
    edited = io.BytesIO()
    chosen.with_columns(label=pl.lit("a")).write_parquet(edited)

    def broken(key: str, data: bytes | None, word: str) -> None:
        was = labels.store.get(key)
        if data is None:
            labels.store.delete(key)
        else:
            labels.store.put(key, data)
        before = everything(labels.store)
        reader = LabelStore(labels.store)
        with pytest.raises(LabelError, match=word) as caught:
            list((reader.golden() or golden).load())
        assert key in str(caught.value)
        if not key.startswith("images/"):
            with pytest.raises(LabelError, match=word):
                reader.snapshot()
        assert everything(labels.store) == before
        labels.store.put(key, was)

    broken(manifest, edited.getvalue(), "was changed")
    broken(manifest, b"rubbish", "damaged")
    broken(manifest, None, "missing")
    broken("golden.json", pin.replace(b"picked by hand", b"picked by heart"), "was changed")
    broken("golden.json", b"{}", "not a pin")
    broken("golden.json", None, "is missing")
    image = f"images/{images[3][:2]}/{images[3]}"
    broken(image, b"something else", "was changed after it was labelled")
    broken(image, None, "is missing")
    assert len(list((LabelStore(labels.store).golden() or golden).load())) == 10
    # A broken one can be replaced, and put right by freezing the same again.
    labels.store.put(manifest, whole[:50])
    labels.freeze(chosen, "Eva", "restored")
    assert len(list((labels.golden() or golden).load())) == 10


def test_stats(local: LabelStore) -> None:
    images, chosen = frozen(local)
    before = local.snapshot()
    local.freeze(chosen, "Eva", "picked by hand")
    local.add([Label(images[20], "b", "Jan", "review"), Label(images[21], None, "Jan", "review")], {"b"})
    found = stats(local, before)
    parts = [part_of(image) for image in images[10:21] + images[22:]]
    assert found["parts"] == {
        "golden": 10,
        "training": parts.count("training"),
        "evaluation": parts.count("evaluation"),
    }
    assert (found["images"], found["said"], found["withdrawn"]) == (29, 32, 1)
    assert (found["who"], found["source"]) == ({"Eva": 28, "Jan": 1}, {"import": 28, "review": 1})
    assert (found["conflicts"], found["disputed"]) == (1, 1)
    assert found["golden"]["images"] == 10
    assert found["since"] == {"snapshot": before.hash, "images": 1, "classes": {"b": 1}}
    assert sum(found["days"].values()) == 32
    assert {name: sum(parts.values()) for name, parts in found["classes"].items()} == {"a": 14, "b": 15}


def test_an_empty_store_has_nothing_and_makes_nothing(labels: LabelStore) -> None:
    assert labels.current().is_empty()
    assert labels.conflicts().is_empty()
    assert labels.references().is_empty()
    assert isinstance(labels.snapshot(), Snapshot)
    assert stats(labels)["images"] == 0
    assert everything(labels.store) == {}


class Late(LocalStore):
    """A store that lists an object before it gives it, as the embedded server can while others write."""

    asked: ClassVar[set[str]] = set()

    def get_many(
        self, keys: Sequence[str], etags: Sequence[str] | None = None
    ) -> Iterator[tuple[str, bytes | StoreError]]:
        for key, data in super().get_many(keys, etags):
            missing = key.startswith("batches/") and key not in self.asked
            self.asked.add(key)
            yield key, ObjectNotFound(f"{key}: no such object") if missing else data


def test_a_batch_that_the_store_lists_a_moment_too_early_is_read(tmp_path: Path) -> None:
    labels = LabelStore(LocalStore(tmp_path / "labels", create=True))
    (image,) = put(labels, 1)
    labels.add([Label(image, "scratches", "ann", "review")], new_classes={"scratches"})
    assert standing(LabelStore(Late(tmp_path / "labels"))) == {image: "scratches"}
