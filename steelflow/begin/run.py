"""``steelflow models begin``: from the plant's frames to a model that can be promoted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelflow.archive.template import KeyTemplate
from steelflow.begin.fit import Fitted, fit
from steelflow.begin.plan import Begin, days
from steelflow.begin.sample import Frame, Seen, sample_frames
from steelflow.begin.views import cut_views
from steelflow.begin.write import write_model
from steelflow.config import Settings
from steelflow.errors import ConfigError
from steelflow.models.weights_file import origin_of
from steelflow.store import Store, open_store

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Begun:
    """``record`` is what metrics.json has."""

    onnx: Path
    fitted: Fitted
    record: dict[str, Any] = field(repr=False)


def begin(
    plan: Begin, out: Path, settings: Settings, read: Progress = lambda _: None, taught: Progress = lambda _: None
) -> Begun:
    """Sample frames, fit, and write the model to the folder ``out``.

    ``read`` is called with 1 for every frame, ``taught`` with the number of finished steps.

    Raises:
        ConfigError: the source has no images of these nights and lines, or an option makes no sense.
        DataError: there are too few views.
        ModelError: the pretrained weights cannot be used, or the export is wrong.
        StoreError: the archive cannot be read.
    """
    if not 0 < plan.false_alarms < 0.5:
        raise ConfigError(f"--false-alarms {plan.false_alarms}: give a share of views above 0 and below 50%")
    archive, template, dates = _archive(plan, settings)
    seen = Seen()
    frames = sample_frames(
        archive,
        template,
        settings.limits,
        seen,
        dates=dates,
        lines=plan.lines or None,
        whole=dates is None,
        frames=plan.frames,
        seed=plan.seed,
    )
    views = cut_views(_counted(frames, read), settings.frame, plan.views, plan.seed)
    fitted = fit(
        views,
        false_alarms=plan.false_alarms,
        pretrained=plan.pretrained,
        left_out=plan.left_out,
        steps=plan.steps,
        progress=taught,
        seed=plan.seed,
    )
    origin = origin_of(plan.pretrained or False)
    record = {
        "source": plan.source,
        "archive": archive.uri,
        "lines": sorted(plan.lines),
        "frames": {"listed": seen.listed, "read": seen.read, "failed": seen.failed},
        "views": {"trained": fitted.trained, "left_out": fitted.left_out, "held_out": fitted.held_out},
        "held_out_by_coil": fitted.by_group,
        "false_alarms": plan.false_alarms,
        "pretrained": origin,
        "seed": plan.seed,
    }
    onnx = write_model(fitted, record, out, views.pictures)
    return Begun(onnx, fitted, record)


def _archive(plan: Begin, settings: Settings) -> tuple[Store, KeyTemplate, list[dt.date] | None]:
    nights = days(plan.source)
    template = KeyTemplate(settings.archive.template, settings.night.timezone)
    if nights is not None:
        return open_store(settings.archive.uri, settings.store), template, nights
    if "://" not in plan.source and not Path(plan.source).expanduser().is_dir():
        raise ConfigError(
            f"--from {plan.source}: neither nights nor a folder; give dates such as 2026-11-01..2026-11-03, a folder, "
            "or s3://bucket/prefix"
        )
    if plan.lines:
        raise ConfigError(f"--lines: {plan.source} is a source without lines; leave the option out")
    where = plan.source if "://" in plan.source else str(Path(plan.source).expanduser().absolute())
    return open_store(where, settings.store), template, None


def _counted(frames: Iterator[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        progress(1)
        yield frame
