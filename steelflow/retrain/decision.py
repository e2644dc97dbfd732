"""What follows from the gate: the challenger is registered, and promoted or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import polars as pl

from steelflow.drift import accept, drift_table
from steelflow.engine import open_engine
from steelflow.errors import DriftError
from steelflow.registry import Version
from steelflow.report.reader import ReportReader
from steelflow.retrain.gate import FEWEST, ROUNDING, Gate
from steelflow.retrain.record import RetrainResult
from steelflow.retrain.reference import recent_reference
from steelflow.retrain.retraining import Learnt, Retraining
from steelflow.retrain.trial import GOLDEN, RECENT
from steelflow.store import open_store

# The allowed gap between golden and recent accuracy. Recent labels are harder: the review queue chose them.
_HARMLESS = 0.03


class Trained(Protocol):
    """A candidate, of whole images or of views."""

    @property
    def kind(self) -> str: ...
    @property
    def onnx(self) -> Path: ...
    @property
    def for_manifest(self) -> dict[str, Any]: ...


def conclude(run: Retraining, material: Learnt, best: Trained, gate: Gate, champion: Version) -> RetrainResult:
    """Register the candidate, then promote it or keep the champion.

    Raises:
        RegistryError: the champion has changed since the comparison; the candidate is registered.
        StoreError: run it again.
    """
    if not gate.comparisons:
        problems = "; ".join(gate.problems)
        why = f"the challenger is refused: {problems}; train again with `steelflow retrain --force`; the champion stays"
        return run.result("refused", why)
    with run.timed("register"):
        run.challenger = _register(run, material, best, gate)
    name, request = run.challenger.version, run.request
    measured = "; ".join(str(one) for one in gate.comparisons if one.images)
    if not gate.passed:
        problems = "; ".join(gate.problems)
        run.registry.challenge(name, who=request.who, reason=problems)
        accepted = _accept_drift(run, gate, champion)
        return run.result("refused", f"{name} is not promoted: {problems} ({measured}){accepted}{_ways_out(name)}")
    run.registry.promote(
        name,
        who=request.who,
        reason=request.for_the_log,
        figures={one.name: {"champion": one.champion, "challenger": one.challenger} for one in gate.comparisons},
        expect=champion.version,
    )
    return run.result("promoted", f"{name} is the champion now, in place of {champion.version} ({measured})")


def _ways_out(name: str) -> str:
    return (
        "; label more of what `steelflow labels queue` shows, or promote it by hand: `steelflow models promote "
        f"{name} --reason …`"
    )


def _register(run: Retraining, material: Learnt, best: Trained, gate: Gate) -> Version:
    """The candidate as a version. One that will be promoted brings a reference for drift: what the latest nights look
    like to it."""
    reference = None
    if gate.passed:
        run.tell("a new drift reference from the latest nights")
        reference = recent_reference(run.settings, open_engine(best.onnx, run.settings.model.engine))
    return run.registry.register(
        best.onnx,
        data_hash=material.snapshot.hash,
        metrics=_figures(best, gate, material.golden.hash),
        who=run.request.who,
        reason=run.request.for_the_log,
        reference=reference,
    )


def _figures(best: Trained, gate: Gate, golden: str) -> dict[str, Any]:
    """For the manifest. Everything else is in metrics.json and in the record."""
    accuracy = {one.name: one.challenger if one.images else None for one in gate.comparisons}
    return {
        **best.for_manifest,
        "golden": golden,
        "golden_accuracy": accuracy[GOLDEN],
        "recent_accuracy": accuracy[RECENT],
        "speed": gate.speed,
        "kind": best.kind,
    }


def _accept_drift(run: Retraining, gate: Gate, champion: Version) -> str:
    """Take drift that does the champion no harm as normal; otherwise it would raise an alarm every night. Returns what
    to add to the result's text."""
    golden, recent = gate.comparisons
    harmless = golden.champion - recent.champion <= _HARMLESS + ROUNDING
    if run.request.trigger != "drift" or recent.images < FEWEST or not harmless:
        return ""
    report = open_store(run.settings.report.uri, run.settings.store, create=True)
    nights = ReportReader(report).nights()[-1:]
    moved = drift_table(report, nights).filter(pl.col("verdict").is_in(["warn", "alarm"]))["line"].unique()
    try:
        lines = accept(
            report,
            champion.digest,
            nights,
            run.settings.drift.min_images,
            who=run.request.who,
            reason=f"{run.request.reason}; harmless: {recent.champion:.1%} of the recent labels are right",
            lines=moved.to_list(),
        )
    except DriftError:
        return ""
    run.details.accepted = tuple(lines)
    return "; the champion is as accurate as before on the recent labels, so this drift is normal from now on"
