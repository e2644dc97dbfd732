"""The label store: all labels of an image, the current one, and the labels for training."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from steelflow.config import LimitSettings, Settings
from steelflow.errors import LabelError
from steelflow.images.beside import note_bits
from steelflow.labels import golden, snapshot
from steelflow.labels.batches import Batches, Label, composed, frame_of
from steelflow.labels.boxes import BOX, of_regions, of_whole_images
from steelflow.labels.checks import problem_of, unknown_class
from steelflow.labels.classes import ClassAction, ClassChange, Classes, change_class, read_classes
from steelflow.labels.golden import Golden, Pin
from steelflow.labels.images import Images
from steelflow.labels.names import nfc
from steelflow.labels.snapshot import Snapshot
from steelflow.labels.standing import NotCounted, not_counted
from steelflow.store import Store, open_store
from steelflow.store.clock import StoreClock

_REFERENCE = ("object_key", "member", "ordinal")
_PLACE = (*_REFERENCE, "line", "date", "coil")
_OF = ("image", *BOX)  # what a label is of
_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif"}


@dataclass(frozen=True, slots=True)
class Added:
    """The result of adding labels. ``batch`` is the key of the new batch, None if there was nothing to add.
    ``unchanged`` labels existed already; ``overruled`` labels existed too, and other people changed them later.
    ``not_counted`` says of the added ones which do not count, and why; ``renamed`` has the classes that count under
    another name today. ``clock`` says so if the clock of this machine is wrong."""

    batch: str | None
    added: int
    unchanged: int
    overruled: int
    new_classes: tuple[str, ...]
    not_counted: tuple[NotCounted, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    clock: str | None = None

    @property
    def remarks(self) -> list[str]:
        """What a person should know of the labels that were added, a sentence each."""
        said = [f"not counted: {one}" for one in self.not_counted]
        said += [f"labels of {old!r} count as {new!r}" for old, new in self.renamed.items()]
        return said + ([] if self.clock is None else [self.clock])


def open_labels(settings: Settings) -> LabelStore:
    """The label store of these settings. No connection is opened yet."""
    store = open_store(settings.labels_uri, settings.store, create=True)
    return LabelStore(store, ZoneInfo(settings.night.timezone), settings.limits)


class LabelStore:
    """Labels in ``store``. The latest label of an image, and of each region of it, is the current one; no label is ever
    lost.

    Every method can raise ``StoreError``; and ``LabelError``, naming the object, if an object was damaged or edited.

    Args:
        zone: the plant's time zone, for times without one; by default they are refused.
        limits: how the images are decoded; they may differ by the line that an image comes from.
    """

    def __init__(self, store: Store, zone: dt.tzinfo | None = None, limits: LimitSettings | None = None) -> None:
        self.store = store
        self.images = Images(store)
        self.clock = StoreClock(store)
        self._batches = Batches(store)
        self._zone = zone
        self._limits = limits or LimitSettings()

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
        """Add the labels of one person or one import as one batch: all or none. The images must be in the store
        (``images.put``).

        A label that is current already, with the same person and source, is not added again.

        Args:
            classes: known classes besides those in the store; ``new_classes`` are allowed although they are not known.
            insist: if False, a label that the same person and source gave last is not added again, even if others
                changed it later: repeating an import does not undo corrections.

        Raises:
            LabelError: an unknown class, an image that is not in the store, or an invalid name or time. Nothing was
                changed.
        """
        said = [self._completed(label) for label in labels]
        history, meaning = self._batches.read(), self.class_names()
        known = set(map(nfc, classes)) | set(_names(history)) | set(meaning.moved) | set(meaning.moved.values())
        for label in said:
            if (why := problem_of(label, self.clock.now)) is not None:
                raise LabelError(f"label of {label.image[:16]}: {why}")
            if label.label is not None and label.label not in known | set(map(nfc, new_classes)):
                raise LabelError(unknown_class(label.label, meaning.offered(sorted(known))))
        if missing := self.images.missing({label.image for label in said} - set(history["image"])):
            raise LabelError(
                f"{self.uri}: {len(missing)} labelled images are not in the store, such as {missing[0][:16]}; store "
                "them first"
            )
        now = self.clock.now()
        rows = frame_of(said, now, history).unique(
            [*_OF, "label", "who", "source", "at"], keep="first", maintain_order=True
        )
        same = [*_OF, "label", "verdict", "who", "source"]
        fresh = _without(rows, _last(history, *_OF), same)
        fresh = _without(fresh, history, [*same, "at"])
        overruled = 0
        if not insist:
            before = fresh.height
            fresh = _without(fresh, _last(history, *_OF, "who", "source"), same)
            overruled = before - fresh.height
        batch = self._batches.write(fresh, now) if fresh.height else None
        names = set(fresh["label"].drop_nulls())
        return Added(
            batch=batch,
            added=fresh.height,
            unchanged=len(said) - fresh.height - overruled,
            overruled=overruled,
            new_classes=tuple(sorted(names - known)),
            not_counted=() if batch is None else self._not_counted(batch, fresh["image"], meaning),
            renamed={name: meaning.now(name) for name in sorted(names) if meaning.now(name) != name},
            clock=self.clock.note(),
        )

    def _completed(self, label: Label) -> Label:
        """One spelling of its names, and a time zone if the plant has one."""
        at = label.at
        if at is not None and at.tzinfo is None and self._zone is not None:
            at = at.replace(tzinfo=self._zone)
        return replace(composed(label), at=at)

    def _not_counted(self, batch: str, images: pl.Series, meaning: Classes) -> tuple[NotCounted, ...]:
        chosen = None
        with contextlib.suppress(LabelError):  # a damaged golden set is said where it is used
            chosen = self.golden()
        golden = {} if chosen is None else dict(chosen.chosen.select("image", "label").iter_rows())
        rows = self._batches.read().filter(pl.col("image").is_in(images.unique().to_list()))
        return not_counted(rows, batch, meaning, golden)

    def withdraw(self, prefixes: Iterable[str], who: str, note: str | None = None) -> Added:
        """Take labels back, of images by the beginning of their SHA-256, with those of their regions: they are not
        trained on, nor asked for again.

        Raises:
            LabelError: no image, or several, begin so; nothing was changed.
        """
        images = [self.find(prefix) for prefix in prefixes]
        rows = self._batches.read().filter(pl.col("image").is_in(images))
        said = _last(rows, *_OF).filter(pl.col("label").is_not_null() | pl.col("x").is_null())
        return self.add(
            Label(row["image"], None, who, "review", note=note, **{name: row[name] for name in (*_PLACE, *BOX)})
            for row in said.iter_rows(named=True)
        )

    def history(self, image: str | None = None) -> pl.DataFrame:
        """All labels ever given, or those of one image. The last row of an image, and of a region, is the current
        one."""
        rows = self._batches.read()
        return rows if image is None else rows.filter(pl.col("image") == image)

    def current(self, withdrawn: bool = False, at: dt.datetime | None = None) -> pl.DataFrame:
        """One row per labelled whole image: its last label (until ``at``), by today's name of its class. Withdrawn
        labels, and those of retired classes, are included only with ``withdrawn``."""
        return self._counting(of_whole_images(self._until(at)), withdrawn)

    def regions(self, withdrawn: bool = False, at: dt.datetime | None = None) -> pl.DataFrame:
        """One row per labelled region: the last label of that box (until ``at``). Regions of a frame that a person
        called good later are left out. ``verdict`` is good for a region that is no defect."""
        return self._counting(of_regions(self._until(at)), withdrawn)

    def of_retired_classes(self, regions: bool = False) -> pl.DataFrame:
        """The rows that ``current`` leaves out because their class is retired; with ``regions`` those of ``regions``,
        too."""
        retired = pl.col("label").is_in(list(self.class_names().retired))
        whole = self.current(withdrawn=True).filter(retired)
        return whole.vstack(self.regions(withdrawn=True).filter(retired)) if regions else whole

    def _counting(self, rows: pl.DataFrame, withdrawn: bool) -> pl.DataFrame:
        meaning = self.class_names()
        rows = meaning.today(rows)
        return rows if withdrawn else meaning.without_retired(rows.filter(pl.col("label").is_not_null()))

    def classes(self) -> list[str]:
        """Every class that an image has or had as its label, by today's name, without retired ones."""
        return sorted(self.class_names().offered(_names(self._batches.read())))

    def class_names(self) -> Classes:
        """What the names of classes mean today: who retired, renamed or merged which."""
        return read_classes(self.store)

    def change_class(
        self,
        action: ClassAction,
        name: str,
        into: str | None = None,
        *,
        who: str,
        reason: str,
        classes: Collection[str] = (),
        good: Collection[str] = (),
    ) -> ClassChange | None:
        """Retire, restore, rename or merge a class, see ``classes.change_class``. No label is changed.

        Args:
            classes: known classes besides those in the store, such as the model's; ``good`` ones cannot be changed.
        """
        known = {*classes, *_names(self._batches.read())}
        return change_class(self.store, action, name, into, known=known, who=who, reason=reason, good=good)

    def references(self) -> pl.DataFrame:
        """``object_key``, ``member`` and ``ordinal`` of all images of the archive that a person has labelled, as a
        whole or a region of them."""
        return self.boxes().select(_REFERENCE).unique(maintain_order=True)

    def boxes(self) -> pl.DataFrame:
        """``object_key``, ``member``, ``ordinal`` and the box of everything in the archive that a person has labelled;
        the box is null for a whole image."""
        rows = self._batches.read().filter(pl.col("object_key").is_not_null())
        return rows.select(*_REFERENCE, *BOX).unique(maintain_order=True)

    def conflicts(self) -> pl.DataFrame:
        """All labels of images, or of regions, that got different labels. ``stands``: this label is the current one.
        ``disputed``: the last labels of different people differ; otherwise one person corrected a label."""
        rows = self.class_names().today(self._batches.read())
        names = pl.col("label").drop_nulls().n_unique()
        several = rows.group_by(_OF).agg(n=names).filter(pl.col("n") > 1)
        rows = rows.join(several, on=_OF, how="semi", nulls_equal=True, maintain_order="left")
        last_words = _last(rows, *_OF, "who").group_by(_OF).agg(disputed=names > 1)
        stands = pl.int_range(pl.len()).over(_OF) == pl.len().over(_OF) - 1
        rows = rows.with_columns(stands=stands)
        return rows.join(last_words, on=_OF, how="left", nulls_equal=True, maintain_order="left")

    def _until(self, at: dt.datetime | None) -> pl.DataFrame:
        rows = self._batches.read()
        return rows if at is None else rows.filter(pl.col("at") <= at)

    def image(self, image: str) -> bytes:
        """The encoded bytes of a labelled image, given by its SHA-256."""
        return self.images.get(image)

    def snapshot(self, at: dt.datetime | None = None) -> Snapshot:
        """The labels for training: the current labels (at ``at``), without the images of the golden set."""
        chosen = self.golden()
        return snapshot.take(self.current(at=at), () if chosen is None else chosen.chosen["image"])

    def write_snapshot(self, taken: Snapshot) -> str:
        """Store a snapshot under its hash. Returns its key."""
        return snapshot.write_snapshot(self.store, taken)

    def read_snapshot(self, digest: str | None) -> Snapshot | None:
        """The snapshot with this hash, by today's names of its classes; or None."""
        found = snapshot.read_snapshot(self.store, digest) if digest else None
        return None if found is None else replace(found, frame=self.class_names().today(found.frame))

    def export(self, labelled: Snapshot | Golden, folder: Path) -> int:
        """Write the images to ``folder/<class>/<first 16 of the SHA-256>.<suffix>``, the layout for training, with
        unchanged bytes. Returns their number. Other files in the folder stay: pass an empty folder. Where the settings
        of a line say how many bits its cameras use, a note beside the classes says it to ``train`` and ``evaluate``."""
        frame, bits = labelled.frame, dict[str, int]()
        limits_of = self.limits_of()
        for name in frame["label"].unique():
            (folder / name).mkdir(parents=True, exist_ok=True)
        for label, (image, data) in zip(frame["label"], self.images.get_many(frame["image"]), strict=True):
            name = f"{image[:16]}{suffix_of(data)}"
            (folder / label / name).write_bytes(data)
            if self._limits.lines and (own := limits_of(image).sample_bits):
                bits[name] = own
        note_bits(folder, bits)
        return frame.height

    def _lines(self) -> dict[str, str]:
        """The line that each image comes from, by its SHA-256, where a label or the golden set says it."""
        chosen = golden.read_golden(self.store, self.images)
        said = [] if chosen is None or "line" not in chosen.frame.columns else [chosen.frame]
        rows = pl.concat([one.select("image", "line") for one in (*said, self._batches.read())])
        return dict(rows.drop_nulls().iter_rows())

    def limits_of(self, limits: LimitSettings | None = None) -> Callable[[str], LimitSettings]:
        """How each image is decoded, by its SHA-256: as the images of the line that it comes from.

        Args:
            limits: instead of those of this store.
        """
        known = self._limits if limits is None else limits
        lines = self._lines() if known.lines else {}
        return lambda image: known.of(lines.get(image))

    def golden(self) -> Golden | None:
        """The current golden set, with its manifest verified, by today's names of its classes and without retired ones.
        ``Golden.load`` verifies the images."""
        found = golden.read_golden(self.store, self.images)
        return None if found is None else self._today(found)

    def _today(self, found: Golden) -> Golden:
        meaning = self.class_names()
        chosen = meaning.today(found.chosen)
        return replace(found, frame=meaning.without_retired(chosen), chosen=chosen)

    def freeze(self, labelled: pl.DataFrame, who: str, reason: str) -> Golden:
        """Make ``labelled`` (image, label) the golden set; see ``golden.freeze``."""
        return self._today(golden.freeze(self.store, self.images, labelled, nfc(who), reason))

    def pins(self) -> list[Pin]:
        """Every choice of a golden set, the latest last."""
        return golden.pins(self.store)

    def find(self, prefix: str) -> str:
        """The labelled image whose SHA-256 starts with ``prefix``. Raises ``LabelError`` for none or several."""
        found = self._batches.read()["image"].unique()
        found = found.filter(found.str.starts_with(prefix.lower()))
        if len(found) != 1 or not prefix:
            raise LabelError(f"{prefix!r}: {len(found)} labelled images start with it; give more of the SHA-256 of one")
        return str(found[0])


def suffix_of(data: bytes) -> str:
    """The file suffix for an image, by its bytes."""
    return next((suffix for magic, suffix in _SUFFIXES.items() if data.startswith(magic)), ".bin")


def _names(rows: pl.DataFrame) -> list[str]:
    return sorted(rows["label"].drop_nulls().unique())


def _last(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    return rows.unique(by, keep="last", maintain_order=True)


def _without(rows: pl.DataFrame, others: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    return rows.join(others, on=on, how="anti", nulls_equal=True, maintain_order="left")
