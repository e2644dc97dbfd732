"""The frames that are read to learn good strip: bounded, spread, and the same for the same archive."""

from __future__ import annotations

import datetime as dt
import io
import tarfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelflow.archive.template import KeyTemplate
from steelflow.begin.plan import days
from steelflow.begin.sample import Frame, Seen, sample_frames
from steelflow.begin.views import SIDE, cut_views
from steelflow.config import FrameSettings, LimitSettings, LineFrame, Settings
from steelflow.errors import ConfigError, DataError
from steelflow.store import open_store

TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
NIGHTS = (dt.date(2026, 11, 1), dt.date(2026, 11, 2))


def png(level: int) -> bytes:
    noise = np.random.default_rng(level).integers(0, 50, (60, 60))
    return cv2.imencode(".png", (level + noise).astype(np.uint8))[1].tobytes()


def shard(images: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i in range(images):
            entry = tarfile.TarInfo(f"{i:03}.png")
            data = png(200)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lines and nights; per night six coils of ten loose images, a shard of forty, a broken and a strange file."""
    root = tmp_path_factory.mktemp("archive")
    for line in ("L1", "L2"):
        for night in NIGHTS:
            folder = root / f"line={line}" / f"date={night}"
            for coil in range(6):
                (folder / f"coil=C{coil}").mkdir(parents=True)
                for i in range(10):
                    (folder / f"coil=C{coil}" / f"{i}.png").write_bytes(png(10 * coil))
            (folder / "coil=C0" / "broken.png").write_bytes(b"no image")
            (folder / "coil=C0" / "notes.txt").write_bytes(b"no image either")
            (folder / "coil=S" / "a.tar").parent.mkdir()
            (folder / "coil=S" / "a.tar").write_bytes(shard(40))
    return root


def sampled(archive: Path, seen: Seen | None = None, **how: object) -> list[Frame]:
    store = open_store(str(archive), Settings().store)
    return list(sample_frames(store, TEMPLATE, LimitSettings(), seen or Seen(), **how))  # type: ignore[arg-type]  # options by name


def test_frames_are_of_every_line_and_night_and_of_many_coils(archive: Path) -> None:
    seen = Seen()
    frames = sampled(archive, seen, frames=80)
    assert len(frames) + seen.failed == 80
    assert seen.read == len(frames)
    lines = Counter(frame.line for frame in frames)
    assert all(abs(count - 40) <= 2 for count in lines.values())
    assert len({frame.group for frame in frames}) >= 10
    assert any(frame.group.endswith("/S") for frame in frames)


def test_all_frames_are_read_where_there_are_fewer(archive: Path) -> None:
    seen = Seen()
    frames = sampled(archive, seen, dates=[NIGHTS[0]], lines=["L1"], frames=1000)
    assert (len(frames), seen.failed, seen.listed) == (100, 1, 61)


@pytest.mark.parametrize("whole", [False, True])
def test_the_choice_depends_on_the_seed_alone(archive: Path, whole: bool) -> None:
    first, again, other = (
        Counter(frame.group for frame in sampled(archive, whole=whole, frames=30, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_nights_without_images_are_one_line(archive: Path) -> None:
    with pytest.raises(ConfigError, match="no image of these nights"):
        sampled(archive, dates=[dt.date(2030, 1, 1)])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-01", [dt.date(2026, 11, 1)]),
        ("2026-10-31..2026-11-01", [dt.date(2026, 10, 31), dt.date(2026, 11, 1)]),
        ("2026-11-05, 2026-11-01..2026-11-02", [dt.date(2026, 11, day) for day in (1, 2, 5)]),
        ("pictures/2026-11-01", None),
    ],
)
def test_nights_are_dates_and_ranges(text: str, found: list[dt.date] | None) -> None:
    assert days(text) == found


@pytest.mark.parametrize("text", ["2026-02-30", "2026-11-03..2026-11-01", "2020-01-01..2026-01-01"])
def test_impossible_nights_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=text.split("..", 1)[0]):
        days(text)


def frames_of(*shapes: tuple[int, int], line: str = "L1", level: int = 150) -> list[Frame]:
    return [Frame(np.full(shape, level, np.uint8), line, f"{line}/{i}") for i, shape in enumerate(shapes)]


def test_views_are_cut_as_the_settings_of_the_line_say() -> None:
    frames = frames_of((256, 1600), (300, 900))
    settings = FrameSettings(view=256)
    views = cut_views(frames, settings, wanted=6)
    assert views.pictures.shape == (6, SIDE, SIDE)
    assert views.groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert views.side == 256
    assert cut_views(frames, None).side is None
    assert len(cut_views(frames, None).pictures) == 2
    assert cut_views(frames, FrameSettings(judged="whole")).side is None


def test_views_off_the_strip_are_not_learned() -> None:
    (frame,) = frames_of((256, 1600))
    frame.grey[:, 600:] = 5
    views = cut_views([frame], FrameSettings(background=20, view=224))
    assert 0 < len(views.pictures) < 8
    assert views.pictures.min() > 100


def test_lines_that_are_judged_in_different_ways_need_a_model_each() -> None:
    settings = FrameSettings(lines={"L2": LineFrame(judged="whole")})
    with pytest.raises(DataError, match="--lines"):
        cut_views(frames_of((300, 300)) + frames_of((300, 300), line="L2"), settings)
