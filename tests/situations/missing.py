"""Nights that miss something. Each is what happens to the archive of a plant of two lines before its second night."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NIGHT = "2026-11-02"  # the second night of the plant of `tests/support/plants.py`


@dataclass(frozen=True, slots=True)
class Situation:
    """``change`` is done to the archive's folder. ``names`` are what the record must name."""

    name: str
    change: Callable[[Path], object]
    state: str
    names: tuple[str, ...] = ()


def _line(folder: Path, line: str) -> Path:
    return folder / f"line={line}" / f"date={NIGHT}"


def _gone(*lines: str) -> Callable[[Path], object]:
    return lambda folder: [shutil.rmtree(_line(folder, line)) for line in lines]


def _copied(to: str, source: str = "L1") -> Callable[[Path], object]:
    return lambda folder: shutil.copytree(_line(folder, source), folder / to)


def _unreadable(folder: Path) -> None:
    for path in _line(folder, "L2").rglob("*.*"):
        path.write_bytes(b"\xff\xd8 no image")


def _packed(folder: Path) -> None:
    (_line(folder, "L1") / "coil=C0009").mkdir()
    (_line(folder, "L1") / "coil=C0009" / "images.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))


def _hours(folder: Path) -> None:
    (coil, *_) = sorted(path for path in _line(folder, "L1").iterdir() if path.is_dir())
    shutil.move(coil, _line(folder, "L1") / "14" / coil.name)


def _cut(at: int) -> Callable[[Path], object]:
    """The end of a tar is lost."""

    def cut(folder: Path) -> None:
        shard = next(_line(folder, "L1").rglob("*.tar*"))
        images = sorted(path for path in _line(folder, "L2").rglob("*.jpg"))[:2]
        with tarfile.TarFile(shard, "w") as archive:
            for image in images:
                archive.add(image, image.name)
            end = archive.fileobj.tell() + 1024  # type: ignore[union-attr]  # it is open
        shard.rename(shard.with_name("cut.tar"))
        with shard.with_name("cut.tar").open("r+b") as file:
            file.truncate(end + at)

    return cut


def _bins(folder: Path) -> None:
    for name in ("#recycle", "@Recycle", "$RECYCLE.BIN", ".Trash-1000", "@eaDir", "lost+found"):
        shutil.copytree(_line(folder, "L1"), folder / name / "old")
        shutil.copytree(_line(folder, "L1"), folder / "line=L1" / name)


NIGHTS = (
    Situation("as usual", lambda _: None, "complete"),
    Situation("no image at all", _gone("L1", "L2"), "empty", ("no images of 2026-11-02", "L1", "L2")),
    Situation("a line that ran lately is missing", _gone("L2"), "incomplete", ("line L2", NIGHT)),
    Situation("a second shift beside the date", _copied(f"line=L1/date={NIGHT}_shift2"), "incomplete", ("_shift2",)),
    Situation("upper case", _copied(f"LINE=L3/DATE={NIGHT}"), "complete"),
    Situation("a folder without a date", _copied("line=L1/incoming"), "incomplete", ("line=L1/incoming",)),
    Situation("a folder of another night", _copied("line=L1/date=2026-11-09_shift2"), "complete"),
    Situation("hours below the date", _hours, "incomplete", ("L1", f"date={NIGHT}/14/")),
    Situation("a line mostly unreadable", _unreadable, "incomplete", ("line L2", "cannot be read")),
    Situation("a shard of a kind that is not opened", _packed, "incomplete", ("images.7z", "unsupported")),
    Situation("a tar that ends in an image", _cut(-1400), "incomplete", (".tar", "truncated")),
    Situation("a tar that ends between images", _cut(-1024), "incomplete", (".tar", "shard_cut")),
    Situation("bins beside the lines", _bins, "complete"),
    Situation("the bin of a NAS", _copied(f"#recycle/line=L1/date={NIGHT}"), "complete"),
    Situation("the bin of Windows", _copied(f"line=L1/$RECYCLE.BIN/date={NIGHT}"), "complete"),
)
