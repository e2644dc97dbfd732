"""Compare two sets of images for drift."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from steelflow.api.arguments import Place, Progress, chosen, told
from steelflow.api.stores import reached
from steelflow.config import EngineName, Settings

if TYPE_CHECKING:
    from steelflow.night.comparison import Comparison


def compare_drift(
    reference: Place | None = None,
    current: Place | None = None,
    *,
    model: Place | None = None,
    engine: EngineName | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two sets of images for drift: do the current images still look like those of the reference?

    Both sets are judged by one model. Images without a report are inspected first, into a temporary report. If the
    paths or the reports name nights and lines, each line of a night is compared with the same line of the reference.

    Args:
        reference: images or reports of a time when all was well: a folder, a tar, tar.gz or zip file,
            ``s3://bucket/prefix``, or a drift profile (``.parquet``). Default: the reference of the model.
        current: images or reports to compare with it. A verdict needs ``drift.min_images`` of the settings (500) for
            each line. Default: the last night in the reports of the settings.
        model: a shipped name (``steelnet``, ``ssdc_mininet``), an ONNX file that ``steelflow.train`` wrote, a version
            of the registry (``v3``) or ``champion``. Default: ``model.ref`` of the settings.
        engine: ``auto``, ``onnxruntime``, ``openvino`` or ``torch``. Default: ``model.engine`` of the settings.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``. Its section ``drift`` has the
            thresholds.
        progress: called with the number of images inspected since the last call, such as ``tqdm().update``.

    Returns:
        ``verdict``: ``none``, ``warn``, ``alarm`` or ``insufficient`` (too few images), of the worst night.
        ``signals``: each with its ``value``, its ``threshold`` and ``share``, the value as a multiple of the threshold;
        the largest share first. ``reasons``: sentences. ``nights``: the verdict on every night. ``explanation()``
        returns an HTML page with charts and images; images behind a report are read from ``archive.uri`` of the
        settings.

    Raises:
        DriftError: a set has no readable images, or the reports come from different models.
        ConfigError: a place does not exist, or the settings are wrong.
        ModelError, EngineError: the model is unknown or damaged, or cannot run here.
        StoreError: the storage cannot be reached.

    Example:
        found = steelflow.compare_drift("week-46", "week-47")
        print(found.verdict)
        for signal in found.signals[:3]:
            print(signal.sentence)
    """
    from steelflow.night.comparison import compare

    before, after = (None if place is None else os.fspath(place) for place in (reference, current))
    given, tell = chosen(settings, model, engine), told(progress)
    at_hand = reached(given, before or given.report.uri, after or given.report.uri)
    return compare(at_hand, before, after, lambda done: tell(done.counts.found))
