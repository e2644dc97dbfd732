"""A user's review queue: the next image or region of a frame, the labels given, and undo."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import streamlit as st

from dashboard.auth import actions
from dashboard.auth.access import Actor
from dashboard.auth.actions import Said
from dashboard.data import images, regions, sources
from steelflow.archive.fetch import ImageRef
from steelflow.errors import ReportError
from steelflow.labels import LabelStore, open_labels
from steelflow.labels.boxes import BOX, Box, Verdict
from steelflow.report.reader import ReportReader
from steelflow.schema import PROBABILITY

Row = Mapping[str, Any]
Key = tuple[ImageRef, Box | None]  # an image, or a region of it


@dataclass(slots=True)
class Review:
    """One user's queue. ``rows`` come from ``labels.queue`` and, with a box, from ``labels.region_queue``. ``place`` is
    the current row; it is past the end when none is left. ``done`` has the label of each row before, None if it was
    skipped."""

    rows: list[Row]
    place: int = 0
    done: list[Said | None] = field(default_factory=list)
    naming: bool = False  # the user is typing a new class: keys do not label meanwhile
    stretch: bool = False  # show images with stretched contrast
    drawing: bool = False  # the user is drawing a box
    again: set[Key] = field(default_factory=set)  # undone, so to be shown again
    hidden: int = 0  # images that were not proposed, because they cannot be shown
    step: int = 0  # rises with every key that counts
    note: str = ""  # what became of the last key, if it did not label
    wrong: str = ""  # what is wrong with the name of a new class
    second: set[Key] = field(default_factory=set)  # labelled by one other person, to be labelled again
    about: str = ""  # how the rows were chosen, if it is not the usual queue
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strike(self, step: int) -> bool:
        """Whether a key that was on the screen at ``step`` counts: the first one does, a second one does nothing."""
        with self._lock:
            if step != self.step:
                return False
            self.step, self.note, self.wrong = step + 1, "", ""
            return True

    def later(self, held: Collection[ImageRef]) -> None:
        """Put the images that other people look at behind the others."""
        left = self.rows[self.place :]
        if left and images.reference(left[0]) in held:
            self.rows[self.place :] = sorted(left, key=lambda row: images.reference(row) in held)

    @property
    def row(self) -> Row | None:
        return self.rows[self.place] if self.place < len(self.rows) else None

    def coming(self, most: int) -> list[ImageRef]:
        """The next images after the current one."""
        references = (images.reference(row) for row in self.rows[self.place + 1 : self.place + 1 + most])
        return list(dict.fromkeys(references))

    def say(
        self,
        actor: Actor,
        labels: LabelStore,
        data: bytes,
        name: str,
        classes: Collection[str],
        new: bool = False,
        verdict: Verdict | None = None,
        whole: bool = False,
    ) -> None:
        """Label the current image, or region, and go to the next. Raises like ``actions.label``; then it stays.

        Args:
            whole: label the frame, although the current item is a region of it.
        """
        row = self.rows[self.place]
        box = None if whole else regions.box(row)
        again = key_of(row) in self.second
        self._pass(actions.label(actor, labels, row, data, name, classes, new, box, verdict, again))

    def draw(
        self, actor: Actor, labels: LabelStore, data: bytes, name: str, classes: Collection[str], box: Box
    ) -> None:
        """Label a box that the user has drawn in the current frame, which stays. Raises like ``actions.label``."""
        row = self.rows[self.place]
        said = actions.label(actor, labels, row, data, name, classes, box=box, verdict="drawn")
        drawn = {**row, **dict(zip(BOX, box, strict=True)), "label": name, "cluster": None}
        self.rows.insert(self.place, drawn)
        self._pass(said)

    def skip(self) -> None:
        self._pass(None)

    def undo(self, actor: Actor, labels: LabelStore) -> None:
        """Go back by one image and undo its label. Raises like ``actions.undo``; then nothing changes."""
        if not self.done:
            return
        said = self.done[-1]
        if said is not None:
            actions.undo(actor, labels, said)
            self.again.add((images.reference(self.rows[self.place - 1]), said.box))
        self.done.pop()
        self.place -= 1
        if said is not None and said.verdict == "drawn":
            del self.rows[self.place]  # the box is gone

    def pass_over(self, known: Collection[Key]) -> None:
        """Remove images and regions that have a label meanwhile, and regions of frames that have one. Earlier rows
        stay, so they can be undone."""
        others = set(known) - self.again
        left = [row for row in self.rows[self.place :] if not {key_of(row), (images.reference(row), None)} & others]
        self.rows[self.place :] = left

    def draw_a_box(self, drawing: bool) -> None:
        self.drawing = drawing

    def name_a_class(self, naming: bool) -> None:
        self.naming = naming

    def stretch_contrast(self) -> None:
        """Switch stretched contrast on or off."""
        self.stretch = not self.stretch

    def first(self, cluster: int) -> None:
        """Put the images of a cluster next."""
        left = self.rows[self.place :]
        self.rows[self.place :] = sorted(
            left, key=lambda row: row["cluster"] != cluster or regions.box(row) is not None
        )

    def last(self) -> tuple[Row, Said] | None:
        """The last label, if the last step was a label."""
        if not self.done or self.done[-1] is None:
            return None
        return self.rows[self.place - 1], self.done[-1]

    @property
    def labelled(self) -> int:
        return sum(said is not None for said in self.done)

    @property
    def agreed(self) -> int:
        """The number of labels that agree with the model. A box that was drawn does not."""
        return sum(agrees(row, said) for said, row in zip(self.done, self.rows, strict=False) if said is not None)

    def clusters(self) -> dict[int, list[Row]]:
        """The remaining images of each cluster of novel images."""
        found: dict[int, list[Row]] = {}
        for row in self.rows[self.place :]:
            if row["cluster"] is not None and regions.box(row) is None:
                found.setdefault(row["cluster"], []).append(row)
        return dict(sorted(found.items()))

    def _pass(self, said: Said | None) -> None:
        self.done.append(said)
        self.place += 1
        self.naming = self.drawing = False


def key_of(row: Row) -> Key:
    return images.reference(row), regions.box(row)


def is_frame(row: Row) -> bool:
    """Whether the image is a frame that was judged in views, so that its defects have boxes."""
    return regions.box(row) is not None or sources.is_framed(row["date"], row["line"])


def good_class(row: Row) -> str:
    """The class that says "no defect"."""
    return next(iter(sources.good_classes(row["date"])), "good")


def agrees(row: Row, said: Said) -> bool:
    return said.verdict != "drawn" and said.label == row["label"]


def verdict(row: Row, name: str) -> Verdict | None:
    """What a class means that was chosen for a row: None for an image that is no frame."""
    good = name in sources.good_classes(row["date"])
    if regions.box(row) is None:
        return "good" if good and is_frame(row) else None
    if good:
        return "good"
    return "confirmed" if name == row["label"] else "relabelled"


def offered(night: dt.date) -> list[str]:
    """The classes of the model, in its order, then those that people have added."""
    store = labels()
    try:
        of_model = model_classes(night)
    except ReportError:  # the night's reports were deleted
        of_model = model_classes(sources.nights()[-1])
    return store.class_names().offered([*of_model, *store.classes()])


def labels() -> LabelStore:
    """The label store of this session. It caches what it reads, and is not safe for several threads."""
    settings = sources.settings()
    return _labels(settings.labels_uri, settings.store.endpoint)


@st.cache_resource(show_spinner=False, scope="session")
def _labels(uri: str, endpoint: str) -> LabelStore:
    del uri, endpoint  # part of the cache key: the store may come back at another address
    return open_labels(sources.settings())


def known(store: LabelStore) -> set[Key]:
    """The images and regions that a person has labelled."""
    return {(ImageRef(*row[:3]), None if row[3] is None else row[3:]) for row in store.boxes().iter_rows()}


@st.cache_data(ttl=sources.STALE, max_entries=4, show_spinner=False)
def model_classes(night: dt.date) -> list[str]:
    """The classes of the models that inspected a night, in the models' order."""
    schema = ReportReader(sources.report()).images([night]).collect_schema()
    return [name.removeprefix(PROBABILITY) for name, kind in schema.items() if _is_class(name, kind)]


def _is_class(name: str, kind: pl.DataType) -> bool:
    return name.startswith(PROBABILITY) and kind == pl.Float32()
