"""A month of a synthetic plant in fast-forward, with the loop closed and, beside it, with the first model left alone.

The truth is known, so each night has its accuracy. What happens to the plant: the lamps of L2 age and are replaced, the
rolls of L3 shake its camera, L1 rolls another grade, and late in the month a defect appears that no model knows.

Every morning after an alarm a person labels the images that the review queue puts first; then the loop does what it
does anywhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from steelflow.archive.fetch import Reference, fetch_images
from steelflow.config import Settings
from steelflow.errors import TrainingError
from steelflow.labels import Label, open_labels
from steelflow.labels.review import queue
from steelflow.night.run import inspect_night
from steelflow.records import Failure
from steelflow.report.reader import ReportReader
from steelflow.retrain import RetrainResult, retrain
from steelflow.store import open_store
from steelflow.synth import CLASSES, Camera, PlantSpec, labelled, truth
from steelflow.synth.plant import objects

NEW_CLASS = "crazing"
_PERSON = "a person"
_PER_CLASS = 120
_GOLDEN = 60  # of a class
_REVIEWED = 150  # images a morning after an alarm
_START = dt.date(2026, 11, 1)
_LINES = ("L1", "L2", "L3")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Event:
    """What happens to a line from a night on (counted from 1)."""

    night: int
    line: str
    what: str
    camera: Camera | None = None
    mix: Mapping[str, float] | None = None


KNOWN = {name: 0.0 if name == NEW_CLASS else 1.0 for name in CLASSES}

EVENTS = (
    Event(8, "L2", "the lamps of L2 age", camera=Camera(gain=0.3)),
    Event(14, "L3", "the camera of L3 shakes", camera=Camera(blur=9)),
    Event(19, "L2", "the lamps of L2 are replaced", camera=Camera()),
    Event(22, "L1", "L1 rolls another grade", mix={**KNOWN, "scratches": 4.0}),
    Event(25, "L2", f"{NEW_CLASS}, a new defect, appears on L2", mix={**KNOWN, NEW_CLASS: 1.5}),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A night of the ledger. Accuracies are shares of its readable images; ``alone`` is that of the first model."""

    date: dt.date
    events: tuple[str, ...]
    images: int
    model: str
    verdict: str
    reasons: tuple[str, ...]
    accuracy: float
    alone: float
    labels: int
    retraining: RetrainResult | None


def month(nights: int = 30, coils: int = 10, images: int = 55, seed: int = 5) -> PlantSpec:
    """The plant with all that happens to it."""
    dates = [_START + dt.timedelta(days=night) for night in range(nights)]
    cameras: dict[str | tuple[str, dt.date], Camera] = {}
    mixes: dict[str | tuple[str, dt.date], Mapping[str, float]] = {}
    for event in EVENTS:
        for date in dates[event.night - 1 :]:
            if event.camera is not None:
                cameras[event.line, date] = event.camera
            if event.mix is not None:
                mixes[event.line, date] = event.mix
    return PlantSpec(
        seed=seed,
        lines=_LINES,
        start=_START,
        nights=nights,
        coils=coils,
        images=images,
        sharded=1.0,
        kinds=("tar",),
        broken=1,
        mix=KNOWN,
        cameras=cameras,
        mixes=mixes,
    )


class Person:
    """Who knows the truth of a synthetic plant, and labels what the queue shows."""

    def __init__(self, settings: Settings, spec: PlantSpec) -> None:
        self._archive = open_store(settings.archive.uri, settings.store)
        self._limits = settings.limits
        self._labels = open_labels(settings)
        self._truth = {(row.key, row.member): row.label for row in truth(spec)}

    def begin(self, spec: PlantSpec, per_class: int, classes: Collection[str]) -> int:
        """The labelled images that a plant begins with. Returns how many."""
        images = [(path.partition("/")[0], data) for path, data in labelled(spec, per_class)]
        images = [(label, data) for label, data in images if label in classes]
        keys = self._labels.images.put_many(data for _, data in images)
        said = [Label(image, label, _PERSON, "import") for (label, _), image in zip(images, keys, strict=True)]
        return self._labels.add(said, new_classes=set(classes)).added

    def choose_golden(self, spec: PlantSpec, per_class: int, classes: Collection[str] = CLASSES) -> int:
        """Freeze a golden set of images that are nowhere else in the plant. Returns how many."""
        images = [
            (path.partition("/")[0], data) for path, data in labelled(replace(spec, seed=spec.seed + 1), per_class)
        ]
        images = [(label, data) for label, data in images if label in classes]
        keys = self._labels.images.put_many(data for _, data in images)
        chosen = pl.DataFrame({"image": list(keys), "label": [label for label, _ in images]})
        return self._labels.freeze(chosen, who=_PERSON, reason="chosen with care").frame.height

    def looked_at(self) -> pl.DataFrame:
        """The images of the archive that have a label."""
        return self._labels.references()

    def review(self, queue: pl.DataFrame) -> int:
        """Label the images of a review queue (object_key, member, ordinal, line, date, coil). Returns how many."""
        rows = {(row["object_key"], row["member"], row["ordinal"]): row for row in queue.to_dicts()}
        said = []
        for place, data in fetch_images(self._archive, [Reference(*key) for key in rows], self._limits):
            label = self._truth.get((place.key, place.member))
            if isinstance(data, Failure) or label is None:
                continue
            row = rows[place.key, place.member, place.ordinal]
            where = {name: row[name] for name in ("object_key", "member", "ordinal", "line", "date", "coil")}
            said.append(Label(self._labels.images.put(data), label, _PERSON, "review", **where))
        return self._labels.add(said, new_classes=CLASSES).added

    def accuracy(self, reader: ReportReader, date: dt.date, line: str | None = None) -> float:
        """Share of the readable images of a night whose label is the truth."""
        rows = reader.images([date], None if line is None else [line]).filter(pl.col("status") == "ok")
        right = [
            self._truth.get((key, member)) == label
            for key, member, label in rows.select("object_key", "member", "label").collect().iter_rows()
        ]
        return float(sum(right) / max(1, len(right)))


def make_archive(spec: PlantSpec, folder: Path, tell: Callable[[int], None]) -> int:
    """Photograph the whole plant into a folder, on all cores, a night of a line at a time. Returns the objects."""
    parts = [replace(spec, lines=(line,), start=date, nights=1) for date in spec.dates for line in spec.lines]
    made = 0
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for count in pool.map(partial(_photograph, folder=folder), parts):
            made += count
            tell(count)
    return made


def _photograph(part: PlantSpec, folder: Path) -> int:
    count = 0
    for key, data in objects(part):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        count += 1
    return count


def first_model(settings: Settings, spec: PlantSpec, person: Person, tell: Tell) -> str:
    """Train on the labels that the plant begins with, and promote. Returns the version.

    It takes the way of every later model, from which only the champion to compare with is missing.
    """
    known = [name for name, weight in KNOWN.items() if weight]
    person.begin(spec, _PER_CLASS, known)
    person.choose_golden(spec, _GOLDEN, known)
    result = retrain(settings, trigger="manual", reason="the first model", who=_PERSON, tell=tell)
    if result.challenger is None:
        raise TrainingError(f"no first model: {result.text}")
    return result.challenger


def simulate(settings: Settings, alone: Settings, spec: PlantSpec, person: Person, tell: Tell) -> Iterator[Entry]:
    """Live through the nights of ``spec``, one entry each. The archive is there, and both settings name a first model.

    Args:
        settings: of the plant whose loop is closed.
        alone: of the same plant, with the model of the first night for good; its reports go elsewhere.
    """
    reader, other = (ReportReader(open_store(one.report.uri, one.store, create=True)) for one in (settings, alone))
    for number, date in enumerate(spec.dates, 1):
        tell(f"night of {date}")
        result = inspect_night(settings, date)
        inspect_night(alone, date)
        drift = result.drift
        count, retraining = 0, None
        if drift is not None and drift.verdict == "alarm":
            tell(f"{date}: a person labels what the queue shows")
            lines = [one.line for one in drift.lines if one.line and one.verdict == "alarm"]
            count = person.review(queue(reader, person.looked_at(), _REVIEWED, dates=[date], lines=lines))
            retraining = retrain(
                settings,
                trigger="drift",
                reason=drift.reasons[0],
                who=_PERSON,
                key=f"drift:{result.model}:{date}",
                tell=lambda text, date=date: tell(f"{date}: {text}"),  # type: ignore[misc]
            )
        yield Entry(
            date,
            tuple(event.what for event in EVENTS if event.night == number),
            result.found,
            result.model,
            "none" if drift is None else drift.verdict,
            () if drift is None else drift.reasons,
            person.accuracy(reader, date),
            person.accuracy(other, date),
            count,
            retraining,
        )
