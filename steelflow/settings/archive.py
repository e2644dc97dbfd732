"""The images: where they are, and which ones are refused."""

from __future__ import annotations

from pydantic import Field

from steelflow.settings.base import Section, Uri, of_line

MIB = 1024 * 1024


class ArchiveSettings(Section):
    """Where the images are, and how their keys are built."""

    uri: Uri = "s3://steelflow-images"
    template: str = "line={line}/date={date}/coil={coil}/{name}"
    unit_images: int = Field(
        default=8192, ge=1, le=20_000, description="a bucket of loose images splits above this number"
    )


_SAMPLE_BITS = "bits that the cameras use in wider images that do not say it (12 in 16)"


class LineLimits(Section):
    """What differs on a line."""

    sample_bits: int | None = Field(default=None, ge=8, le=32, description=_SAMPLE_BITS)


class LimitSettings(Section):
    """Limits above which a hostile or broken image is refused, and what its cameras do not say of it."""

    image_bytes: int = Field(default=64 * MIB, ge=1, description="encoded size of one image")
    image_pixels: int = Field(default=100_000_000, ge=1, description="width times height, read from the header")
    expansion: int = Field(
        default=200, ge=1, description="a zip member or a tar.gz that expands more than this is refused"
    )
    sample_bits: int | None = Field(default=None, ge=8, le=32, description=_SAMPLE_BITS)
    lines: dict[str, LineLimits] = Field(default_factory=dict, description="what differs on a line")

    def of(self, line: str | None) -> LimitSettings:
        """The limits of one line, which differ on no other. Names are found as by ``FrameSettings.of``."""
        if not self.lines:
            return self
        own = of_line(self.lines, line)
        given = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
        return self.model_copy(update={**given, "lines": {}})
