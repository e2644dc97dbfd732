"""The selection rule: the most accurate model that is fast enough, or the fastest that is accurate enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from steelflow.config import SelectionSettings


@dataclass(frozen=True, slots=True)
class Measured:
    """Input of the rule: ``accuracy`` (mean over the seeds) and ``speedup`` (end to end, relative to the reference)."""

    name: str
    accuracy: float
    speedup: float


@dataclass(frozen=True, slots=True)
class Choice:
    """``name`` is None if no candidate meets the budget; ``reason`` explains the choice in one sentence."""

    name: str | None
    reason: str


def choose(candidates: Sequence[Measured], rule: SelectionSettings) -> Choice:
    """Apply the rule of the settings. If candidates tie, the other measure decides.

    Accuracies within ``accuracy_tie`` of the best tie with it; so do speeds within the share ``speed_tie`` of the best.
    """
    if rule.rule == "accuracy":
        budget = f"at least {rule.min_speedup:g} times the speed of SSDC-MiniNet at 200×200"
        within = [c for c in candidates if c.speedup >= rule.min_speedup]
    else:
        budget = f"at least {rule.min_accuracy:.2%} accuracy"
        within = [c for c in candidates if c.accuracy >= rule.min_accuracy]
    if not within:
        return Choice(None, f"none of {len(candidates)} has {budget}: {_nearest(candidates, rule)}")
    if rule.rule == "accuracy":
        best = max(c.accuracy for c in within)
        tied = [c for c in within if c.accuracy >= best - rule.accuracy_tie]
        pick = max(tied, key=lambda c: (c.speedup, c.accuracy))
        what, other = "most accurate", "faster"
    else:
        best = max(c.speedup for c in within)
        tied = [c for c in within if c.speedup >= best * (1 - rule.speed_tie)]
        pick = max(tied, key=lambda c: (c.accuracy, c.speedup))
        what, other = "fastest", "more accurate"
    reason = f"{pick.name} ({_figures(pick)}) is the {what} of {len(within)} with {budget}"
    rivals = [c.name for c in tied if c is not pick]
    return Choice(pick.name, reason + (f"; it ties with {', '.join(rivals)} and is {other}" if rivals else ""))


def _nearest(candidates: Sequence[Measured], rule: SelectionSettings) -> str:
    if not candidates:
        return "there are no candidates"
    nearest = max(candidates, key=lambda c: c.speedup if rule.rule == "accuracy" else c.accuracy)
    return f"{nearest.name} comes nearest ({_figures(nearest)})"


def _figures(c: Measured) -> str:
    return f"{c.accuracy:.2%}, {c.speedup:.1f} times"
