"""Labels of people."""

from __future__ import annotations

from pydantic import Field

from steelflow.settings.base import Section, Uri


class LabelSettings(Section):
    uri: Uri | None = Field(
        default=None, description="where labels and images are stored; `labels` below the reports if not set"
    )
    second_reader: float = Field(
        default=0.1, ge=0, le=1, description="share of the labelled images that a second person labels again, blind"
    )
