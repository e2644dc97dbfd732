"""How well a model of good strip tells defective pictures from good ones: ``python -m steelflow.begin.measure``.

The pictures are in any format of ``training.annotations``, which also finds the pictures that show one piece of steel.
A share of the pieces is held out. The model is fitted on good pictures of the other pieces with a few defective ones
among them, no label is used, and every picture is judged as a whole.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from steelflow.begin.bank import in_chunks
from steelflow.begin.fit import Fitted, fit
from steelflow.begin.plan import STEPS
from steelflow.begin.views import SIDE, Views
from steelflow.images.decode import resize
from steelflow.models.good_strip import Finder
from steelflow.training.annotations import load_annotations

MIXED = 0.03
_HELD_OUT = 0.4  # of the pieces
_FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True)
class Figures:
    """On held-out pictures: area under the ROC curve, and the recall where 5 % of the good ones alarm, by class too.
    ``alarms`` and ``found`` are the shares of good and defective pictures above the model's own threshold."""

    seed: int
    fitted: int
    defective: int  # of those that were fitted on
    good: int
    defects: int
    auc: float
    recall: float
    by_class: Mapping[str, float]
    alarms: float
    found: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """All pictures, uint8 (N, S, S), with class and piece of each: lookalikes show one piece."""

    pictures: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.str_]
    pieces: npt.NDArray[np.str_]


def read(root: Path, good: str = "free") -> Labelled:
    """Read the pictures; ``good`` is the class of the good ones.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    data = load_annotations(root, good=(good,))
    return Labelled(
        np.stack([resize(data.read(item)[0], SIDE) for item in data.items]),
        np.array([item.label for item in data.items]),
        np.array([item.group for item in data.items]),
    )


def split(data: Labelled, good: str, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pictures to fit on (the share ``MIXED`` is defective), and pictures to judge, of pieces that no fit has seen."""
    rng = np.random.default_rng(seed)
    pieces = np.unique(data.pieces)
    held = np.isin(data.pieces, rng.permutation(pieces)[: round(_HELD_OUT * len(pieces))])
    is_good = data.classes == good
    clean = np.flatnonzero(~held & is_good)
    mixed = rng.permutation(np.flatnonzero(~held & ~is_good))[: round(len(clean) * MIXED / (1 - MIXED))]
    fitted = np.concatenate([clean, mixed])
    return fitted, np.flatnonzero(~np.isin(data.pieces, data.pieces[fitted]))


def measured(
    data: Labelled,
    good: str,
    seed: int,
    files: Sequence[Path | None] = (None,),
    steps: int = STEPS,
    kept: Path | None = None,
) -> list[Figures]:
    """Fit and judge, once for each file of pretrained weights; None is without. The finder is taught once, and never
    if it is in ``kept``, a file of an earlier call with the same arguments; otherwise it is written there."""
    training, test = split(data, good, seed)
    groups = np.unique(data.pieces[training], return_inverse=True)[1].astype(np.intp)
    views = Views(data.pictures[training], groups, None)
    finder, found = _read_finder(kept), []
    for file in files:
        started = time.perf_counter()
        fitted = fit(views, pretrained=file, false_alarms=_FALSE_ALARMS, steps=steps, seed=seed, finder=finder)
        seconds = time.perf_counter() - started
        finder = fitted.model.finder
        if kept is not None and not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            save_file(finder.state_dict(), kept)
        scores = judge(fitted, data.pictures[test])
        found.append(_figures(seed, data, training, test, good, scores, seconds))
    return found


def _read_finder(kept: Path | None) -> Finder | None:
    if kept is None or not kept.is_file():
        return None
    finder = Finder()
    finder.load_state_dict(load_file(kept))
    return finder.eval().requires_grad_(False)


def _figures(
    seed: int,
    data: Labelled,
    training: npt.NDArray[np.intp],
    test: npt.NDArray[np.intp],
    good: str,
    scores: npt.NDArray[np.float32],
    seconds: float,
) -> Figures:
    classes = data.classes[test]
    is_bad = classes != good
    limit = float(np.quantile(scores[~is_bad], 1 - _FALSE_ALARMS))
    names = sorted(set(classes[is_bad].tolist()))
    return Figures(
        seed=seed,
        fitted=len(training),
        defective=int((data.classes[training] != good).sum()),
        good=int((~is_bad).sum()),
        defects=int(is_bad.sum()),
        auc=round(auc(scores, is_bad), 4),
        recall=round(float((scores[is_bad] > limit).mean()), 4),
        by_class={name: round(float((scores[classes == name] > limit).mean()), 3) for name in names},
        alarms=round(float((scores[~is_bad] > 0).mean()), 4),
        found=round(float((scores[is_bad] > 0).mean()), 4),
        seconds=round(seconds, 1),
    )


@torch.no_grad()
def judge(fitted: Fitted, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The logit of a defect for each picture, (N,): 0 is the operating point."""
    found = [fitted.model(part)[0][:, 1] for part in in_chunks(torch.from_numpy(pictures)[:, None])]
    return np.asarray(torch.cat(found).numpy(), np.float32)


def auc(scores: npt.NDArray[np.float32], positive: npt.NDArray[np.bool_]) -> float:
    """The share of pairs of a positive and another in which the positive has the higher score; ties count half."""
    others = np.sort(scores[~positive])
    below = np.searchsorted(others, scores[positive], "left") + np.searchsorted(others, scores[positive], "right")
    return float(below.mean() / 2 / len(others))


def summary(figures: Sequence[Figures]) -> dict[str, Any]:
    """The means over the seeds, and the figures of each."""
    names = ("auc", "recall", "alarms", "found")
    means = {name: round(float(np.mean([getattr(one, name) for one in figures])), 4) for name in names}
    classes = figures[0].by_class
    by_class = {name: round(float(np.mean([one.by_class[name] for one in figures])), 3) for name in classes}
    return means | {"by_class": by_class, "runs": [asdict(one) for one in figures]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure with and without pretrained weights, and write the result with its provenance."""
    from steelflow.selection.provenance import provenance, write_result

    parser = argparse.ArgumentParser(prog="python -m steelflow.begin.measure", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with a folder per class")
    parser.add_argument("result", type=Path, help="JSON file")
    parser.add_argument("--good", default="free", help="the class of good pictures")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--pretrained", type=Path)
    parser.add_argument("--runs", type=Path, help="folder that keeps each seed's finder, to continue from")
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args(arguments)
    data = read(given.data, given.good)
    weights = ["--pretrained", f"…/{given.pretrained.name}"] if given.pretrained else []
    told = [f"…/{given.data.name}", f"…/{given.result.name}", "--seeds", given.seeds, "--steps", str(given.steps)]
    result = provenance("python -m steelflow.begin.measure " + shlex.join(told + weights))
    files = {"without a download": None} | ({"pretrained": given.pretrained} if given.pretrained else {})
    runs: dict[str, list[Figures]] = {name: [] for name in files}
    for seed in (int(one) for one in given.seeds.split(",")):
        kept = given.runs / f"finder-{seed}-{given.steps}.safetensors" if given.runs else None
        found = measured(data, given.good, seed, list(files.values()), given.steps, kept)
        for name, figures in zip(files, found, strict=True):
            runs[name].append(figures)
            sys.stderr.write(f"{name}, seed {seed}: AUC {figures.auc:.4f}, recall {figures.recall:.3f}\n")
    result |= {"split": "lookalikes kept together"}
    write_result(given.result, result | {name: summary(figures) for name, figures in runs.items()})


if __name__ == "__main__":
    main()
