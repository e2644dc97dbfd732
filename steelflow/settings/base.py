"""What the sections of the settings have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from steelflow.errors import shown


class Section(BaseModel):
    """Part of the settings: frozen, and without other fields than its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _without_credentials(uri: str) -> str:
    if "://" in uri and "@" in uri.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("contains credentials; set store.access_key and store.secret_key instead")
    return uri


Uri = Annotated[str, AfterValidator(_without_credentials)]


def _five_fields(value: str) -> str:
    if not re.fullmatch(r"[\d*/,A-Za-z#-]+(\s+[\d*/,A-Za-z#-]+){4}", value.strip()):
        raise ValueError(
            f"{shown(value)} is not a cron schedule; write minute, hour, day, month and weekday: '30 1 * * *'"
        )
    return value


Cron = Annotated[str, AfterValidator(_five_fields)]

T = TypeVar("T")


def of_line(lines: Mapping[str, T], line: str | None) -> T | None:
    """The settings of one line. A name in other letters, ``l3`` for ``L3``, counts if no line has exactly that name."""
    alike = {name.casefold(): settings for name, settings in lines.items()}
    return lines.get(line or "", alike.get((line or "").casefold()))
