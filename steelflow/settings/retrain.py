"""When a model is retrained and promoted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelflow.settings.base import Cron, Section


class RetrainSettings(Section):
    """When a model is retrained, and the limits for its promotion."""

    cron: Cron | None = Field(default=None, description="retrain by the calendar, in the plant's time zone")
    on_drift: bool = Field(default=True, description="retrain on a drift alarm")
    new_labels: int = Field(default=500, ge=1, description="labels since the champion that start a retraining")
    min_labels: int = Field(default=60, ge=2, description="labels since the champion that a retraining needs")
    cooldown_hours: float = Field(default=20.0, ge=0, description="between two automatic retrainings")
    epochs: int | None = Field(
        default=None, ge=1, description="of a training from scratch; fitted to the data if not set"
    )
    max_drop: float = Field(
        default=0.005, ge=0, le=1, description="accuracy that a challenger may lose on the golden set"
    )
    class_floor: float = Field(default=0.05, ge=0, le=1, description="recall that one class may lose")
    min_speed: float = Field(
        default=0.5, ge=0, description="lowest speed, as a share of the champion's images per second"
    )
    node: Literal["gpu", "any", "none"] = Field(
        default="gpu",
        description="with the executor 'ray', candidates are trained on a node: with a free GPU only, on any, on none",
    )
