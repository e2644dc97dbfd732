"""A night of frames with known defects: loose, in a tar and in a zip, some of them broken."""

from __future__ import annotations

import datetime as dt
import io
import tarfile
import zipfile
from pathlib import Path

import cv2
from strip import BRIGHT, frame, with_defect

from steelflow.config import ArchiveSettings, FrameSettings, ModelSettings, ReportSettings, Settings

NIGHT = dt.date(2026, 11, 1)
LINES = ("L1", "L2")
FRAMES = 24  # of each line; every third has a defect, every sixth two of them, and one is broken
REGIONS = 8 + 4
TEMPLATE = "line={line}/date={date}/coil={coil}/{position}m_{name}"


def write_frames(folder: Path) -> Path:
    """Write the archive below ``folder``."""
    for line in LINES:
        coils = folder / f"line={line}" / f"date={NIGHT}"
        files = [(f"{i * 0.5}m_{i:03d}.png", png(i)) for i in range(FRAMES)]
        files.append(("99m_cut.png", files[0][1][:100]))
        loose, tarred, zipped = files[:8], files[8:16], files[16:]
        (coils / "coil=C1").mkdir(parents=True)
        for name, data in loose:
            (coils / "coil=C1" / name).write_bytes(data)
        (coils / "coil=C2").mkdir()
        with tarfile.open(coils / "coil=C2" / "0m_frames.tar", "w") as tar:
            for name, data in tarred:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        (coils / "coil=C3").mkdir()
        with zipfile.ZipFile(coils / "coil=C3" / "0m_frames.zip", "w") as zip_file:
            for name, data in zipped:
                zip_file.writestr(name, data)
    return folder


def png(number: int) -> bytes:
    """Frame ``number``: 96 to 120 rows, 400 columns; one is a single row high, one is below a view."""
    height, width = {5: (1, 400), 7: (40, 30)}.get(number, (96 + number, 400))
    picture = frame(height, width, number)
    if number % 3 == 0:
        picture = with_defect(picture, 56, 32, 24, 16)
    if number % 6 == 0:
        picture = with_defect(picture, 304, 48, 16, 24, BRIGHT)
    done, data = cv2.imencode(".png", picture)
    assert done
    return bytes(data)


def frame_settings(archive: Path, report: Path, model: Path) -> Settings:
    return Settings(
        home=report.parent / "home",
        archive=ArchiveSettings(uri=str(archive), template=TEMPLATE),
        report=ReportSettings(uri=str(report)),
        model=ModelSettings(ref=str(model), batch_size=8, workers=2),
        frame=FrameSettings(mm_across=0.5, mm_along=2.0),
    )
