"""Frames of the strip: how they are judged, their scale, and their cameras."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelflow.settings.base import Section, of_line


class CameraSettings(Section):
    """Where one camera looks."""

    across_mm: float = Field(default=0.0, description="from the strip's edge to the first pixel of the frame")
    side: str | None = Field(default=None, description="'top' or 'bottom'; the archive's own word if not set")


class LineFrame(Section):
    """How the frames of a line are judged, and their scale. A line may differ from the others in any field."""

    judged: Literal["views", "whole"] = Field(
        default="views", description="'views': cut at native scale into overlapping squares; 'whole': resized"
    )
    view: int | None = Field(default=None, ge=32, le=4096, description="side in pixels; the model's own if not set")
    overlap: float = Field(default=0.125, ge=0, le=0.75, description="of neighbouring views, as a share of the side")
    along: Literal["height", "width"] = Field(default="height", description="the direction in which the strip moves")
    mm_across: float | None = Field(default=None, gt=0, description="millimetres per pixel across the strip")
    mm_along: float | None = Field(default=None, gt=0, description="millimetres per pixel along the strip")
    background: int | None = Field(
        default=None, ge=0, le=254, description="an area at the frame's border up to this grey level is off the strip"
    )
    cameras: dict[str, CameraSettings] = Field(default_factory=dict, description="by the camera's name in the archive")


class FrameSettings(LineFrame):
    """Frames that are larger than the model's pictures. Without this section, every image is judged as a whole."""

    lines: dict[str, LineFrame] = Field(default_factory=dict, description="what differs on a line")

    def of(self, line: str | None) -> LineFrame:
        """The settings of one line: its own fields, and the common ones for all others. A name in other letters, ``l3``
        for ``L3``, counts if no line of the settings has exactly that name."""
        own = of_line(self.lines, line)
        common = {name: getattr(self, name) for name in LineFrame.model_fields}
        return LineFrame(
            **common | ({} if own is None else {name: getattr(own, name) for name in own.model_fields_set})
        )
