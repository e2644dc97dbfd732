"""The first two models of the demo: of good strip, without labels; and a classifier, from a person's first labels.

torch is loaded by the functions, not with the module: the command line has to start without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from steelflow.config import Settings
from steelflow.registry import Version, open_registry
from steelflow.synth.demo import WHO

if TYPE_CHECKING:
    from steelflow.retrain import RetrainResult

_FRAMES = 300
_VIEWS = 800
_BEGIN_STEPS = 200


def model_of_good_strip(settings: Settings, night: dt.date, out: Path, on_step: Callable[[int, int], None]) -> Version:
    """Fit a model on a night's frames, without labels, and promote it. ``on_step`` gets the finished steps, and all."""
    from steelflow.begin.plan import Begin
    from steelflow.begin.run import begin
    from steelflow.training.loop import one_thread

    plan = Begin(source=night.isoformat(), frames=_FRAMES, views=_VIEWS, steps=_BEGIN_STEPS)
    with one_thread():  # the same model on every machine
        begun = begin(plan, out, settings, taught=lambda done: on_step(done, _BEGIN_STEPS))
    return _promoted(settings, begun.onnx.parent, f"frames of {night}, without labels")


def first_classifier(settings: Settings, tell: Callable[[str], None]) -> RetrainResult:
    """Retrain on the person's labels of regions: the classifier is compared with the model of good strip, and promoted
    if it is better."""
    from steelflow.retrain import retrain

    return retrain(settings, trigger="labels", reason="the first labels", who=WHO, tell=tell)


def _promoted(settings: Settings, folder: Path, reason: str) -> Version:
    registry = open_registry(settings)
    version = registry.register(folder, who=WHO, reason=reason)
    registry.promote(version, who=WHO, reason=reason)
    return version
