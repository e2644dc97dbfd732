"""A second reader: a share of the labelled images, and of the labelled regions of frames, is labelled again by another
person, who does not see the first label.

Which images these are follows from their bytes, so it is the same share of every class and every person. All labelled
regions of such a frame come again. Boxes that a person drew do not come again, because the box shows that there is a
defect. Frames that were called good as a whole do not come again either.

The label of the second reader has the source ``second`` and counts like any other label: the last one of an image does.

Agreement is the share of these images with the same label, and Cohen's kappa: the agreement beyond what chance would
give to two people with the same shares of classes. Cohen (1960), "A coefficient of agreement for nominal scales".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from steelflow.labels.boxes import BOX, Verdict
from steelflow.labels.classes import Classes

SECOND = "second"
"""The source of a second reader's label."""
UNDONE = "undone"
"""How the note of a label begins that undoes another one. It says nothing of the image."""

_FIRST = "review"
_SPAN = float(2**64)
_OF = ["image", *BOX]
_REGION: tuple[Verdict, ...] = ("confirmed", "relabelled", "good")  # what is said of a region of the model
_IS_UNDONE = pl.col("note").fill_null("").str.starts_with(UNDONE)
_IS_READ = pl.when(pl.col("x").is_null()).then(pl.col("verdict").is_null()).otherwise(pl.col("verdict").is_in(_REGION))


@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Two readers on one class: ``images``, or regions, that at least one of them gave it. ``agreement`` is twice those
    that both gave it, over the labels of both (the specific agreement, from 0 to 1). ``kappa`` is that of this class
    against all others; None if it is not defined."""

    images: int
    agreement: float
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two readers on ``images`` images and regions: the share with the same label, and Cohen's kappa. None if there
    are none; kappa also if both readers gave all images one class."""

    images: int = 0
    same: int = 0
    agreement: float | None = None
    kappa: float | None = None
    classes: dict[str, ClassAgreement] = field(default_factory=dict)


def is_read_twice(image: str, share: float) -> bool:
    """Whether an image, by its SHA-256 in hex, is one of the ``share`` that a second person labels."""
    return int(image[-16:], 16) < share * _SPAN


def due(history: pl.DataFrame, share: float, who: str) -> pl.DataFrame:
    """The labels that ``who`` should give a second time, oldest first: the last label of each image of the archive, and
    of each region of it, that one other person has labelled in review.

    Args:
        history: all labels, as ``LabelStore.history`` returns them.
    """
    last = _last_words(history).filter(pl.col("object_key").is_not_null())
    alone = last.filter(pl.len().over(_OF) == 1, pl.col("who") != who)
    open_ = alone.filter(pl.col("source") == _FIRST, pl.col("label").is_not_null())
    chosen = [is_read_twice(image, share) for image in open_["image"]]
    return open_.filter(pl.Series(chosen, dtype=pl.Boolean)).sort("at", maintain_order=True)


def pairs(history: pl.DataFrame, meaning: Classes) -> pl.DataFrame:
    """``image``, ``first`` and ``second``, a row for each image or region: the label of the first reader when the
    second one gave hers, by today's names. A second label that its reader has withdrawn or changed does not count."""
    said = meaning.today(history).with_row_index("order")
    seconds = _last_words(said).filter(pl.col("source") == SECOND, pl.col("label").is_not_null())
    both = seconds.select(*_OF, "order", "who", second="label").join(
        _said(said).select(*_OF, before="order", other="who", first="label"), on=_OF, how="inner", nulls_equal=True
    )
    both = both.filter(pl.col("before") < pl.col("order"), pl.col("other") != pl.col("who")).sort("before")
    both = both.unique([*_OF, "order"], keep="last").filter(pl.col("first").is_not_null())
    return both.sort("order").unique(_OF, keep="last", maintain_order=True).select("image", "first", "second")


def agreement(found: pl.DataFrame) -> Agreement:
    """The agreement of the two readers of ``pairs``."""
    if found.is_empty():
        return Agreement()
    first, second = found["first"].to_numpy(), found["second"].to_numpy()
    names = sorted({*first, *second})
    same = int((first == second).sum())
    classes = {}
    for name in names:
        one, two = first == name, second == name
        classes[name] = ClassAgreement(
            images=int((one | two).sum()),
            agreement=float(2 * (one & two).sum() / (one.sum() + two.sum())),
            kappa=_kappa(float(np.mean(one == two)), _by_chance(one, two)),
        )
    by_chance = float(sum(np.mean(first == name) * np.mean(second == name) for name in names))
    observed = same / found.height
    return Agreement(found.height, same, observed, _kappa(observed, by_chance), classes)


def _kappa(observed: float, by_chance: float) -> float | None:
    return None if by_chance > 1 - 1e-12 else (observed - by_chance) / (1 - by_chance)


def _by_chance(one: npt.NDArray[np.bool_], two: npt.NDArray[np.bool_]) -> float:
    """How often two readers with these shares of yes agree by chance."""
    yes, also = float(np.mean(one)), float(np.mean(two))
    return yes * also + (1 - yes) * (1 - also)


def _said(history: pl.DataFrame) -> pl.DataFrame:
    """The labels that say something and can be asked for again."""
    return history.filter(_IS_READ, ~_IS_UNDONE)


def _last_words(history: pl.DataFrame) -> pl.DataFrame:
    """The last label of every person for every image and region, without those that were undone."""
    return _said(history.unique([*_OF, "who"], keep="last", maintain_order=True))
