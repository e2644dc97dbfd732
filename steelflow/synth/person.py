"""A person who knows the truth of a synthetic plant and labels its images."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import replace

import polars as pl

from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.config import Settings
from steelflow.labels import Label, open_labels
from steelflow.records import Failure
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.synth.plant import PlantSpec, labelled, truth
from steelflow.synth.textures import CLASSES

NAME = "a person"
_PLACE = ("object_key", "member", "ordinal", "line", "date", "coil")


class Person:
    """Knows the truth of the plant ``spec`` and labels images of the review queue."""

    def __init__(self, settings: Settings, spec: PlantSpec) -> None:
        self._archive = open_store(settings.archive.uri, settings.store)
        self._limits = settings.limits
        self._labels = open_labels(settings)
        self._spec = spec
        self._truth = {(row.key, row.member): row.label for row in truth(spec)}

    def begin(self, per_class: int, classes: Collection[str] = CLASSES) -> int:
        """Label the first images of the plant. Returns their number."""
        said = [Label(image, label, NAME, "import") for image, label in self._kept(self._spec, per_class, classes)]
        return self._labels.add(said, new_classes=set(classes)).added

    def choose_golden(self, per_class: int, classes: Collection[str] = CLASSES) -> int:
        """Freeze a golden set of images that the plant does not use elsewhere. Returns their number."""
        elsewhere = replace(self._spec, seed=self._spec.seed + 1)
        chosen = pl.DataFrame(self._kept(elsewhere, per_class, classes), ["image", "label"], orient="row")
        return self._labels.freeze(chosen, who=NAME, reason="chosen with care").frame.height

    def looked_at(self) -> pl.DataFrame:
        """The images of the archive that have a label."""
        return self._labels.references()

    def review(self, queue: pl.DataFrame) -> int:
        """Label the images of a review queue (object_key, member, ordinal, line, date, coil). Returns their number."""
        rows = {(row["object_key"], row["member"], row["ordinal"]): row for row in queue.to_dicts()}
        said = []
        for place, data in fetch_images(self._archive, [ImageRef(*key) for key in rows], self._limits):
            label = self._truth.get((place.key, place.member))
            if isinstance(data, Failure) or label is None:
                continue
            row = rows[place.key, place.member, place.ordinal]
            image = self._labels.images.put(data)
            said.append(Label(image, label, NAME, "review", **{name: row[name] for name in _PLACE}))
        return self._labels.add(said, new_classes=CLASSES).added

    def accuracy(self, reader: ReportReader, date: dt.date, line: str | None = None) -> float:
        """Share of the readable images of a night that are classified correctly."""
        rows = reader.images([date], None if line is None else [line]).filter(pl.col("status") == "ok")
        right = [
            self._truth.get((key, member)) == label
            for key, member, label in rows.select("object_key", "member", "label").collect().iter_rows()
        ]
        return float(sum(right) / max(1, len(right)))

    def _kept(self, spec: PlantSpec, per_class: int, classes: Collection[str]) -> list[tuple[str, str]]:
        """Put the plant's labelled images into the label store. Returns SHA-256 and label of each."""
        images = [(path.partition("/")[0], data) for path, data in labelled(spec, per_class)]
        images = [(label, data) for label, data in images if label in classes]
        keys = self._labels.images.put_many(data for _, data in images)
        return [(image, label) for (label, _), image in zip(images, keys, strict=True)]
