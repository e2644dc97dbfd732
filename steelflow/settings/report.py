"""Where reports are, and how long they are kept."""

from __future__ import annotations

from pydantic import Field

from steelflow.settings.base import Section, Uri


class ReportSettings(Section):
    uri: Uri = "s3://steelflow-reports"


class RetentionSettings(Section):
    """What housekeeping deletes. None keeps everything. The champion is never deleted."""

    report_days: int | None = Field(
        default=None, ge=1, description="reports, summaries, run records; age from the newest of a line"
    )
    drift_days: int | None = Field(default=None, ge=1, description="drift tables and explanations")
    versions: int | None = Field(default=50, ge=2, description="newest model versions to keep")
