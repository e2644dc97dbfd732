"""The limits of single images of an archive: those of the line that the key names."""

from __future__ import annotations

from dataclasses import dataclass

from steelflow.archive.template import KeyTemplate, Members
from steelflow.config import LimitSettings, Settings


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How an image of the archive is decoded, by its key. Without ``template`` the lines are not known, and the common
    limits count."""

    limits: LimitSettings
    template: KeyTemplate | None = None

    @classmethod
    def of_archive(cls, settings: Settings) -> ImageLimits:
        """Those of the archive of these settings."""
        return cls(settings.limits, KeyTemplate(settings.archive.template, settings.night.timezone))

    def of(self, key: str, member: str | None = None) -> LimitSettings:
        if not self.limits.lines or self.template is None:
            return self.limits.of(None)
        return self.limits.of(Members(self.template, key).read(member).line)
