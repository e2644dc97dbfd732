"""XML files of annotations. Entities and document types are refused: a small file could claim gigabytes with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from steelflow.config import MIB
from steelflow.errors import DataError, shown
from steelflow.training.annotations.source import content

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MAX_BYTES = 64 * MIB


def parse(path: Path) -> Element:
    """The root element. Raises ``DataError`` if the file is not XML, is too large, or declares a document type."""
    from defusedxml import DefusedXmlException  # of the extra `train`; the command line starts without it
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root: Element = fromstring(content(path, _MAX_BYTES), forbid_dtd=True)
    except DefusedXmlException as exc:
        raise DataError(
            f"{path}: declares a document type or entities, which are not read; remove the DOCTYPE"
        ) from exc
    except (ParseError, ValueError, LookupError) as exc:  # LookupError: an encoding that Python does not know
        raise DataError(f"{path}: is not valid XML: {exc}; export the annotations again") from exc
    return root


def number(text: str | None) -> float:
    """A finite number. Raises ``ValueError``."""
    value = float(text or "")
    if not math.isfinite(value) or abs(value) > 1e6:
        raise ValueError(f"{shown(text)} is not a place in a picture")
    return value
