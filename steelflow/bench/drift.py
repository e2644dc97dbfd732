"""False alarms and detection power of the drift check on real images: hundreds of nights, with and without drift.

The engine classifies every image and every disturbed copy once. Nights are drawn from these rows with replacement and
go through the real drift check. No image is in both a reference and a night:

- *held-out half*: one half of the held-out images is the reference, the other half gives the nights. The images are
  divided by class, again for every line and season. This is the hardest case: the reference has 144 pictures.
- *training images*: the training images are the reference. People will often do this, although the model knows these
  images best.
- *five classes*: each model was trained without one class. Its training images are the reference; its held-out images
  give the nights. For the power, images of the sixth class are added.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.config import DriftSettings, LimitSettings
from steelflow.drift.check import judge_nights
from steelflow.drift.compare import LineReference
from steelflow.drift.sample import Sample, readable
from steelflow.drift.signals import SIGNALS
from steelflow.drift.verdict import NightVerdict
from steelflow.engine import Engine, open_engine
from steelflow.errors import DataError
from steelflow.images.decode import decode
from steelflow.inspection.judge import judge
from steelflow.models import architecture
from steelflow.models.shipped import SELECTED, resolve
from steelflow.records import Failure, Partition, RawImage, Unit
from steelflow.report.judged import Origin, rows
from steelflow.training.data import Dataset, load_images, split
from steelflow.training.robustness import CONDITIONS

SIZES = (500, 2_000, 10_000)
LINES = ("L1", "L2", "L3")
DISTURBANCES = ("luminance -40 %", "luminance +40 %", "uneven light 0.4", "noise 20 dB", "motion blur 5")
UNSEEN = 0.1
_SEASON = 12  # consecutive nights with one reference
_SEASONS = 5  # references per drift; the trials are divided among them
_BATCH = 64
_EPOCHS = 70
_FOLD_EPOCHS = 160  # as the shipped model

Say = Callable[[str], None]
Night = Callable[[int], pl.DataFrame]
Indices = npt.NDArray[np.int64]
Encoded = list[tuple[str, bytes]]
Season = tuple[LineReference, Night]
Sides = tuple[LineReference, Indices]  # the reference, and the images for the nights


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of a report, one per image, and the true classes (N,)."""

    rows: pl.DataFrame
    labels: Indices

    def take(self, part: Indices) -> Judged:
        return Judged(self.rows[part.tolist()], self.labels[part])


def run_drift_bench(
    data: Path, models: Path | None, settings: DriftSettings, nights: int, trials: int, say: Say = lambda _: None
) -> dict[str, Any]:
    """Run the benchmark; ``table`` formats the result.

    Args:
        data: a folder with one folder per class: the images that the shipped model was trained on.
        models: folder for a model trained without the held-out images, and models trained without one class; existing
            models are used. None: skip the unseen classes, and take the shipped model, which knows all images.
        nights: nights without drift, for each reference and number of images.
        trials: pairs of nights for each drift, reference and number of images.

    Raises:
        DataError: ``data`` is not such a folder.
    """
    bench = _Bench(settings, nights, trials, np.random.default_rng(0), say)
    clock = time.perf_counter()
    images = load_images(data, architecture(SELECTED).input_size)
    training, held_out = split(images)
    engine = open_engine(resolve(SELECTED) if models is None else _fold(images, models, say), "onnxruntime")
    say("classifying the images")
    pictures = _read(data, images, held_out)
    unseen = Judged(_rows(engine, pictures), images.labels[held_out])
    known = Judged(_rows(engine, _read(data, images, training)), images.labels[training])
    drifts = _drifts(engine, pictures, unseen, images.classes)
    reference = LineReference(known.rows)

    def halved() -> Sides:
        before, after = _halves(unseen.labels, bench.rng)
        return LineReference(unseen.take(before).rows), after

    def trained() -> Sides:
        return reference, np.arange(len(unseen.labels))

    false: dict[str, Any] = {}
    power: dict[str, Any] = {}
    for name, sides in {"held-out half": halved, "training images": trained}.items():
        false[name] = bench.false_alarms(name, lambda s=sides: _season(s(), unseen, bench.rng))  # type: ignore[misc]
        for drift, night in drifts.items():
            power.setdefault(drift, {})[name] = bench.power(drift, sides, night)
    if models is not None:
        false["five classes"], found = _unseen_classes(bench, data, images, models)
        power |= found
    return {
        "false_alarms": false,
        "power": power,
        "lines": len(LINES),
        "seconds": round(time.perf_counter() - clock, 1),
    }


def _drifts(
    engine: Engine, pictures: Encoded, unseen: Judged, classes: tuple[str, ...]
) -> dict[str, Callable[[Indices, np.random.Generator], Night]]:
    """The kinds of drift by name: every disturbance, and every class tripled."""
    drifts: dict[str, Callable[[Indices, np.random.Generator], Night]] = {}
    for name in DISTURBANCES:
        disturbed = Judged(_rows(engine, _disturbed(pictures, name)), unseen.labels)
        drifts[name] = lambda part, rng, d=disturbed: _drawn(d.take(part), rng)  # type: ignore[misc]  # defaults bind the loop
    for label, name in enumerate(classes):
        drifts[f"{name} tripled"] = lambda part, rng, c=label: _drawn(unseen.take(part), rng, c)  # type: ignore[misc]  # as above
    return drifts


def _unseen_classes(bench: _Bench, data: Path, images: Dataset, models: Path) -> tuple[Any, dict[str, Any]]:
    """False alarms of models trained without one class, and the power to detect that class."""
    seasons: list[Season] = []
    power = {}
    for label, name in enumerate(images.classes):
        before, after, new = _without(data, images, label, models, bench.say)
        own = LineReference(before.rows), np.arange(len(after.labels))
        seasons.append(_season(own, after, bench.rng))
        power[f"{name} unseen, {UNSEEN:.0%}"] = {
            "five classes": bench.power(
                f"{name} unseen",
                lambda o=own: o,  # type: ignore[misc]
                lambda _, rng, a=after, n=new: _mixed(a, n, rng),  # type: ignore[misc]
            )
        }
    turns = cycle(seasons)
    return bench.false_alarms("five classes", lambda: next(turns)), power


@dataclass(frozen=True, slots=True)
class _Bench:
    settings: DriftSettings
    nights: int
    trials: int
    rng: np.random.Generator
    say: Say

    def false_alarms(self, name: str, season: Callable[[], Season]) -> dict[str, Any]:
        """Seasons of three lines without drift, by images per line: nights by verdict, and the largest share of its
        threshold that each signal reached."""
        found: dict[str, Any] = {}
        for size in SIZES:
            self.say(f"{name}: nights of {size:,} images without drift")
            counts: Counter[str] = Counter()
            nearest: dict[str, float] = {}
            while counts.total() < self.nights:
                lines: dict[str | None, Season] = {line: season() for line in LINES}
                for verdict in self._season(lines, size, _SEASON):
                    counts[verdict.verdict] += 1
                    for one in verdict.signals:
                        nearest[one.signal] = max(nearest.get(one.signal, 0.0), round(one.share, 2))
            verdicts = {"nights": counts.total(), "warn": counts["warn"], "alarm": counts["alarm"]}
            found[str(size)] = {**verdicts, "nearest": nearest}
        return found

    def power(
        self, name: str, sides: Callable[[], Sides], night: Callable[[Indices, np.random.Generator], Night]
    ) -> dict[str, Any]:
        """Pairs of nights with drift on one line, by images: the shares with an alarm within two nights and at once."""
        found = {}
        for size in SIZES[:2]:
            self.say(f"{name}: nights of {size:,} images")
            at_once = within_two = done = 0
            while done < self.trials:
                reference, part = sides()
                for _ in range(max(1, self.trials // _SEASONS)):
                    drifting = self._season({"L2": (reference, night(part, self.rng))}, size, 2)
                    alarms = [one.verdict == "alarm" for one in drifting]
                    at_once, within_two, done = at_once + alarms[0], within_two + any(alarms), done + 1
            found[str(size)] = {"trials": done, "within_two": within_two / done, "at_once": at_once / done}
        return found

    def _season(self, lines: Mapping[str | None, Season], size: int, nights: int) -> Iterator[NightVerdict]:
        drawn = (
            (
                dt.date(2026, 1, 1) + dt.timedelta(number),
                {line: Sample(night(size), size) for line, (_, night) in lines.items()},
            )
            for number in range(nights)
        )
        return judge_nights(drawn, lambda line, _: lines[line][0], "", self.settings)


def _season(sides: Sides, pool: Judged, rng: np.random.Generator) -> Season:
    reference, part = sides
    return reference, _drawn(pool.take(part), rng)


def _drawn(pool: Judged, rng: np.random.Generator, tripled: int | None = None) -> Night:
    """Draw nights with replacement. The class ``tripled`` is three times as frequent."""
    weights = np.where(pool.labels == tripled, 3.0, 1.0)
    return lambda size: pool.rows[rng.choice(len(pool.labels), size, p=weights / weights.sum()).tolist()]


def _mixed(pool: Judged, new: Judged, rng: np.random.Generator) -> Night:
    def night(size: int) -> pl.DataFrame:
        strange = rng.binomial(size, UNSEEN)
        return pl.concat([_drawn(pool, rng)(size - strange), _drawn(new, rng)(strange)])

    return night


def _halves(labels: Indices, rng: np.random.Generator) -> tuple[Indices, Indices]:
    order = rng.permutation(len(labels))
    place = np.empty(len(labels), int)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = np.arange(len(members))
    return np.flatnonzero(place % 2 == 0), np.flatnonzero(place % 2 == 1)


def _without(data: Path, images: Dataset, label: int, models: Path, say: Say) -> tuple[Judged, Judged, Judged]:
    """Train a model without a class. Returns its results on its training images, on the held-out images of its classes,
    and on the missing class."""
    kept = images.labels != label
    fewer = dataclasses.replace(
        images,
        classes=tuple(name for name in images.classes if name != images.classes[label]),
        images=images.images[kept],
        labels=np.where(images.labels > label, images.labels - 1, images.labels)[kept],
        paths=tuple(path for path, keep in zip(images.paths, kept, strict=True) if keep),
        digests=tuple(digest for digest, keep in zip(images.digests, kept, strict=True) if keep),
    )
    training, held_out = split(fewer)
    path = models / f"without-{images.classes[label]}.onnx"
    if not path.is_file():
        say(f"training a model without class {images.classes[label]}")
        _train(fewer, training, held_out, path)
    engine = open_engine(path, "onnxruntime")
    before, after = (Judged(_rows(engine, _read(data, fewer, p)), fewer.labels[p]) for p in (training, held_out))
    strange = np.flatnonzero(~kept)
    return before, after, Judged(_rows(engine, _read(data, images, strange)), images.labels[strange])


def _fold(images: Dataset, models: Path, say: Say) -> Path:
    """Train a model without the held-out images, with the recipe of the shipped model."""
    path = models / "all-classes.onnx"
    if not path.is_file():
        say("training a model without the held-out images")
        _train(images, *split(images), path, epochs=_FOLD_EPOCHS)
    return path


def _train(data: Dataset, training: Indices, held_out: Indices, path: Path, epochs: int = _EPOCHS) -> None:
    from steelflow.training.export import export_onnx  # imported here: torch loads slowly and may not be needed
    from steelflow.training.recipe import Recipe
    from steelflow.training.trained import train_in_memory

    trained = train_in_memory(data, SELECTED, Recipe(epochs=epochs), 0, parts=(training, held_out))
    path.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(trained.model, trained.spec, path, data.images[held_out][:_BATCH, None], trained.novelty)


def _read(data: Path, images: Dataset, part: Indices) -> Encoded:
    return [(images.paths[i], (data / images.paths[i]).read_bytes()) for i in part]


def _disturbed(pictures: Encoded, condition: str) -> Encoded:
    rng = np.random.default_rng(0)
    found = []
    for name, content in pictures:
        picture = decode(content, LimitSettings())
        if isinstance(picture, Failure):
            raise DataError(f"{name}: {picture}; the benchmark needs readable images")
        changed = CONDITIONS[condition](picture[None], rng)[0]
        found.append((name, cv2.imencode(".png", changed)[1].tobytes()))
    return found


def _rows(engine: Engine, pictures: Encoded) -> pl.DataFrame:
    """Rows as in a report, with the columns ``sample.COLUMNS``."""
    unit = Unit("", Partition(None, None), "loose", ())
    origin = Origin(unit, engine.spec, engine.digest, "", engine.novelty)
    frames: list[pl.DataFrame] = []
    for start in range(0, len(pictures), _BATCH):
        batch = [RawImage(name, None, 0, content) for name, content in pictures[start : start + _BATCH]]
        frames.append(readable(pl.DataFrame(rows(judge(batch, engine, LimitSettings()), origin))))
    return pl.concat(frames)


def table(result: dict[str, Any]) -> str:
    """The result as a table for people."""
    lines = [
        "| no drift, reference | images per line | nights | with a warning | with an alarm | nearest to threshold |"
    ]
    lines.append("|---|---:|---:|---:|---:|---|")
    for name, sizes in result["false_alarms"].items():
        for size, found in sizes.items():
            signal, share = max(found["nearest"].items(), key=lambda item: item[1])
            lines.append(
                f"| {name} | {int(size):,} | {found['nights']} | {found['warn']} | {found['alarm']} "
                f"| {signal} {share:.2f} |"
            )
    lines += ["", *_nearest(result["false_alarms"])]
    lines += [
        "",
        "| drift on one line | reference | images | alarm on the first night | within two |",
        "|---|---|---:|---:|---:|",
    ]
    for drift, references in result["power"].items():
        for name, sizes in references.items():
            for size, found in sizes.items():
                lines.append(
                    f"| {drift} | {name} | {int(size):,} | {found['at_once']:.1%} | {found['within_two']:.1%} |"
                )
    return "\n".join(lines)


def _nearest(false_alarms: dict[str, Any]) -> list[str]:
    """The largest share of its threshold that each signal reached without drift, by reference, over all sizes."""
    lines = [f"| no drift: largest share of the threshold | {' | '.join(false_alarms)} |"]
    lines.append("|---|" + "---:|" * len(false_alarms))
    for signal in SIGNALS:
        shares = [
            max((night["nearest"].get(signal, 0.0) for night in sizes.values()), default=0.0)
            for sizes in false_alarms.values()
        ]
        lines.append(f"| {signal} | {' | '.join(f'{share:.2f}' for share in shares)} |")
    return lines
