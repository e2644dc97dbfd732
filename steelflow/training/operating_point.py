"""What an operating point buys: false alarms on good pictures against defects found, by class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelflow.engine import Engine
from steelflow.errors import ConfigError, DataError
from steelflow.frames.views import cut, grid, padded
from steelflow.images.decode import Grey, resize
from steelflow.models.decision import defect_scores
from steelflow.models.spec import ModelSpec
from steelflow.training.annotations import Annotations
from steelflow.training.metrics import auc
from steelflow.training.strip.figures import crossed_thresholds, threshold_for
from steelflow.training.strip.judge import OVERLAP

_TOGETHER = 64  # views
_PER_LENGTH = re.compile(r"\s*(\d+(?:\.\d*)?)\s*/\s*100\s*m\s*")
_SHARE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """Pictures as a model judges them: by their worst view. N pictures, C classes, V views of good pictures."""

    labels: npt.NDArray[np.int64]  # (N,), index into the spec's classes
    scores: Floats  # (N,): 1 − Σ p(good)
    probabilities: Floats  # (N, C)
    good_views: Floats  # (V,): 1 − Σ p(good)
    views_of: npt.NDArray[np.intp]  # (V,): the picture of each of these views
    groups: tuple[str, ...]  # of the pictures


@dataclass(frozen=True, slots=True)
class AtPoint:
    """The figures at an operating point. ``found`` has, by defect class, the pictures found and all of them. If
    ``crossed``, they are at points that were fitted on other groups of the pictures."""

    operating_point: float
    good_pictures: int
    good_alarms: int
    good_views: int
    good_view_alarms: int
    found: dict[str, tuple[int, int]]
    auc: float | None
    crossed: bool = False

    @property
    def recall(self) -> float | None:
        """Of all defect pictures; None if there are none."""
        of = sum(all_of for _, all_of in self.found.values())
        return sum(found for found, _ in self.found.values()) / of if of else None

    def to_dict(self) -> dict[str, Any]:
        by_class = {name: {"found": found, "of": of} for name, (found, of) in self.found.items()}
        return {**asdict(self), "found": by_class, "recall": self.recall}


def scored(data: Annotations, indices: Iterable[int], engine: Engine) -> Scored:
    """Judge the pictures ``indices`` but the doubtful ones with ``engine``; a batch of views is in memory at a time.

    Raises:
        DataError: a picture has a class that the model does not know, or can no longer be read.
    """
    spec = engine.spec
    names = {name.casefold(): number for number, name in enumerate(spec.classes)}
    labels, scores, probabilities, good_views, views_of, groups = [], [], [], [], [], []
    for index in indices:
        item = data.items[index]
        if item.doubtful(data.good):
            continue
        label = names.get((spec.good[0] if item.label in data.good and spec.good else item.label).casefold())
        if label is None:
            raise DataError(
                f"{data.root / item.path}: its class {item.label} is unknown to {spec.name}, which has "
                f"{', '.join(spec.classes)}; name the good classes with --good, or train a model on this data"
            )
        found = _of_views(data.read(item)[0], engine)
        of_views = defect_scores(found, spec)
        worst = int(of_views.argmax())
        labels.append(label)
        scores.append(of_views[worst])
        probabilities.append(found[worst])
        groups.append(item.group)
        if item.label in data.good:
            good_views.append(of_views)
            views_of += [len(labels) - 1] * len(of_views)
    return Scored(
        np.array(labels, np.int64),
        np.array(scores, np.float32),
        np.array(probabilities, np.float32).reshape(-1, len(spec.classes)),
        np.concatenate([np.empty(0, np.float32), *good_views]),
        np.array(views_of, np.intp),
        tuple(groups),
    )


def _of_views(picture: Grey, engine: Engine) -> Floats:
    """Probabilities (V, C) of the views of a picture; of a model of whole pictures, (1, C)."""
    spec, size = engine.spec, engine.spec.input_size
    if spec.view is None:
        return engine.run(resize(picture, size)[None, None]).probabilities
    whole, side = padded(picture, spec.view), spec.view
    height, width = picture.shape
    places = grid(height, width, side, OVERLAP)
    parts = []
    for start in range(0, len(places), _TOGETHER):
        some = places[start : start + _TOGETHER]
        views = np.empty((len(some), 1, size, size), np.uint8)
        for view, (top, left) in zip(views, some, strict=True):
            cut(whole, top, left, side, view[0])
        parts.append(engine.run(views).probabilities)
    return np.concatenate(parts)


def point_for(judged: Scored, share: float) -> float:
    """The lowest point above which at most ``share`` of the good views lie. Raises ``DataError`` without good views."""
    if not len(judged.good_views):
        raise DataError("the data has no good pictures; add some, or name the good classes with --good")
    return threshold_for(judged.good_views, share)


def at_point(judged: Scored, spec: ModelSpec, point: float, share: float | None = None) -> AtPoint:
    """The figures of these pictures; one alarms if its worst view is above ``point``.

    Args:
        share: the point was fitted on these pictures for this share of good views. Each picture is then judged at the
            point that the half of the groups without it gives, because figures on what chose the point are too good.
    """
    crossed = None if share is None else crossed_thresholds(judged.good_views, judged.views_of, judged.groups, share)
    limits = np.full(len(judged.scores), point) if crossed is None else crossed
    good = np.isin(judged.labels, [spec.classes.index(name) for name in spec.good])
    above = judged.scores > limits.astype(np.float32)
    found = {}
    for number, name in enumerate(spec.classes):
        of = judged.labels == number
        if name not in spec.good and of.any():
            found[name] = (int((above & of).sum()), int(of.sum()))
    return AtPoint(
        operating_point=point,
        good_pictures=int(good.sum()),
        good_alarms=int((above & good).sum()),
        good_views=len(judged.good_views),
        good_view_alarms=int((judged.good_views > limits[judged.views_of].astype(np.float32)).sum()),
        found=found,
        auc=auc(~good, judged.scores) if good.any() and (~good).any() else None,
        crossed=crossed is not None,
    )


def false_alarm_share(
    asked: float | str, data: Annotations, indices: Sequence[int], view: int, mm_per_pixel: float | None
) -> float:
    """The share of good views that may be false alarms.

    Args:
        asked: a share (0.005), a percentage (``0.5%``), or false alarms in 100 m of strip (``2/100m``), which needs
            ``mm_per_pixel`` along the strip. It is converted by the views of the good pictures among ``indices``, as if
            each were a frame whose height runs along the strip.

    Raises:
        ConfigError: it is none of these, not from 0 to below 1, or lacks the scale.
    """
    text = str(asked)
    if match := _PER_LENGTH.fullmatch(text):
        if mm_per_pixel is None or not mm_per_pixel > 0:
            raise ConfigError(f"false alarms {text!r} need the scale: give the millimetres per pixel")
        sizes = [data.items[i].size for i in indices if data.items[i].label in data.good]
        if not sizes:
            raise DataError(f"{data.root}: has no good pictures; false alarms per length are converted with them")
        views = sum(len(grid(height, width, view, OVERLAP)) for height, width in sizes)
        metres = sum(height for height, _ in sizes) * mm_per_pixel / 1000
        share = float(match[1]) * metres / 100 / views
    elif match := _SHARE.fullmatch(text):
        share = float(match[1]) / (100 if match[2] else 1)
    else:
        raise ConfigError(f"false alarms {text!r}: give a share of views such as 0.5%, or alarms per length as 2/100m")
    if not 0 <= share < 1:
        raise ConfigError(f"false alarms {text!r} are a share of {share:g}; it must be from 0 to below 1, such as 0.5%")
    return share
