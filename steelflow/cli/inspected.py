"""The lines that ``steelflow infer`` and ``steelflow nightly`` print of what was inspected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import typer

from steelflow.cli.output import complain

if TYPE_CHECKING:
    from steelflow.inspection.infer import InspectionResult
    from steelflow.night.run import NightResult

_NAMES = 3  # of ignored files and of what is wrong in sidecars
_SIZES = 3


def lines(text: str) -> str:
    return f"{text}\n" if text else ""


def noted(notes: Iterable[str]) -> str:
    return "".join(f"\nnote: {note}" for note in notes)


def ignored(before: str, count: int, names: tuple[str, ...]) -> str:
    if not count:
        return ""
    more = ", …" if count > len(names[:_NAMES]) else ""
    return f"{before}{count:,} other files ignored ({', '.join(map(repr, names[:_NAMES]))}{more})"


def sidecars(result: InspectionResult | NightResult) -> str:
    if not result.sidecar_errors:
        return ""
    told = "".join(f"\n  {one}" for one in result.sidecar_sample[:_NAMES])
    more = "\n  and more; --json and the run record have them" if len(result.sidecar_sample) > _NAMES else ""
    return f"\nsidecars: {result.sidecar_errors:,} values or names not used{told}{more}"


def regions(count: int | None, severities: Mapping[str, int]) -> str:
    if count is None:
        return ""
    graded = ", ".join(f"{of:,} {name}" for name, of in severities.items())
    return f"; {count:,} region{'s' if count != 1 else ''} of defect{f' ({graded})' if graded else ''}"


def judged_whole(sizes: Mapping[str, int]) -> str:
    """A warning about images that are much larger than the model's pictures."""
    if not sizes:
        return ""
    most = sorted(sizes.items(), key=lambda item: -item[1])[:_SIZES]
    told = ", ".join(f"{count:,} of {size}" for size, count in most)
    return (
        f"\nwarning: images much larger than the model's pictures were judged as a whole: {told}; "
        "small defects vanish. Set [frame], so that they are judged in views"
    )


def complain_of_units(failed_units: tuple[str, ...]) -> None:
    if failed_units:
        complain(f"{len(failed_units)} units failed, run again; first: {failed_units[0]}")
        raise typer.Exit(1)
