"""A user's review queue: the next image, the labels given, and undo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import streamlit as st

from dashboard.auth import actions
from dashboard.auth.access import Actor
from dashboard.auth.actions import Said
from dashboard.data import images, sources
from steelflow.archive.fetch import Reference
from steelflow.labels import LabelStore, open_labels, queue
from steelflow.report.reader import ReportReader
from steelflow.schema import PROBABILITY

AT_ONCE = 60  # images in a queue
Row = Mapping[str, Any]


@dataclass(slots=True)
class Review:
    """One user's queue. ``rows`` come from ``labels.queue``. ``place`` is the current row; it is past the end when none
    is left. ``done`` has the label of each row before, None if it was skipped."""

    rows: list[Row]
    place: int = 0
    done: list[Said | None] = field(default_factory=list)
    naming: bool = False  # the user is typing a new class: keys do not label meanwhile
    stretch: bool = False  # show images with stretched contrast
    again: set[Reference] = field(default_factory=set)  # undone, so to be shown again

    @property
    def row(self) -> Row | None:
        return self.rows[self.place] if self.place < len(self.rows) else None

    def coming(self, most: int) -> list[Reference]:
        """The next images after the current one."""
        return [images.reference(row) for row in self.rows[self.place + 1 : self.place + 1 + most]]

    def say(
        self, actor: Actor, labels: LabelStore, data: bytes, name: str, classes: Collection[str], new: bool = False
    ) -> None:
        """Label the current image and go to the next. Raises like ``actions.label``; then the image stays."""
        row = self.rows[self.place]
        self._pass(actions.label(actor, labels, row, data, name, classes, new))

    def skip(self) -> None:
        self._pass(None)

    def undo(self, actor: Actor, labels: LabelStore) -> None:
        """Go back by one image and undo its label. Raises like ``actions.undo``; then nothing changes."""
        if not self.done:
            return
        said = self.done[-1]
        if said is not None:
            actions.undo(actor, labels, said)
            self.again.add(images.reference(self.rows[self.place - 1]))
        self.done.pop()
        self.place -= 1

    def pass_over(self, known: Collection[Reference]) -> None:
        """Remove images that others have labelled meanwhile. Earlier rows stay, so they can be undone."""
        others = set(known) - self.again
        left = [row for row in self.rows[self.place :] if images.reference(row) not in others]
        self.rows[self.place :] = left

    def name_a_class(self, naming: bool) -> None:
        self.naming = naming

    def stretch_contrast(self) -> None:
        """Switch stretched contrast on or off."""
        self.stretch = not self.stretch

    def first(self, cluster: int) -> None:
        """Put the images of a cluster next."""
        left = self.rows[self.place :]
        self.rows[self.place :] = sorted(left, key=lambda row: row["cluster"] != cluster)

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
        """The number of labels that agree with the model."""
        return sum(
            said is not None and said.label == row["label"] for said, row in zip(self.done, self.rows, strict=False)
        )

    def clusters(self) -> dict[int, list[Row]]:
        """The remaining images of each cluster of novel images."""
        found: dict[int, list[Row]] = {}
        for row in self.rows[self.place :]:
            if row["cluster"] is not None:
                found.setdefault(row["cluster"], []).append(row)
        return dict(sorted(found.items()))

    def _pass(self, said: Said | None) -> None:
        self.done.append(said)
        self.place += 1
        self.naming = False


def labels() -> LabelStore:
    """The label store of this session. It caches what it reads, and is not safe for several threads."""
    settings = sources.settings()
    return _labels(settings.labels_uri, settings.store.endpoint)


@st.cache_resource(show_spinner=False, scope="session")
def _labels(uri: str, endpoint: str) -> LabelStore:
    del uri, endpoint  # part of the cache key: the store may come back at another address
    return open_labels(sources.settings())


def begin(store: LabelStore, line: str | None) -> Review:
    """A new queue from the latest nights, without labelled images. Raises ``ReportError`` without reports."""
    lines = None if line is None else [line]
    found = queue(ReportReader(sources.report()), store.references(), AT_ONCE, None, lines)
    return Review(list(found.iter_rows(named=True)))


def known(store: LabelStore) -> set[Reference]:
    """The images that a person has labelled."""
    return {Reference(*row) for row in store.references().iter_rows()}


@st.cache_data(ttl=sources.STALE, max_entries=4, show_spinner=False)
def model_classes(night: dt.date) -> list[str]:
    """The classes of the models that inspected a night, in the models' order."""
    schema = ReportReader(sources.report()).images([night]).collect_schema()
    return [name.removeprefix(PROBABILITY) for name, kind in schema.items() if _is_class(name, kind)]


def _is_class(name: str, kind: pl.DataType) -> bool:
    return name.startswith(PROBABILITY) and kind == pl.Float32()
