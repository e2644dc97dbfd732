"""When a night counts as drifted."""

from __future__ import annotations

from pydantic import Field

from steelflow.settings.base import Section


class DriftSettings(Section):
    """When a night counts as drifted. Thresholds are effect sizes; see `steelflow/drift/signals/`."""

    min_images: int = Field(default=500, ge=50, description="with fewer images on a line there is no verdict")
    reference_nights: int = Field(
        default=3, ge=1, le=60, description="first nights that become the reference of a model without one"
    )
    max_novel: float = Field(
        default=0.2, ge=0, le=1, description="share of images unlike the training images in a night of the reference"
    )
    window: int = Field(default=3, ge=1, le=30, description="the last nights, seen together")
    breaches: int = Field(default=2, ge=1, le=30, description="nights of the window over a threshold for an alarm")
    severe: float = Field(default=1.5, gt=1, description="a signal this many times over its threshold alarms at once")
    thresholds: dict[str, float] = Field(default_factory=dict, description="by signal, instead of the defaults")
