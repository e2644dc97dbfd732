"""A coil that two cameras see on each side, with a roll mark, defects at known places, missing and broken frames."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import cv2
import numpy as np
from strip import BRIGHT, Picture, frame, level_model, with_defect

from steelflow.config import (
    ArchiveSettings,
    CameraSettings,
    FrameSettings,
    LineFrame,
    ModelSettings,
    ReportSettings,
    RollSettings,
    Settings,
)

NIGHT = dt.date(2026, 11, 3)  # a Tuesday
TEMPLATE = "line={line}/date={date}/coil={coil}/{side}_{camera}_{position}m_{name}"
HEIGHT, WIDTH = 128, 256  # pixels of a frame
LENGTH = 0.512  # metres of strip that it shows
STEP = 0.5  # metres from a frame to the next
FRAMES = 60  # of a camera
CAMERAS = {"top": ("t1", "t2"), "bottom": ("b1", "b2")}
ACROSS = {"t1": 0.0, "t2": 500.0, "b1": 0.0, "b2": 500.0}  # millimetres; 2 mm per pixel
MISSING = range(20, 26)  # frames of t2 that were never taken
BROKEN = (40, 41, 42)  # frames of b1
ROLL = RollSettings(name="bridle 2", circumference_mm=1256.0)
MARK_ACROSS = 300.0  # millimetres, on the top side


def write_frames(folder: Path, coils: tuple[str, ...] = ("C7001", "C7002")) -> Path:
    """Line L1 with frames of strip, and line L2 with pictures that are judged as a whole."""
    for coil in coils:
        for side, cameras in CAMERAS.items():
            for camera in cameras:
                _write_camera(folder / f"line=L1/date={NIGHT}/coil={coil}", side, camera, clean=coil == "C7002")
    plain = folder / f"line=L2/date={NIGHT}/coil=P0001"
    plain.mkdir(parents=True)
    for number in range(8):
        picture = with_defect(frame(64, 64, number), 8, 8, 48, 48) if number % 2 else frame(64, 64, number)
        cv2.imwrite(str(plain / f"top_t1_{number * STEP:.1f}m_{number:03d}.png"), picture)
    return folder


def _write_camera(folder: Path, side: str, camera: str, clean: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    seed = sum(map(ord, camera))
    chance = np.random.default_rng(seed)
    for number in range(FRAMES):
        picture = frame(HEIGHT, WIDTH, seed + number)
        if not clean and chance.random() < 0.25:
            x, y = (int(value) for value in chance.integers(8, (WIDTH - 60, HEIGHT - 60)))
            picture = with_defect(picture, x, y, int(chance.integers(10, 40)), int(chance.integers(10, 50)), BRIGHT)
        if not clean and camera == "t1":
            picture = _marked(picture, number * STEP)
        if camera == "t2" and number in MISSING:
            continue
        done, data = cv2.imencode(".png", picture)
        assert done
        broken = camera == "b1" and number in BROKEN
        path = folder / f"{side}_{camera}_{number * STEP:.1f}m_{number:03d}.png"
        path.write_bytes(bytes(data)[: 200 if broken else None])


def _marked(picture: Picture, position: float) -> Picture:
    """The marks of the roll that lie in a frame: one each circumference."""
    for turn in range(int(FRAMES * STEP * 1000 / ROLL.circumference)):
        row = round((turn * ROLL.circumference / 1000 + 0.2 - position) * 1000 / 4)
        if 8 <= row <= HEIGHT - 16:
            picture = with_defect(picture, round(MARK_ACROSS / 2) - 8, row - 8, 16, 16)
    return picture


def map_settings(archive: Path, report: Path, model: Path) -> Settings:
    cameras = {name: CameraSettings(across_mm=across) for name, across in ACROSS.items()}
    return Settings(
        home=report.parent / "home",
        archive=ArchiveSettings(uri=str(archive), template=TEMPLATE),
        report=ReportSettings(uri=str(report)),
        model=ModelSettings(ref=str(model), batch_size=64, workers=2),
        frame=FrameSettings(
            mm_across=2.0, mm_along=4.0, cameras=cameras, lines={"L2": LineFrame(judged="whole", cameras={})}
        ),
        rolls=(ROLL,),
    )


def config_of(settings: Settings, more: str = "") -> str:
    """The settings that a dashboard needs, as TOML."""
    return (
        f"home = '{settings.home}'\n[archive]\nuri = '{settings.archive.uri}'\ntemplate = '{TEMPLATE}'\n"
        f"[report]\nuri = '{settings.report.uri}'\n[model]\nref = '{settings.model.ref}'\n"
        f"[dashboard]\nlocal_user = 'anna'\n{more}"
    )


def make(folder: Path) -> Settings:
    """The plant in ``folder``, not inspected yet."""
    archive = write_frames(folder / "images")
    return map_settings(archive, folder / "report", level_model(folder / "levels.onnx"))
