"""When the nights are inspected, and which lines."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from steelflow.errors import LONG_NAME, shown
from steelflow.settings.base import Cron, Section


class NightSettings(Section):
    timezone: str = Field(default="UTC", description="the plant's time zone")
    cron: Cron = Field(default="30 1 * * *", description="when the nightly deployment runs, in that time zone")
    lines: tuple[str, ...] = Field(default=(), description="lines to inspect; all if empty")
    recent_nights: int = Field(
        default=28, ge=0, le=366, description="nights looked back for lines that usually run; 0: none is expected"
    )
    max_unreadable: float = Field(
        default=0.5, ge=0, le=1, description="share of unreadable images on a line above which a night is incomplete"
    )
    group_images: int = Field(
        default=50_000, ge=1, description="units are grouped into Prefect tasks of about this many images"
    )
    shifts: dict[str, str] = Field(
        default_factory=dict, description='name of each shift, and the time at which it begins: `late = "14:00"`'
    )

    @field_validator("shifts")
    @classmethod
    def _times_of_day(cls, value: dict[str, str]) -> dict[str, str]:
        for name, begins in value.items():
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", begins):
                raise ValueError(f"the shift {name!r} begins at {shown(begins)}; write hours and minutes: '06:00'")
        if len(set(value.values())) < len(value):
            raise ValueError("two shifts begin at the same time")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as exc:
            raise ValueError(
                f"{shown(value, LONG_NAME)} is not a time zone; use a name such as 'Europe/Berlin'"
            ) from exc
        return value
