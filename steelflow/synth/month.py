"""Simulate a month of a synthetic plant twice: with retraining, and with the first model only.

The truth is known, so the accuracy of each night is known. The plant changes: the lamps of L2 age and are replaced, the
rolls of L3 shake its camera, L1 rolls another grade, and late in the month a new, unknown defect appears.

On the morning after an alarm, a person labels the first images of the review queue. Then the model is retrained, as in
a real plant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from steelflow.config import ArchiveSettings, ReportSettings, RetrainSettings, Settings
from steelflow.errors import TrainingError
from steelflow.inspection.runtime import prepare
from steelflow.labels.review import queue
from steelflow.night.run import NightResult, inspect_night
from steelflow.report.reader import ReportReader
from steelflow.report.record import NightDrift
from steelflow.retrain import RetrainResult, retrain
from steelflow.store import open_store
from steelflow.synth.camera import Camera
from steelflow.synth.folders import fresh_folder, write_file
from steelflow.synth.ledger import Entry
from steelflow.synth.person import NAME, Person
from steelflow.synth.plant import TEMPLATE, PlantSpec, objects
from steelflow.synth.textures import CLASSES

NEW_CLASS = "crazing"
_PER_CLASS = 120
_GOLDEN = 60  # per class
_IMAGES = 55  # per coil
_REVIEWED = 150  # images labelled on the morning after an alarm
_MARK = "simulation.txt"
_START = dt.date(2026, 11, 1)
_LINES = ("L1", "L2", "L3")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a line from a night on (counted from 1)."""

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


def month(nights: int = 30, coils: int = 10, seed: int = 5) -> PlantSpec:
    """The plant with all its events."""
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
        images=_IMAGES,
        sharded=1.0,
        kinds=("tar",),
        broken=1,
        mix=KNOWN,
        cameras=cameras,
        mixes=mixes,
    )


def make_archive(spec: PlantSpec, folder: Path, tell: Callable[[int], None]) -> int:
    """Write all images of the plant to a folder, on all cores, by line and night. Returns the number of objects."""
    parts = [replace(spec, lines=(line,), start=date, nights=1) for date in spec.dates for line in spec.lines]
    made = 0
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=prepare) as pool:
        for count in pool.map(partial(_photograph, folder=folder), parts):
            made += count
            tell(count)
    return made


def _photograph(part: PlantSpec, folder: Path) -> int:
    count = 0
    for key, data in objects(part):
        write_file(folder / key, data)
        count += 1
    return count


def begin(out: Path) -> None:
    """Empty the folder ``out``. Raises ``ConfigError`` if it is not empty and was not made by a simulation."""
    fresh_folder(out, _MARK, "steelflow simulate", "a simulation")
    (out / _MARK).write_text("Made by `steelflow simulate`, which deletes this folder when it runs again.\n")


def closed_loop(base: Settings, out: Path, epochs: int) -> Settings:
    """Settings of a plant below ``out`` that retrains after every alarm; ``epochs`` is for training from scratch."""
    return base.model_copy(
        update={
            "home": out / "home",
            "archive": ArchiveSettings(uri=str(images_folder(out)), template=TEMPLATE),
            "report": ReportSettings(uri=str(out / "reports")),
            "retrain": RetrainSettings(epochs=epochs, cooldown_hours=0),
        }
    )


def left_alone(closed: Settings, out: Path, first: str) -> Settings:
    """Settings of the same plant, always with version ``first``. Its reports go to another folder."""
    return closed.model_copy(
        update={
            "report": ReportSettings(uri=str(out / "reports-alone")),
            "registry": closed.registry.model_copy(update={"uri": closed.registry_uri}),
            "model": closed.model.model_copy(update={"ref": first}),
        }
    )


def images_folder(out: Path) -> Path:
    return out / "images"


def first_model(settings: Settings, person: Person, tell: Tell) -> str:
    """Train on the first labels of the plant, and promote. Returns the version.

    It is trained like every later model, but there is no champion to compare with.
    """
    known = [name for name, weight in KNOWN.items() if weight]
    person.begin(_PER_CLASS, known)
    person.choose_golden(_GOLDEN, known)
    result = retrain(settings, trigger="manual", reason="the first model", who=NAME, tell=tell)
    if result.challenger is None:
        raise TrainingError(f"no first model: {result.text}")
    return result.challenger


def simulate(settings: Settings, alone: Settings, spec: PlantSpec, person: Person, tell: Tell) -> Iterator[Entry]:
    """Simulate the nights of ``spec``; yields one entry per night. The archive and the first model must exist.

    Args:
        settings: of the plant with retraining (see ``closed_loop``).
        alone: of the same plant with the first model only (see ``left_alone``).
    """
    reader, other = (ReportReader(open_store(one.report.uri, one.store, create=True)) for one in (settings, alone))
    for number, date in enumerate(spec.dates, 1):
        tell(f"night of {date}")
        result = inspect_night(settings, date)
        inspect_night(alone, date)
        drift = result.drift
        labels, retraining = 0, None
        if drift is not None and drift.verdict == "alarm":
            labels, retraining = _morning_after(settings, result, drift, reader, person, tell)
        yield Entry(
            date=date,
            events=tuple(event.what for event in EVENTS if event.night == number),
            images=result.found,
            model=result.model,
            verdict="none" if drift is None else drift.verdict,
            reasons=() if drift is None else drift.reasons,
            accuracy=person.accuracy(reader, date),
            alone=person.accuracy(other, date),
            labels=labels,
            retraining=retraining,
        )


def _morning_after(
    settings: Settings, night: NightResult, drift: NightDrift, reader: ReportReader, person: Person, tell: Tell
) -> tuple[int, RetrainResult]:
    """After an alarm: label, then retrain. Returns the number of labels, and the decision."""
    date = night.date
    tell(f"{date}: a person labels images of the review queue")
    lines = [one.line for one in drift.lines if one.line and one.verdict == "alarm"]
    labels = person.review(queue(reader, person.looked_at(), _REVIEWED, dates=[date], lines=lines))
    retraining = retrain(
        settings,
        trigger="drift",
        reason=drift.reasons[0],
        who=NAME,
        key=f"drift:{night.model}:{date}",
        tell=lambda text: tell(f"{date}: {text}"),
    )
    return labels, retraining
