"""A folder or file that somebody gave as training data: what is in it, and where the pictures are."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from steelflow.config import MIB
from steelflow.errors import LONG_NAME, DataError, shown
from steelflow.records import Failure
from steelflow.training.annotations.item import Box
from steelflow.training.data import Skipped

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".gif", ".pgm", ".ppm", ".pfm")
MAX_FILES = 5_000_000
_DRIVE = re.compile(r"[A-Za-z]:")
_MOST_JSON = 50  # more of them are notes about single pictures
_BESIDE = ("images", "JPEGImages", "img", "imgs")  # folders of pictures, as labelling programs name them


@dataclass(frozen=True, slots=True)
class Draft:
    """One picture as a format describes it. Without a label, its boxes or its mask decide; without them it is good."""

    path: str  # relative to the source's root
    label: str | None
    boxes: tuple[Box, ...] = ()
    mask: Path | None = None
    group: str | None = None
    size: tuple[int, int] | None = None  # height and width for which the boxes were drawn, if the format says so


@dataclass(slots=True)
class Found:
    """What a format found. Every picture that it leaves out is in ``skipped``."""

    drafts: list[Draft] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, path: str, code: str, detail: str) -> None:
        self.skipped.append(Skipped(path, Failure(code, detail)))


@dataclass(frozen=True)
class Source:
    """``given`` as the user named it; ``root``, the folder of the pictures, if it is another one."""

    given: Path
    elsewhere: Path | None = None
    good: Collection[str] = ()  # names of good classes, in lower case
    _parsed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def folder(self) -> Path:
        """The folder of the annotations."""
        return self.given if self.given.is_dir() else self.given.parent

    @cached_property
    def root(self) -> Path:
        """The folder of the pictures. ``annotations/instances.json`` belongs to the folder above."""
        if self.elsewhere is not None:
            return self.elsewhere
        above = not self.given.is_dir() and self.folder.name.lower() == "annotations"
        return self.folder.parent if above else self.folder

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All files of the source, relative to ``folder`` and sorted; only the file itself if a file was given."""
        return tuple(walked(self.folder)) if self.given.is_dir() else (self.given.name,)

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """All files below ``root`` that are named as pictures, relative to it and sorted."""
        names = self.files if self.root == self.given else walked(self.root)
        return tuple(name for name in names if is_picture(name))

    def named(self, *suffixes: str) -> list[str]:
        return [name for name in self.files if name.lower().endswith(suffixes)]

    def json_files(self) -> list[str]:
        """The JSON files that may describe the whole set: at the top, in ``annotations/``, and Roboflow's."""
        found = [name for name in self.named(".json") if _describes_all(name)]
        return found if len(found) <= _MOST_JSON else []

    def json(self, name: str) -> Any:
        """The content of a JSON file, parsed once. Raises ``DataError``."""
        if name not in self._parsed:
            try:
                self._parsed[name] = json.loads(content(self.folder / name))
            except (ValueError, RecursionError) as exc:
                raise DataError(
                    f"{self.folder / name}: is not valid JSON: {exc}; export the annotations again"
                ) from exc
        return self._parsed[name]

    def find(self, name: str, near: str = "") -> str | Failure:
        """The picture that an annotation calls ``name``; ``near`` is the folder of the annotation.

        It is looked up beside the annotation, below the root and its usual folders, and at last everywhere, if there is
        only one of this name.

        Raises:
            DataError: the name leads out of the folder.
        """
        parts = PurePosixPath(inside(name, self.given)).parts
        wanted = "/".join(parts)
        for folder in (near, "", *_BESIDE):
            path = f"{folder}/{wanted}" if folder else wanted
            if path in self._known:
                return path
        same = [path for path in self._by_name[parts[-1]] if PurePosixPath(path).parts[-len(parts) :] == parts]
        if len(same) == 1:
            return same[0]
        if same:
            return Failure("ambiguous", f"{len(same)} pictures have this name: {same[0]}, {same[1]}")
        return Failure("missing", f"there is no such picture below {self.root}")

    def of_stem(self, stem: str) -> list[str]:
        """The pictures with this name before the suffix."""
        return self._by_stem[stem]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.pictures)

    @cached_property
    def _by_name(self) -> defaultdict[str, list[str]]:
        found = defaultdict[str, list[str]](list)
        for path in self.pictures:
            found[PurePosixPath(path).name].append(path)
        return found

    @cached_property
    def _by_stem(self) -> defaultdict[str, list[str]]:
        found = defaultdict[str, list[str]](list)
        for path in self.pictures:
            found[PurePosixPath(path).stem].append(path)
        return found


def is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURES)


def _describes_all(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return folder.lower() in ("", "annotations") or file == "_annotations.coco.json"


def inside(name: str, where: Path) -> str:
    """``name`` without needless parts. Raises ``DataError`` if it leads out of its folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or "\\" in name or _DRIVE.match(name):
        raise DataError(
            f"{where}: names the picture {shown(name, LONG_NAME)}; a path must be inside the folder and relative to "
            "it, with /"
        )
    return str(PurePosixPath(name))


def content(path: Path, most: int = 256 * MIB) -> bytes:
    """A file of annotations. Raises ``DataError`` if it cannot be read or has more than ``most`` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as exc:
        raise DataError(f"{path}: cannot be read: {exc.strerror}; check the name and the mode") from exc
    if len(data) > most:
        raise DataError(f"{path}: has more than {most // MIB} MiB; export the annotations in parts")
    return data


def walked(folder: Path) -> Iterator[str]:
    """All files below ``folder``, sorted by path, each relative to it. Hidden files and folders are left out. A link to
    a folder above it is not followed."""
    seen = {_identity(folder)}
    found: list[str] = []
    waiting = [(folder, "")]
    while waiting:
        here, before = waiting.pop()
        try:
            entries = list(os.scandir(here))
        except OSError as exc:
            raise DataError(f"{here}: cannot be read: {exc.strerror}; check the name and the mode") from exc
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                found.append(before + entry.name)
            elif (identity := _identity(Path(entry.path))) not in seen:
                seen.add(identity)
                waiting.append((Path(entry.path), f"{before}{entry.name}/"))
        if len(found) > MAX_FILES:
            raise DataError(f"{folder}: has more than {MAX_FILES:,} files; name the folder of the training data")
    yield from sorted(found, key=lambda path: path.split("/"))


def _identity(folder: Path) -> tuple[int, int]:
    try:
        stat = folder.stat()
    except OSError as exc:
        raise DataError(f"{folder}: cannot be read: {exc.strerror}; check the name and the mode") from exc
    return stat.st_dev, stat.st_ino
