"""What a retraining learns from, and what it is judged by: the labels of one moment and the golden set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from steelflow.labels import Golden, Snapshot
from steelflow.registry import Version
from steelflow.retrain.gate import FEWEST
from steelflow.retrain.retraining import Retraining

SHIPPED = "shipped"  # stands for the data of the model that comes with steelflow
WHO = "steelflow"
_FEWEST = 5  # labelled training images of a class; a new class with fewer waits for more


@dataclass(frozen=True, slots=True)
class Material:
    """``snapshot`` has all labels but those of the golden images; ``usable`` is without the classes that have too few
    images; ``fresh`` are its rows that came after the last retraining."""

    snapshot: Snapshot
    usable: Snapshot
    golden: Golden
    fresh: pl.DataFrame


def gather(run: Retraining, snapshot: Snapshot, fresh: pl.DataFrame) -> Material | str:
    """The material, or why there is too little of it. If there is no golden set, one is chosen here, once."""
    usable = without_rare(snapshot)
    rare = sorted(set(snapshot.frame["label"]) - set(usable.frame["label"]))
    if rare:
        run.tell(f"too few images yet, left out: {', '.join(rare)}")
        run.details.left_out = tuple(rare)
    golden = run.labels.golden()
    if why := _too_few(snapshot, usable, golden, run.champion):
        return why
    golden = golden or _first_golden(run, usable)
    snapshot = run.labels.snapshot()  # without the images that have become golden
    run.labels.write_snapshot(snapshot)
    run.details.snapshot = snapshot.hash
    return Material(
        snapshot=snapshot,
        usable=without_rare(snapshot),
        golden=golden,
        fresh=fresh.join(snapshot.frame.select("image"), on="image", how="semi"),
    )


def without_rare(snapshot: Snapshot) -> Snapshot:
    """Without the classes that have too few images for training yet."""
    images = _training(snapshot)
    enough = [name for name, count in images.items() if count >= _FEWEST]
    return replace(snapshot, frame=snapshot.frame.filter(pl.col("label").is_in(enough)))


def _training(snapshot: Snapshot) -> dict[str, int]:
    """Images to train on, by class."""
    return dict(snapshot.frame.filter(pl.col("part") == "training").group_by("label").len().iter_rows())


def _too_few(snapshot: Snapshot, usable: Snapshot, golden: Golden | None, champion: Version | None) -> str | None:
    """A class that the champion has and that could not be learnt again, or too few images to judge by."""
    evaluation = usable.frame.filter(pl.col("part") == "evaluation").height
    if golden is None and evaluation < FEWEST:
        return (
            f"the golden set needs {FEWEST} images, and {snapshot.frame.height} labelled images give it {evaluation} "
            "(one image in five); import more with `steelflow labels import`, or choose a golden set with "
            "`steelflow labels golden`"
        )
    counts = _training(snapshot)
    wanted = set() if golden is None else set(golden.frame["label"])
    # Another plant may not have the classes of the model that ships.
    if champion is not None and champion.data_hash != SHIPPED:
        wanted |= set(champion.classes)
    wanted = wanted or set(sorted(counts, key=lambda name: -counts[name])[:2])
    rare = sorted(f"{name} ({counts.get(name, 0)})" for name in wanted if counts.get(name, 0) < _FEWEST)
    if not rare:
        return None
    return (
        f"too few labelled images to train on, {_FEWEST} of each class are needed: {', '.join(rare)}; import more "
        "with `steelflow labels import`"
    )


def _first_golden(run: Retraining, usable: Snapshot) -> Golden:
    """Freeze the evaluation part of the labels. A person can choose another golden set later."""
    part = usable.frame.filter(pl.col("part") == "evaluation")
    return run.labels.freeze(
        part.select("image", "label"), who=WHO, reason="the evaluation part of the labels at the first retraining"
    )
