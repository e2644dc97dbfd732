"""Cameras of a night that the settings do not name, although they name others. The place across of their regions is not
known, so no roll mark has them: a misspelt name would look like a night without marks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from steelflow.config import FrameSettings
from steelflow.records import Partition
from steelflow.report.footer import each_footer
from steelflow.report.layout import REPORTS, folder
from steelflow.report.own import own_reports
from steelflow.report.unit_summary import read_unit_summary
from steelflow.store.base import Store

_SHOWN = 4


def unnamed_cameras(report: Store, partitions: Iterable[Partition], frame: FrameSettings | None) -> Iterator[str]:
    """A sentence for each line with such cameras. ``frame`` are the settings ``[frame]``."""
    for partition in partitions:
        named = None if frame is None else frame.of(partition.line).cameras
        if not named:
            continue
        files = own_reports(report, report.list(REPORTS + folder(partition)))
        seen = {camera for _, footer in each_footer(report, files) for camera in _cameras(footer.summary)}
        if others := sorted(seen - named.keys()):
            lacking = ", ".join(repr(camera) if camera else "frames without a camera" for camera in others[:_SHOWN])
            yield (
                f"line {partition.line}: [frame.cameras] names {', '.join(map(repr, sorted(named)))} and not "
                f"{lacking}: the place of their regions across the strip is not known, and no roll mark has them"
            )


def _cameras(summary: bytes) -> set[str]:
    """The cameras of the readable frames of a report."""
    told = read_unit_summary(summary) or {}
    pairs = zip(told.get("status", ()), told.get("camera", ()), told.get("length", ()), strict=True)
    return {camera or "" for status, camera, length in pairs if status == "ok" and length is not None}
