"""The formats, and which of them a data set has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

from steelflow.errors import ConfigError, DataError
from steelflow.training.annotations import coco, cvat, folders, label_studio, masks, table, voc
from steelflow.training.annotations.source import Source

FORMATS: dict[str, ModuleType] = {one.NAME: one for one in (table, coco, label_studio, cvat, voc, masks, folders)}
"""The formats by name. Each is a module with NAME, TITLE, EXPECTS, ``clue`` and ``read``."""

_PLAIN = (masks.NAME, folders.NAME)  # formats that any folder of pictures may seem to have


def format_of(source: Source, form: str | None) -> ModuleType:
    """The format named ``form``, or the one that the content shows.

    Raises:
        ConfigError: no such format.
        DataError: the content shows none, or several.
    """
    if form is not None:
        if form not in FORMATS:
            raise ConfigError(f"{form!r} is no format; give one of {', '.join(FORMATS)}")
        return FORMATS[form]
    if source.given.suffix.lower() == ".zip":
        raise DataError(f"{source.given}: is packed; unpack it and name the folder")
    clues = {name: text for name, one in FORMATS.items() if (text := one.clue(source)) is not None}
    certain = [name for name in clues if name not in _PLAIN] or list(clues)[:1]
    if len(certain) > 1:
        there = " and ".join(f"{FORMATS[name].TITLE} ({clues[name]})" for name in certain)
        raise DataError(f"{source.given}: has {there}; choose with --format {' or --format '.join(certain)}")
    if certain:
        return FORMATS[certain[0]]
    suffixes = Counter(Path(name).suffix.lower() or "no suffix" for name in source.files)
    there = ", ".join(f"{count:,} with {suffix}" for suffix, count in suffixes.most_common(4)) or "no files"
    raise DataError(f"{source.given}: no format found: it has {there}; expected {expected()}")


def expected() -> str:
    """What each format looks like, for an error message."""
    return "; or ".join(f"{one.TITLE}: {one.EXPECTS}" for one in FORMATS.values())
