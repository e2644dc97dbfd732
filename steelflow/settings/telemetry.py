"""Logs, and figures for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from steelflow.settings.base import Section


class LogSettings(Section):
    """How the program logs."""

    format: Literal["text", "json"] = Field(
        default="text", description="'json': one object a line, with the run, the night and the line that it is about"
    )


class MetricsSettings(Section):
    """Where the figures for Prometheus go when a night is done. `steelflow up --metrics` serves them as well."""

    textfile: Path | None = Field(
        default=None, description="file for node_exporter's textfile collector; its name ends in .prom"
    )
    push: SecretStr | None = Field(default=None, description="URL of a push gateway; it may have a user and password")
    job: str = Field(default="steelflow", min_length=1, description="the job's name at the push gateway")
    timeout: float = Field(default=10.0, gt=0, description="seconds for the push gateway")

    @field_validator("textfile")
    @classmethod
    def _collected(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".prom":
            raise ValueError(f"{value}: the textfile collector reads names that end in .prom only")
        return value
