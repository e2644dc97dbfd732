"""The label store: what was said of which image, what stands, and what may be trained on."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steelflow.config import Settings
from steelflow.errors import LabelError
from steelflow.labels import golden, snapshot
from steelflow.labels.batches import Batches, Label, frame_of
from steelflow.labels.golden import Golden, Pin
from steelflow.labels.images import Images
from steelflow.labels.snapshot import Snapshot
from steelflow.store import Store, open_store

MAX_NAME = 100  # characters of a class, a person or a source
MAX_NOTE = 2000

_AHEAD = dt.timedelta(days=1)  # clocks of other machines may be wrong by less
_REFERENCE = ("object_key", "member", "ordinal")
_PLACE = (*_REFERENCE, "line", "date", "coil")
_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}


@dataclass(frozen=True, slots=True)
class Added:
    """What came of a batch. ``batch`` is its key, None when there was nothing to add; ``unchanged`` was said already;
    ``overruled`` too, and others have said something else since."""

    batch: str | None
    added: int
    unchanged: int
    overruled: int
    new_classes: tuple[str, ...]


def open_labels(settings: Settings) -> LabelStore:
    """The label store of these settings. Nothing is contacted yet."""
    return LabelStore(open_store(settings.labels_uri, settings.store, create=True))


class LabelStore:
    """Labels in ``store``. The last label of an image stands, by its time; nothing that was said is ever lost.

    Every method raises ``StoreError``, and ``LabelError`` where an object was damaged or edited, naming it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.images = Images(store)
        self._batches = Batches(store)

    @property
    def uri(self) -> str:
        return self.store.uri

    def add(
        self,
        labels: Iterable[Label],
        classes: Collection[str] = (),
        new_classes: Collection[str] = (),
        insist: bool = True,
    ) -> Added:
        """Add what one person or one import says, as one batch: all of it or nothing. The images have to be there
        (``images.put``).

        What stands already, with the same label, person and source, is not added again.

        Args:
            classes: known ones, beside those in the store; ``new_classes`` are allowed though they are not known.
            insist: False leaves out what the same person and source said last of an image, though others have
                overruled it since: repeating an import does not undo corrections.

        Raises:
            LabelError: an unknown class, an image that is not in the store, a name or a time that cannot be; nothing
                was changed.
        """
        said = list(labels)
        history = self._batches.read()
        known = set(classes) | set(_classes(history))
        for label in said:
            if (why := problem_of(label)) is not None:
                raise LabelError(f"label of {label.image[:16]}: {why}")
            if label.label is not None and label.label not in known and label.label not in new_classes:
                raise LabelError(unknown_class(label.label, known))
        if missing := self.images.missing({label.image for label in said} - set(history["image"])):
            raise LabelError(
                f"{self.uri}: {len(missing)} labelled images are not in the store, such as {missing[0][:16]}; put "
                "them there first"
            )
        rows = frame_of(said, dt.datetime.now(dt.UTC)).unique(
            ["image", "label", "who", "source", "at"], keep="first", maintain_order=True
        )
        same = ["image", "label", "who", "source"]
        fresh = _without(rows, _last(history, "image"), same)
        fresh = _without(fresh, history, [*same, "at"])
        overruled = 0
        if not insist:
            before = fresh.height
            fresh = _without(fresh, _last(history, "image", "who", "source"), same)
            overruled = before - fresh.height
        batch = self._batches.write(fresh) if fresh.height else None
        new = sorted(set(fresh["label"].drop_nulls()) - known)
        return Added(batch, fresh.height, len(said) - fresh.height - overruled, overruled, tuple(new))

    def withdraw(self, prefixes: Iterable[str], who: str, note: str | None = None) -> Added:
        """Take labels back, of images by the beginning of their SHA-256: they are not trained on, nor asked for again.

        Raises:
            LabelError: no image, or several, begin so; nothing was changed.
        """
        images = [self.find(prefix) for prefix in prefixes]
        places = {row["image"]: row for row in self.current(withdrawn=True).iter_rows(named=True)}
        return self.add(
            Label(image, None, who, "review", note=note, **{name: places[image][name] for name in _PLACE})
            for image in images
        )

    def history(self, image: str | None = None) -> pl.DataFrame:
        """Everything that was said, or what was said of one image; the last row of an image stands."""
        rows = self._batches.read()
        return rows if image is None else rows.filter(pl.col("image") == image)

    def current(self, withdrawn: bool = False, at: dt.datetime | None = None) -> pl.DataFrame:
        """One row per image, the last that was said (until ``at``); those without a label only if ``withdrawn``."""
        rows = self._batches.read()
        rows = _last(rows if at is None else rows.filter(pl.col("at") <= at), "image")
        return rows if withdrawn else rows.filter(pl.col("label").is_not_null())

    def classes(self) -> list[str]:
        """Every class that an image has or had."""
        return _classes(self._batches.read())

    def references(self) -> pl.DataFrame:
        """``object_key``, ``member`` and ``ordinal`` of all images of the archive that a person has looked at."""
        rows = self._batches.read().filter(pl.col("object_key").is_not_null())
        return rows.select(_REFERENCE).unique(maintain_order=True)

    def conflicts(self) -> pl.DataFrame:
        """All that was said of images that were given different labels. ``stands``: it is the one that counts;
        ``disputed``: the last words of different people differ, so it was more than one person's second thought."""
        rows = self._batches.read()
        names = pl.col("label").drop_nulls().n_unique()
        rows = rows.join(rows.group_by("image").agg(n=names).filter(pl.col("n") > 1), on="image", how="semi")
        last_words = _last(rows, "image", "who").group_by("image").agg(disputed=names > 1)
        stands = pl.int_range(pl.len()).over("image") == pl.len().over("image") - 1
        return rows.with_columns(stands=stands).join(last_words, on="image", how="left", maintain_order="left")

    def image(self, image: str) -> bytes:
        """The encoded bytes of a labelled image, by its SHA-256."""
        return self.images.get(image)

    def snapshot(self, at: dt.datetime | None = None) -> Snapshot:
        """What may be learnt from: the labels that stand (at ``at``), without the images of the golden set."""
        chosen = self.golden()
        return snapshot.take(self.current(at=at), () if chosen is None else chosen.frame["image"])

    def write_snapshot(self, taken: Snapshot) -> str:
        """Keep a snapshot below its hash; returns its key."""
        return snapshot.write_snapshot(self.store, taken)

    def read_snapshot(self, digest: str | None) -> Snapshot | None:
        """The snapshot with this hash, or None."""
        return snapshot.read_snapshot(self.store, digest) if digest else None

    def export(self, labelled: Snapshot | Golden, folder: Path) -> int:
        """Write ``folder/<class>/<first 16 of the SHA-256>.<suffix>``, as training reads it, the bytes unchanged;
        returns how many. The folder may hold others already; it is for the caller to begin with an empty one."""
        frame = labelled.frame
        for name in frame["label"].unique():
            (folder / name).mkdir(parents=True, exist_ok=True)
        for label, (image, data) in zip(frame["label"], self.images.get_many(frame["image"]), strict=True):
            (folder / label / f"{image[:16]}{suffix_of(data)}").write_bytes(data)
        return frame.height

    def golden(self) -> Golden | None:
        """The golden set that counts, its manifest verified; ``Golden.load`` verifies the images."""
        return golden.read_golden(self.store, self.images)

    def freeze(self, labelled: pl.DataFrame, who: str, reason: str) -> Golden:
        """Make ``labelled`` (image, label) the golden set, see ``golden.freeze``."""
        return golden.freeze(self.store, self.images, labelled, who, reason)

    def pins(self) -> list[Pin]:
        """Every choice of a golden set, the latest last."""
        return golden.pins(self.store)

    def find(self, prefix: str) -> str:
        """The labelled image whose SHA-256 begins so. Raises ``LabelError`` for none, or several."""
        found = self._batches.read()["image"].unique()
        found = found.filter(found.str.starts_with(prefix.lower()))
        if len(found) != 1 or not prefix:
            raise LabelError(f"{prefix!r}: {len(found)} labelled images begin so; give more of the SHA-256 of one")
        return str(found[0])


def unknown_class(name: str, known: Collection[str]) -> str:
    """The message for a class that nobody knows, with what may have been meant."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known)) or 'none'}"
    return f"{name!r} is no known class; {hint} --new-class allows a new one"


def bad_name(name: str) -> str | None:
    """Why this cannot be the name of a class, which becomes a column and a folder; None when it can."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        return f"{name[:MAX_NAME]!r} is no name: 1 to {MAX_NAME} printable characters"
    if name.startswith(".") or "/" in name or "\\" in name:
        return f"{name!r} is no name for a folder"
    return None


def problem_of(label: Label) -> str | None:
    """What cannot be in a label, whatever the store holds; None when all can."""
    if not re.fullmatch("[0-9a-f]{64}", label.image):
        return f"image {label.image[:MAX_NAME]!r} is no SHA-256 in hex"
    for what in (label.who, label.source):
        if not what.strip() or not what.isprintable() or len(what) > MAX_NAME:
            return f"who and source need a name of 1 to {MAX_NAME} printable characters, not {what[:MAX_NAME]!r}"
    if label.note is not None and len(label.note) > MAX_NOTE:
        return f"a note may have {MAX_NOTE} characters"
    if label.at is not None and label.at.tzinfo is None:
        return f"the time {label.at} has no time zone"
    if label.at is not None and label.at > dt.datetime.now(dt.UTC) + _AHEAD:
        return f"the time {label.at} is in the future, and would stand against every later label"
    return None if label.label is None else bad_name(label.label)


def suffix_of(data: bytes) -> str:
    """By what the bytes say."""
    return next((suffix for magic, suffix in _SUFFIXES.items() if data.startswith(magic)), ".bin")


def _classes(rows: pl.DataFrame) -> list[str]:
    return sorted(rows["label"].drop_nulls().unique())


def _last(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    return rows.unique(by, keep="last", maintain_order=True)


def _without(rows: pl.DataFrame, others: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    return rows.join(others, on=on, how="anti", nulls_equal=True, maintain_order="left")
