"""What a retraining learns from, and what it is judged by: the labels of one moment and the golden set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import polars as pl

from steelflow.labels import Golden, Snapshot
from steelflow.registry import Version
from steelflow.retrain.gate import FEWEST
from steelflow.retrain.ready import check_images
from steelflow.retrain.retraining import Retraining
from steelflow.retrain.wanted import LABELS, left_out, too_few, wanted_classes, ways_out

SHIPPED = "shipped"  # stands for the data of the model that comes with steelflow
WHO = "steelflow"
_FEWEST = 5  # labelled training images of a class; a new class with fewer waits for more
FEWEST_GOLDEN = 2  # images of a class in the golden set: the gate takes the loss of a single one for chance


@dataclass(frozen=True, slots=True)
class Material:
    """``snapshot`` has all labels but those of the golden images; ``usable`` is without the classes that have too few
    images or are left out on purpose, and so is ``golden``; ``fresh`` are the rows of ``snapshot`` that came after the
    last retraining."""

    snapshot: Snapshot
    usable: Snapshot
    golden: Golden
    fresh: pl.DataFrame


def gather(run: Retraining, snapshot: Snapshot, fresh: pl.DataFrame) -> Material | str:
    """The material, or why there is too little of it. If there is no golden set, one is chosen here, once; a class that
    has enough labels later is added to it. Until all is checked, nothing is changed.

    Raises:
        LabelError: a labelled image is missing, or no such class is to be left out.
    """
    meaning, golden = run.labels.class_names(), run.labels.golden()
    of_golden = [] if golden is None else sorted(set(golden.frame["label"]))
    wanted = wanted_classes(run, meaning, of_golden, _of_champion(run.champion))
    without = left_out(run, meaning, {*wanted, *snapshot.frame["label"]})
    left = _without(snapshot, without)
    usable = without_rare(left)
    if rare := sorted(set(left.frame["label"]) - set(usable.frame["label"])):
        run.tell(f"too few images yet, left out: {', '.join(rare)}")
        run.details.left_out = tuple(rare)
    wanted = {name: who for name, who in wanted.items() if name not in without}
    if why := _too_few(run, left, usable, golden, wanted):
        return why
    check_images(run.labels, usable.frame["image"])
    golden = _completed(run, usable, golden)
    snapshot = run.labels.snapshot()  # without the images that have become golden
    run.labels.write_snapshot(snapshot)
    run.details.snapshot = snapshot.hash
    return Material(
        snapshot=snapshot,
        usable=without_rare(_without(snapshot, without)),
        golden=replace(golden, frame=golden.frame.filter(~pl.col("label").is_in(sorted(without)))),
        fresh=fresh.join(snapshot.frame.select("image"), on="image", how="semi"),
    )


def _without(snapshot: Snapshot, names: Collection[str]) -> Snapshot:
    return replace(snapshot, frame=snapshot.frame.filter(~pl.col("label").is_in(sorted(names))))


def without_rare(snapshot: Snapshot) -> Snapshot:
    """Without the classes that have too few images for training yet."""
    images = _of_part(snapshot, "training")
    enough = [name for name, count in images.items() if count >= _FEWEST]
    return replace(snapshot, frame=snapshot.frame.filter(pl.col("label").is_in(enough)))


def _of_part(snapshot: Snapshot, part: str) -> dict[str, int]:
    """Images of a part, by class."""
    return dict(snapshot.frame.filter(pl.col("part") == part).group_by("label").len().iter_rows())


def _too_few(
    run: Retraining, snapshot: Snapshot, usable: Snapshot, golden: Golden | None, wanted: Mapping[str, str]
) -> str | None:
    """A class of ``wanted`` that could not be learnt, or too few images to judge by."""
    counts = _of_part(snapshot, "training")
    evaluation = _of_part(usable, "evaluation")
    if golden is None and sum(evaluation.values()) < FEWEST:
        return (
            f"the golden set needs {FEWEST} images, and {snapshot.frame.height} labelled images give it "
            f"{sum(evaluation.values())} (one image in five); import more with `steelflow labels import`, or choose a "
            "golden set with `steelflow labels golden`"
        )
    if not wanted:
        wanted = dict.fromkeys(sorted(counts, key=lambda name: -counts[name])[:2], LABELS)
    if why := too_few(run, wanted, counts, _FEWEST):
        return (
            f"too few labelled images to train on, {_FEWEST} of each class are needed: {why}; import more with "
            f"`steelflow labels import`{ways_out(run, wanted)}"
        )
    if len(names := sorted(usable.frame["label"].unique())) < 2:
        return (
            f"a model tells at least two classes apart, and the labels have {', '.join(names) or 'none'}; import "
            "labels of another class with `steelflow labels import --new-class NAME`"
        )
    return _unjudged(run, usable, evaluation) if golden is None else None


def _of_champion(champion: Version | None) -> tuple[str, ...]:
    """The classes that a new champion has to know as well. Another plant may not have those of the model that ships:
    its nights tell."""
    return () if champion is None or champion.data_hash == SHIPPED else champion.classes


def _unjudged(run: Retraining, usable: Snapshot, evaluation: dict[str, int]) -> str | None:
    """The classes that a golden set chosen now would not have enough images of."""
    few = {name: LABELS for name in usable.frame["label"].unique() if evaluation.get(name, 0) < FEWEST_GOLDEN}
    if not few:
        return None
    why = too_few(run, few, evaluation, FEWEST_GOLDEN)
    return (
        f"the golden set is chosen once and needs {FEWEST_GOLDEN} images of each class, of one image in five: {why}; "
        "import more with `steelflow labels import`, choose a golden set yourself with `steelflow labels golden`"
        f"{ways_out(run, few)}"
    )


def _completed(run: Retraining, usable: Snapshot, golden: Golden | None) -> Golden:
    """The golden set; the first one is the evaluation part of the labels. A person can choose another one later.

    A class that came later, or had too few labels, is added when it has enough: the gate could not see its loss.
    """
    part = usable.frame.filter(pl.col("part") == "evaluation").select("image", "label")
    if golden is None:
        return run.labels.freeze(part, who=WHO, reason="the evaluation part of the labels at the first retraining")
    counts = dict(part.group_by("label").len().iter_rows())
    known = set(golden.chosen["label"])
    new = sorted(name for name, count in counts.items() if name not in known and count >= FEWEST_GOLDEN)
    if not new:
        return golden
    run.tell(f"the golden set gets images of {', '.join(new)}")
    more = pl.concat([golden.chosen.select("image", "label"), part.filter(pl.col("label").is_in(new))])
    return run.labels.freeze(
        more, who=WHO, reason=f"with the evaluation part of classes that are new: {', '.join(new)}"
    )
