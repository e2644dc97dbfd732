"""What is read from the regions of defect: roll marks, and severity."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from steelflow.settings.base import Section


class RollSettings(Section):
    """A roll that touches the strip. A mark that repeats with its circumference is from it."""

    name: str = Field(min_length=1)
    circumference_mm: float | None = Field(default=None, gt=0)
    diameter_mm: float | None = Field(default=None, gt=0, description="instead of the circumference")
    lines: tuple[str, ...] = Field(default=(), description="lines that have the roll; all if empty")
    tolerance: float = Field(
        default=0.02,
        ge=0,
        lt=0.5,
        description="share by which a period may differ: wear of the roll, and elongation of the strip behind it",
    )

    @model_validator(mode="after")
    def _one_size(self) -> RollSettings:
        if (self.circumference_mm is None) == (self.diameter_mm is None):
            raise ValueError(f"the roll {self.name!r} needs either circumference_mm or diameter_mm")
        return self

    @property
    def circumference(self) -> float:
        """In millimetres."""
        return self.circumference_mm or math.pi * (self.diameter_mm or 0.0)


class RollMarkSettings(Section):
    """Which regions count as marks that repeat along a coil."""

    shortest_mm: float = Field(default=250.0, gt=0, description="shortest period")
    longest_mm: float = Field(default=7500.0, gt=0, description="longest period")
    position_mm: float = Field(default=10.0, gt=0, description="error of a region's place along the strip")
    across_mm: float = Field(default=20.0, gt=0, description="the same across the strip, with the strip's wander")
    count: int = Field(default=5, ge=4, description="fewest regions of a mark")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="marks below it are not reported")

    @model_validator(mode="after")
    def _in_order(self) -> RollMarkSettings:
        if not 6 * self.position_mm < self.shortest_mm < self.longest_mm:
            raise ValueError(
                f"shortest_mm ({self.shortest_mm:g}) must be above six times position_mm ({self.position_mm:g}) and "
                f"below longest_mm ({self.longest_mm:g})"
            )
        return self


Side = Literal["top", "bottom"]


class SeverityRule(Section):
    """One rule. Every condition that is set must hold. The first rule that holds gives the severity of a region."""

    severity: str = Field(min_length=1, description="what a region is called if the rule holds")
    classes: tuple[str, ...] = Field(default=(), description="of the region; all if empty")
    lines: tuple[str, ...] = Field(default=(), description="all if empty")
    sides: tuple[Side, ...] = Field(default=(), description="of the strip; all if empty")
    min_score: float | None = Field(default=None, ge=0, le=1)
    min_length_mm: float | None = Field(default=None, gt=0, description="along the strip")
    min_width_mm: float | None = Field(default=None, gt=0, description="across the strip")
    min_area_mm2: float | None = Field(default=None, gt=0)
    min_area_px: int | None = Field(default=None, gt=0, description="pixels, where the scale is not known")
    per_100m: float | None = Field(
        default=None, gt=0, description="regions of the class on this side of the coil in 100 m of strip, at least"
    )
