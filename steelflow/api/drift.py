"""Compare two sets of images for drift."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from steelflow.api.arguments import Place, Progress, chosen, told
from steelflow.config import EngineName, Settings
from steelflow.store.embedded import serving

if TYPE_CHECKING:
    from steelflow.night.comparison import Comparison


def compare_drift(
    reference: Place,
    current: Place,
    *,
    model: Place | None = None,
    engine: EngineName | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two sets of images for drift: do the current ones still look like those of the reference?

    Both sets are classified by the same model. Images without a report are inspected first, into a report that is
    deleted afterwards. If the paths or the reports name nights and lines, each line is compared with the same line of
    the reference, and each night gets a verdict.

    Args:
        reference: images or reports of a time when all was well: a folder, a tar, tar.gz or zip file,
            ``s3://bucket/prefix``, or a drift profile (``.parquet``).
        current: images or reports to compare with it, of the same kinds. A verdict needs ``drift.min_images`` of the
            settings (500) for each line.
        model: a shipped name (``steelnet``, ``ssdc_mininet``), an ONNX file that ``steelflow.train`` wrote, a version
            of the registry (``v3``) or ``champion``. Default: ``model.ref`` of the settings.
        engine: ``auto``, ``onnxruntime``, ``openvino`` or ``torch``. Default: ``model.engine`` of the settings.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``. The section ``drift`` has the
            thresholds.
        progress: called with the number of images inspected since the last call, such as ``tqdm().update``.

    Returns:
        TODO

    Raises:
        DriftError: a set has no readable images, or two models made the reports.
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

    places = os.fspath(reference), os.fspath(current)
    with serving(chosen(settings, model, engine), *places) as reached:
        return compare(reached, *places, progress=told(progress))
