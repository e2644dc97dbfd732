"""A night of coils with known defects: frames with regions, and whole images."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from frame_plants import LINES, NIGHT, frame_settings, write_frames
from strip import level_model

from steelflow.coils.decisions import open_decisions
from steelflow.coils.listing import CoilState, coil_list
from steelflow.config import CoilSettings, Settings
from steelflow.store import open_store

CLEAN: dict[str, Any] = {"max_unreadable": 1, "max_novel": 1, "drift": "never", "incomplete": False}
"""Settings that look at the rules alone."""


def framed(folder: Path, **coils: Any) -> Settings:
    """The plant of ``frame_plants``, not inspected yet; the coil C1 has the grade DC04. ``coils``: the settings."""
    archive = write_frames(folder / "images")
    for line in LINES:
        coil = archive / f"line={line}" / f"date={NIGHT}" / "coil=C1"
        names = sorted(path.name for path in coil.iterdir())
        (coil / "frames.csv").write_text("name,grade\n" + "".join(f"{name},DC04\n" for name in names))
    settings = frame_settings(archive, folder / "report", level_model(folder / "levels.onnx"))
    return with_coils(settings, **coils)


def with_coils(settings: Settings, **coils: Any) -> Settings:
    return settings.model_copy(update={"coils": CoilSettings.model_validate(coils)})


def listed(settings: Settings, date: dt.date = NIGHT) -> dict[tuple[str | None, str], CoilState]:
    """The coils of a night by line and name."""
    report = open_store(settings.report.uri, settings.store)
    return {(one.line, one.coil): one for one in coil_list(settings, report, open_decisions(settings), date)}
