"""Labelled frames: what a strip model learns from, and what it is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from steelflow.labels import Golden, Snapshot
from steelflow.labels.boxes import BOX
from steelflow.labels.framed import frame_snapshot
from steelflow.models.spec import ModelSpec
from steelflow.retrain.gate import FEWEST
from steelflow.retrain.material import FEWEST_GOLDEN, WHO
from steelflow.retrain.ready import check_images
from steelflow.retrain.retraining import Retraining
from steelflow.retrain.wanted import LABELS, NAMELESS, left_out, too_few, wanted_classes, ways_out
from steelflow.training.annotations import GOOD, Annotated, Annotations, Box

_GOLDEN_SHARES = (0.2, 0.3, 0.4, 0.5)
_GOLDEN_TRIES = 16  # choices of coils at each share, where the first leaves a class without golden regions
_FEWEST = 5  # labelled regions (or frames) of a class in training; a new class with fewer waits for more


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """What people said of one frame.

    Attributes:
        image: SHA-256 of its bytes.
        label: its class: that of its largest defect, or the good class.
        boxes: labelled regions. Those of the good class are places that a model had called defective.
        whole: somebody labelled the frame as a whole, and so has seen all of it.
    """

    image: str
    label: str
    boxes: tuple[Box, ...]
    line: str | None
    group: str
    whole: bool


@dataclass(frozen=True, slots=True)
class StripMaterial:
    """``snapshot`` has all labels but those of golden images; ``fresh`` are its rows that came after the last
    retraining. ``golden_frames`` have their regions. ``classes`` are the defects that have enough labels and are not
    left out on purpose (``without``), ``good`` the name of the good class."""

    snapshot: Snapshot
    golden: Golden
    fresh: pl.DataFrame
    training: tuple[LabelledFrame, ...]
    evaluation: tuple[LabelledFrame, ...]
    golden_frames: tuple[LabelledFrame, ...]
    classes: tuple[str, ...]
    good: str
    without: frozenset[str] = frozenset()


def gather_frames(
    run: Retraining, spec: ModelSpec, rows: pl.DataFrame, fresh: pl.DataFrame, trained: Collection[str]
) -> StripMaterial | str:
    """The material, or why there is too little of it. If there is no golden set, one is chosen here, once. Until all is
    checked, nothing is changed.

    Args:
        spec: of the champion.
        rows: all labels, from ``labels.framed.frame_labels``.
        trained: groups that an earlier model was trained on.
    """
    good = spec.good[0] if spec.good else GOOD[0]
    golden, meaning = run.labels.golden(), run.labels.class_names()
    of_champion = [] if spec.arch == NAMELESS else [name for name in spec.classes if name not in spec.good]
    of_golden = [] if golden is None else sorted(set(golden.frame["label"]))
    wanted = wanted_classes(run, meaning, of_golden, of_champion, {good, *spec.good, *GOOD})
    without = left_out(run, meaning, {*wanted, *rows["label"]})
    wanted = {name: who for name, who in wanted.items() if name not in without}
    if golden is None:
        every = frames_of(rows, good, spec.good)
        chosen = _choose_golden(run, judged_on(every, without, good), good)
        if isinstance(chosen, str):
            return chosen
        golden_images = chosen["image"].to_list()
    else:
        chosen, golden_images = None, golden.chosen["image"].to_list()
    snapshot = frame_snapshot(rows, golden_images, trained if golden is not None else set(rows["group"]))
    parts = {
        part: frames_of(snapshot.frame.filter(pl.col("part") == part), good, spec.good)
        for part in ("training", "evaluation")
    }
    counts = _counts(parts["training"], good)
    classes = tuple(name for name in _learnable(counts) if name not in without)
    if why := _too_few(run, wanted, parts["training"], counts, classes, good):
        return why
    check_images(run.labels, rows["image"].unique())
    if chosen is not None:
        why = "coils with labelled frames, at the first retraining"
        golden = run.labels.freeze(chosen, who=WHO, reason=why)
    assert golden is not None, "chosen above"
    run.labels.write_snapshot(snapshot)
    run.details.snapshot = snapshot.hash
    return StripMaterial(
        snapshot=snapshot,
        golden=golden,
        fresh=fresh.join(snapshot.frame.select("image"), on="image", how="semi"),
        training=_with_retired(run, parts["training"]),
        evaluation=judged_on(parts["evaluation"], without, good),
        golden_frames=judged_on(_golden_frames(golden, rows, good, spec.good), without, good),
        classes=classes,
        good=good,
        without=without,
    )


def _with_retired(run: Retraining, frames: Sequence[LabelledFrame]) -> tuple[LabelledFrame, ...]:
    """The frames with their regions of retired classes as well: these are not learnt, and they are not good surface."""
    rows = run.labels.regions(withdrawn=True)
    rows = rows.filter(pl.col("label").is_in(list(run.labels.class_names().retired)))
    more: dict[str, list[Box]] = {}
    for row in rows.iter_rows(named=True):
        more.setdefault(row["image"], []).append(Box(row["label"], *(row[name] for name in BOX)))
    return tuple(replace(one, boxes=(*one.boxes, *more.get(one.image, ()))) for one in frames)


def judged_on(frames: Iterable[LabelledFrame], without: Collection[str], good: str) -> tuple[LabelledFrame, ...]:
    """The frames to judge models on: without the regions of classes that are left out, and without the frames that show
    nothing else."""
    found = []
    for one in frames if without else ():
        boxes = tuple(box for box in one.boxes if box.label not in without)
        defects = [box for box in boxes if box.label != good]
        if boxes == one.boxes and one.label not in without:
            found.append(one)
        elif defects:
            largest = max(defects, key=lambda box: box.width * box.height)
            found.append(replace(one, boxes=boxes, label=largest.label))
    return tuple(found if without else frames)


def frames_of(rows: pl.DataFrame, good: str, names: Collection[str] = ()) -> tuple[LabelledFrame, ...]:
    """The frames of these labels, by image. All names of good classes (``names``, and ``GOOD``) become ``good``."""
    known = {name.casefold() for name in (*names, *GOOD, good)}
    found = []
    for (image,), own in rows.group_by("image", maintain_order=True):
        boxes, whole = [], None
        for row in own.iter_rows(named=True):
            fine = row["verdict"] == "good" or row["label"].casefold() in known
            label = good if fine else row["label"]
            if row["x"] is None:
                whole = label
            else:
                boxes.append(Box(label, *(row[name] for name in BOX)))
        area: Counter[str] = Counter()
        for box in boxes:
            area[box.label] += 0 if box.label == good else box.width * box.height
        largest = max(area, key=lambda name: (area[name], name)) if any(area.values()) else whole or good
        first = own.row(0, named=True)
        found.append(LabelledFrame(str(image), largest, tuple(boxes), first["line"], first["group"], whole is not None))
    return tuple(sorted(found, key=lambda one: one.image))


def _choose_golden(run: Retraining, frames: Sequence[LabelledFrame], good: str) -> pl.DataFrame | str:
    """Image and label of the golden frames; or why there are too few. They are those of about a fifth of the coils of
    every class; of more coils, up to half, while labels are few. Each class that can be learnt has some."""
    items = tuple(Annotated(path=one.image, group=one.group, label=one.label) for one in frames)
    held_out: list[Annotated] = []
    of_image = {one.image: one for one in frames}
    rare: dict[str, int] = {}
    for chosen in _choices_of_coils(items, good):
        held_out = [items[index] for index in chosen]
        defects = sum(item.label != good for item in held_out)
        counts = _counts([of_image[item.path] for item in held_out], good)
        rare = {name: counts[name] for name in _learnable(_counts(frames, good)) if counts[name] < FEWEST_GOLDEN}
        if len(held_out) >= FEWEST and 0 < defects < len(held_out) and not rare:
            return pl.DataFrame({"image": [item.path for item in held_out], "label": [item.label for item in held_out]})
    coils = len({item.group for item in items})
    if rare and len(held_out) >= FEWEST:
        why = too_few(run, dict.fromkeys(rare, LABELS), rare, FEWEST_GOLDEN)
        return (
            f"the golden set is chosen once and needs {FEWEST_GOLDEN} regions of each class, of other coils than those "
            f"that are trained on: {why}; label more of them, of more coils, on the page Review of the dashboard"
            f"{ways_out(run, dict.fromkeys(rare, LABELS))}"
        )
    return (
        f"the golden set needs {FEWEST} frames, good and defective, and {len(items)} labelled frames of {coils} coils "
        f"give it {len(held_out)} (at most half of the coils); label more regions and good frames, of more coils, on "
        "the page Review of the dashboard"
    )


def _choices_of_coils(items: Sequence[Annotated], good: str) -> Iterator[list[int]]:
    """Frames of some coils, the fewest coils first. Few coils with many classes have no choice that is even in every
    class, so later ones are even in good and defective frames only."""
    classes = tuple(sorted({item.label for item in items}))
    by_class = Annotations(Path(), classes, (good,), tuple(items))
    kinds = tuple(item if item.label == good else replace(item, label="") for item in items)
    by_kind = Annotations(Path(), tuple(sorted({item.label for item in kinds})), (good,), kinds)
    for share in _GOLDEN_SHARES if items else ():
        yield by_class.split(0, share)[1]
    for share in _GOLDEN_SHARES if items else ():
        for seed in range(1, _GOLDEN_TRIES):
            yield by_kind.split(seed, share)[1]


def _learnable(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The defect classes with enough labels to learn them."""
    return tuple(sorted(name for name, count in counts.items() if count >= _FEWEST))


def _counts(frames: Iterable[LabelledFrame], good: str) -> Counter[str]:
    """Labelled regions by class of defect; a frame without regions counts as one."""
    counts: Counter[str] = Counter()
    for frame in frames:
        counts.update([box.label for box in frame.boxes] or [frame.label])
    del counts[good]
    return counts


def _too_few(
    run: Retraining,
    wanted: Mapping[str, str],
    frames: Collection[LabelledFrame],
    counts: Mapping[str, int],
    classes: Collection[str],
    good: str,
) -> str | None:
    if rare := sorted(set(counts) - set(classes) - set(run.details.without)):
        run.tell(f"too few regions yet, left out: {', '.join(rare)}")
        run.details.left_out = tuple(rare)
    if not classes and not wanted:
        wanted = dict.fromkeys(sorted(counts, key=lambda name: -counts[name])[:2], LABELS)
    short = too_few(run, wanted, counts, _FEWEST)
    if not classes and not wanted:
        short = "no defect yet"
    fine = sum(frame.label == good for frame in frames)
    if fine < _FEWEST:
        short = f"good frames ({fine}){', ' if short else ''}{short}"
    if not short:
        return None
    return (
        f"too few labels to train on, {_FEWEST} regions of each class and {_FEWEST} good frames are needed: {short}; "
        f"label more on the page Review of the dashboard, or with `steelflow labels import`{ways_out(run, wanted)}"
    )


def _golden_frames(golden: Golden, rows: pl.DataFrame, good: str, names: Collection[str]) -> tuple[LabelledFrame, ...]:
    """The golden images with the label of the golden set; their regions, if they have any, are those in ``rows``."""
    there = {
        one.image: one
        for one in frames_of(rows.filter(pl.col("image").is_in(golden.frame["image"].to_list())), good, names)
    }
    known = {name.casefold() for name in (*names, *GOOD)}
    found = []
    for image, said in golden.frame.select("image", "label").iter_rows():
        label = good if said.casefold() in known else said
        one = there.get(image)
        boxes = () if one is None or (label == good) != (one.label == good) else one.boxes
        line, group = (None, image) if one is None else (one.line, one.group)
        found.append(LabelledFrame(image, label, boxes, line, group, whole=True))
    return tuple(found)
