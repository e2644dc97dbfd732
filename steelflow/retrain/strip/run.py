"""A retraining on frames, from the labels of frames and regions to the decision."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from steelflow.engine import open_engine
from steelflow.labels import Snapshot
from steelflow.labels.framed import frame_labels, groups_trained, not_in
from steelflow.models.shipped import resolve
from steelflow.models.spec import ModelSpec
from steelflow.registry.operating_points import points_of
from steelflow.retrain.decision import conclude
from steelflow.retrain.due import changed_classes, frames_since, not_due
from steelflow.retrain.on_node import trained
from steelflow.retrain.ready import check_training
from steelflow.retrain.record import RetrainResult, last_snapshot
from steelflow.retrain.retraining import Retraining
from steelflow.retrain.strip.candidates import ARCH, StripCandidate, strip_candidates
from steelflow.retrain.strip.champion import first_of_views
from steelflow.retrain.strip.judging import look
from steelflow.retrain.strip.material import LabelledFrame, StripMaterial, frames_of, gather_frames, judged_on
from steelflow.retrain.strip.pictures import annotations_of
from steelflow.retrain.strip.trial import try_out_frames
from steelflow.retrain.trial import GOLDEN, RECENT
from steelflow.retrain.workplace import workplace


def decide_on_frames(run: Retraining, decided: list[RetrainResult]) -> RetrainResult:
    """Train models of views on the labelled frames, and promote the better one if it is better than the champion.

    Raises:
        As ``retrain``.
    """
    snapshot, fresh = frames_since(run.labels, decided, run.champion)
    run.details.labels, run.details.new_labels = snapshot.frame.height, fresh.height
    changed = changed_classes(run.labels, run.champion, snapshot, decided)
    if why := not_due(run, decided, fresh.height, changed):
        return run.result("skipped", why)
    check_training(ARCH)
    learnt = run.labels.read_snapshot(None if run.champion is None else run.champion.data_hash)
    known = groups_trained(run.labels.read_snapshot(last_snapshot(decided))) | groups_trained(learnt)
    spec = open_engine(_file(run), run.settings.model.engine).spec
    material = gather_frames(run, spec, frame_labels(run.labels), fresh, known)
    if not isinstance(material, StripMaterial):
        return run.result("skipped", material)
    version = run.champion = run.champion or first_of_views(run.settings, run.registry)
    champion = _file(run)
    sets = {GOLDEN: material.golden_frames, RECENT: _recent(material, learnt, spec)}
    with workplace(run, material) as work:
        with run.timed("train"):
            best, *others = trained(run, material, work, version, _train)
        with run.timed("trial"):
            run.tell(f"the model {best.kind} against the champion")
            gate = try_out_frames(run, sets, material.good, champion, best.onnx)
        run.details.golden = material.golden.hash
        run.details.chosen = best.kind
        run.details.candidates = {one.kind: one.figures for one in (best, *others)}
        run.details.gate = gate
        return conclude(run, material, best, gate, version)


def _train(run: Retraining, material: StripMaterial, work: Path, champion: Path) -> list[StripCandidate]:
    run.tell(f"{len(material.training):,} labelled frames and {len(material.golden_frames):,} golden ones")
    engine = open_engine(champion, run.settings.model.engine)
    partly = [frame for frame in material.training if not frame.whole]
    seen = look(engine, partly, run.labels, run.settings, points_of(run.registry.store, engine.digest))
    data = annotations_of(
        run.labels,
        material.training,
        {image: one.regions for image, one in seen.items()},
        material.classes,
        material.good,
        work / "frames",
        run.settings.limits,
    )
    return strip_candidates(run, data, work, champion, engine.spec)


def _recent(material: StripMaterial, learnt: Snapshot | None, spec: ModelSpec) -> tuple[LabelledFrame, ...]:
    """The held-out frames with labels that the champion, which was trained on ``learnt``, has not seen."""
    new = not_in(material.snapshot.frame, learnt).filter(pl.col("part") == "evaluation")
    whole = material.snapshot.frame.join(new.select("image").unique(), on="image", how="semi")
    return judged_on(frames_of(whole, material.good, spec.good), material.without, material.good)


def _file(run: Retraining) -> Path:
    """The champion's ONNX file, or that of the settings while there is no champion."""
    if run.champion is None:
        return resolve(run.settings.model.ref)
    return run.registry.fetch(run.champion, run.settings.home / "models")
