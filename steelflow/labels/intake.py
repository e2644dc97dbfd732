"""Import of labels: a folder of images for each class, or a CSV of references and labels.

The source is read twice: first to find all problems, then to store the images. A refused import therefore changes
nothing, and an import of any size needs no disk space on this machine.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from steelflow.archive.by_line import ImageLimits
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.archive.names import kind_of
from steelflow.archive.template import KeyTemplate, Members
from steelflow.config import LimitSettings
from steelflow.errors import LabelError, ObjectNotFound
from steelflow.images.decode import decode
from steelflow.labels.batches import Label
from steelflow.labels.checks import bad_name, problem_of, unknown_class
from steelflow.labels.golden import Golden
from steelflow.labels.names import nfc, spellings
from steelflow.labels.store import Added, LabelStore
from steelflow.labels.table import Problems, Row, table
from steelflow.records import Failure
from steelflow.store.base import Store
from steelflow.store.local import LocalStore

_THREADS = 16
_ANY_IMAGE = "0" * 64


@dataclass(frozen=True, slots=True)
class Source:
    """The source of images: files below a folder, or objects of the archive."""

    files: Store
    archive: Store
    template: KeyTemplate
    limits: LimitSettings

    def limits_of(self, local: bool, reference: ImageRef) -> LimitSettings:
        """How an image is decoded. A file beside the table is of no line."""
        if local:
            return self.limits.of(None)
        return ImageLimits(self.limits, self.template).of(reference.key, reference.member)


@dataclass(frozen=True, slots=True)
class Imported:
    """``rows`` is the number of rows, ``repeated`` that of rows that repeat a label of the same person. For the rest
    see ``Added``."""

    rows: int
    repeated: int
    ignored: int
    added: Added


class Intake:
    """The labelled images of ``given``, a folder or a CSV, read and checked. Nothing is written.

    A CSV has a header and the columns ``path`` (or ``image``, ``key``, ``object_key``) and ``label``. It may have
    ``member``, ``ordinal``, ``who`` and ``at`` (ISO 8601; without a zone it is the plant's time). Other columns are
    ignored. A path is a file relative to the CSV if that file exists; otherwise it is the key of an object of the
    archive. A name that another system writes otherwise (backslashes, decomposed letters) is found as well.

    Args:
        template: of the archive, with the plant's time zone.
        classes: the known classes; ``new_classes`` are allowed as well.
        now: tells the time by the clock of the label store; by default that of this machine.

    Raises:
        LabelError: all problems, the first few by row and column.
        StoreError: the archive cannot be read.
    """

    def __init__(
        self,
        given: Path,
        archive: Store,
        template: KeyTemplate,
        limits: LimitSettings,
        classes: Collection[str],
        new_classes: Collection[str] = (),
        now: Callable[[], dt.datetime] | None = None,
    ) -> None:
        base = given if given.is_dir() else given.parent
        self.given = given
        self.ignored = 0
        self._source = Source(LocalStore(base), archive, template, limits)
        self.classes = frozenset(map(nfc, classes))
        self._new_classes = frozenset(map(nfc, new_classes))
        self._now = now or (lambda: dt.datetime.now(dt.UTC))
        problems = Problems(given)
        for name in sorted(self._new_classes):
            if (why := bad_name(name)) is not None:
                problems.add("--new-class", repr(name), why)
        rows = list(self._folders(problems) if given.is_dir() else table(given, template.zone, problems))
        for row in rows:
            self._check_label(row, problems)
        if not rows and not problems.count:
            raise LabelError(f"{given}: has no labelled images; give a folder with a folder per class, or a CSV")
        problems.check()
        self.total = len(rows)
        self.rows = self._seen(rows, problems)
        problems.check()

    @property
    def by_line(self) -> bool:
        """Whether images are decoded differently by the line that they come from."""
        return bool(self._source.limits.lines)

    def labels(self, who: str, source: str, note: str | None = None) -> list[Label]:
        """One label for each image."""
        return [self._label(row, who, source, note) for row in self.rows]

    def keep(self, labels: LabelStore, skip: Collection[str] = ()) -> None:
        """Store the images in the label store, except those in ``skip``.

        Raises:
            LabelError: an image was changed after it was checked.
        """
        wanted = {(row.local, row.reference): row for row in self.rows if row.image not in skip}

        def again() -> Iterator[bytes]:
            for place, data in _fetched(self._source, list(wanted)):
                row = wanted[place]
                if isinstance(data, Failure) or hashlib.sha256(data).hexdigest() != row.image:
                    raise LabelError(
                        f"{self.given}: {row.where}: the image was replaced during the import; import again"
                    )
                yield data

        for _ in labels.images.put_many(again()):
            pass

    def _folders(self, problems: Problems) -> Iterator[Row]:
        for folder in sorted(entry for entry in self.given.iterdir() if entry.is_dir()):
            if folder.name.startswith("."):
                continue
            for file in sorted(folder.iterdir()):
                if not file.is_file():
                    if any(kind_of(below.name) == "image" for below in file.rglob("*")):
                        what = "is a folder with images: whose class are they? Put them directly into a class folder"
                        problems.add(f"{folder.name}/{file.name}", "folder", what)
                    continue
                if kind_of(file.name) != "image":
                    self.ignored += 1
                    continue
                key = f"{folder.name}/{file.name}"
                reference = ImageRef(key, None, 0)
                yield Row(where=key, column="image", local=True, reference=reference, label=nfc(folder.name))

    def _check_label(self, row: Row, problems: Problems) -> None:
        if not row.label:
            problems.add(row.where, "column label", "is empty; fill it in or remove the row")
            return
        said = Label(image=_ANY_IMAGE, label=row.label, who=row.who or "-", source="-", at=row.at)
        if (why := problem_of(said, self._now)) is not None:
            problems.add(row.where, "column label", why)
        elif row.label not in self.classes and row.label not in self._new_classes:
            problems.add(row.where, "column label", unknown_class(row.label, self.classes))

    def _seen(self, rows: list[Row], problems: Problems) -> list[Row]:
        """The rows with the SHA-256 of their images, in the order of the file: one for each image, person and time."""
        rows = self._found(rows)
        by_place: dict[tuple[bool, ImageRef], list[int]] = {}
        for number, row in enumerate(rows):
            by_place.setdefault((row.local, row.reference), []).append(number)
        seen: dict[int, Row] = {}
        for (local, reference), data in _fetched(self._source, list(by_place)):
            limits = self._source.limits_of(local, reference)
            picture = data if isinstance(data, Failure) else decode(data, limits)
            digest = "" if isinstance(data, Failure) else hashlib.sha256(data).hexdigest()
            named = by_place.get((local, reference), [])
            by_name = by_place.get((local, reference._replace(ordinal=None)), [])
            for number in {*named, *by_name}:
                row = rows[number]
                if isinstance(picture, Failure):
                    kind = "unknown image" if isinstance(data, Failure) else "unreadable image"
                    problems.add(row.where, row.column, f"{kind} {reference.member or reference.key} ({picture})")
                else:
                    seen[number] = replace(row, reference=reference, image=digest)
        if not problems.count:
            for number in sorted(set(range(len(rows))) - seen.keys()):
                row = rows[number]
                problems.add(row.where, row.column, f"unknown image {row.reference.member or row.reference.key}")
        chosen: dict[tuple[str, str | None, dt.datetime | None], Row] = {}
        for number in sorted(seen):
            row = seen[number]
            first = chosen.setdefault((row.image, row.who, row.at), row)
            if first.label != row.label:
                what = (
                    f"{row.label!r}, but {first.where} labels the same image {first.label!r}; who gave which, and when?"
                )
                problems.add(row.where, "column label", what)
        return list(chosen.values())

    def _found(self, rows: list[Row]) -> list[Row]:
        """The rows with the keys that the archive has: its objects may be spelt in another way than in the table."""
        strange = sorted({row.reference.key for row in rows if not row.local and spellings(row.reference.key)})
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="labels") as pool:
            keys = dict(zip(strange, pool.map(lambda key: _spelt(self._source.archive, key), strange), strict=True))
        return [
            row if row.local else replace(row, reference=row.reference._replace(key=keys.get(key, key)))
            for row in rows
            for key in [row.reference.key]
        ]

    def _label(self, row: Row, who: str, source: str, note: str | None) -> Label:
        said = Label(image=row.image, label=row.label, who=row.who or who, source=source, at=row.at, note=note)
        if row.local:
            return said
        key, member, ordinal = row.reference
        fields = Members(self._source.template, key).read(member)
        return replace(
            said,
            object_key=key,
            member=member,
            ordinal=ordinal,
            line=fields.line,
            date=fields.date,
            coil=fields.coil,
        )


def import_labels(
    labels: LabelStore, intake: Intake, who: str, source: str = "import", note: str | None = None
) -> Imported:
    """Store an intake: the images, then one batch. If the import is interrupted before the batch, no label has changed.

    Repeating an import changes nothing. It does not undo later corrections.

    Raises:
        LabelError: see ``LabelStore.add``.
    """
    said = intake.labels(who, source, note)
    intake.keep(labels, set(labels.history()["image"]))
    added = labels.add(said, intake.classes, {row.label for row in intake.rows}, insist=False)
    return Imported(intake.total, intake.total - len(said), intake.ignored, added)


def _spelt(archive: Store, key: str) -> str:
    """The key, or the other spelling of it that the archive has."""
    for one in (key, *spellings(key)):
        with contextlib.suppress(ObjectNotFound):
            archive.stat(one)
            return one
    return key


def choose_golden(labels: LabelStore, intake: Intake, who: str, reason: str) -> Golden:
    """Keep the images of ``intake`` and freeze them as the golden set. Raises ``LabelError``, see ``golden.freeze``."""
    first: dict[str, Row] = {}
    meaning = labels.class_names()
    for row in intake.rows:
        if meaning.is_retired(row.label):
            raise LabelError(
                f"golden set: {row.where}: {meaning.change_of(row.label)}; bring it back with `steelflow labels "
                "restore`, or leave it out; nothing was changed"
            )
        if (other := first.setdefault(row.image, row)).label != row.label:
            raise LabelError(
                f"golden set: {other.where} labels an image {other.label!r} and {row.where} labels it {row.label!r}; "
                "decide on one; nothing was changed"
            )
    intake.keep(labels)
    said = intake.labels(who, "golden")
    columns = ("image", "label", "line") if intake.by_line else ("image", "label")
    frame = pl.DataFrame(
        {name: [getattr(one, name) for one in said] for name in columns}, dict.fromkeys(columns, pl.String)
    )
    return labels.freeze(frame, who, reason)


def _fetched(
    source: Source, places: list[tuple[bool, ImageRef]]
) -> Iterator[tuple[tuple[bool, ImageRef], bytes | Failure]]:
    for local, store in ((True, source.files), (False, source.archive)):
        wanted = [reference for is_local, reference in places if is_local == local]
        if wanted:
            for reference, data in fetch_images(store, wanted, source.limits):
                yield (local, reference), data
