"""What is proposed for a coil, and who decides."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelflow.settings.base import Section, Uri
from steelflow.settings.strip import Side

Disposition = Literal["released", "held", "to be graded"]


class CoilRule(Section):
    """One rule of `[coils]`. It counts the defects of a coil that fit ``classes``, ``severities`` and ``sides``. It
    holds if there are some, and every limit that is set is reached. All rules that hold are reasons of the proposal."""

    propose: Literal["held", "to be graded"] = Field(default="held", description="for a coil on which the rule holds")
    classes: tuple[str, ...] = Field(default=(), description="of the defects; all if empty")
    severities: tuple[str, ...] = Field(default=(), description="of the regions of defect; all if empty")
    sides: tuple[Side, ...] = Field(default=(), description="of the strip; all if empty")
    lines: tuple[str, ...] = Field(default=(), description="all if empty")
    grades: tuple[str, ...] = Field(default=(), description="of the coil, from a sidecar or the key; all if empty")
    min_defects: int | None = Field(default=None, ge=1, description="at least this many")
    per_100m: float | None = Field(default=None, gt=0, description="defects in 100 m of strip, at least")
    per_1000: float | None = Field(default=None, gt=0, description="defects on 1,000 readable images, at least")
    length_m: float | None = Field(default=None, gt=0, description="metres of strip with such a defect, at least")
    length_share: float | None = Field(
        default=None, gt=0, le=1, description="the same as a share of the length that was inspected"
    )


class CoilSettings(Section):
    """What is proposed for a coil, and who decides."""

    uri: Uri | None = Field(
        default=None, description="where decisions are stored; `coils` below the reports if not set"
    )
    role: Literal["labeller", "operator"] = Field(default="operator", description="lowest role that decides on a page")
    max_unreadable: float = Field(
        default=0.05, ge=0, le=1, description="share of unreadable images above which a coil is to be graded"
    )
    max_novel: float = Field(
        default=0.2, ge=0, le=1, description="share of images unlike the training images above which it is, too"
    )
    drift: Literal["warn", "alarm", "never"] = Field(
        default="alarm", description="verdict on the line from which its coils are to be graded"
    )
    incomplete: bool = Field(default=True, description="coils of a night that misses something are to be graded")
    rules: tuple[CoilRule, ...] = ()
