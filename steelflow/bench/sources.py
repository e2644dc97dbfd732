"""The same images as loose files, tar files, loose S3 objects and tars in S3."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelflow.archive.names import kind_of
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan
from steelflow.config import ArchiveSettings
from steelflow.errors import DataError
from steelflow.records import Partition, Unit
from steelflow.store import Store
from steelflow.store.local import LocalStore

TEMPLATE = KeyTemplate(ArchiveSettings().template)

_PLACE = "line=L1/date=2026-11-01"
_PER_FOLDER = 500
_PER_TAR = 2500


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    store: Store
    units: tuple[Unit, ...]


def originals(folder: Path | None) -> list[bytes]:
    """The encoded images below ``folder``, or six hundred synthetic images."""
    if folder is None:
        from steelflow.synth import CLASSES, surface
        from steelflow.synth.files import jpeg

        rng = np.random.default_rng(0)
        return [jpeg(surface(CLASSES[i % len(CLASSES)], rng), 90) for i in range(600)]
    found = sorted(path for path in folder.rglob("*") if kind_of(path.name) == "image")
    if not found:
        raise DataError(f"{folder}: contains no images; name a folder with images, or omit --data")
    return [path.read_bytes() for path in found]


def write_loose(folder: Path, images: list[bytes], count: int) -> None:
    """Write ``count`` files. Repeated images are hard links, so the disk stores each image once."""
    for i in range(count):
        path = _loose(folder, i)
        path.parent.mkdir(parents=True, exist_ok=True)
        if i < len(images):
            path.write_bytes(images[i])
        else:
            os.link(_loose(folder, i % len(images)), path)


def _loose(folder: Path, index: int) -> Path:
    return folder / _PLACE / f"coil=C{index // _PER_FOLDER:04d}" / f"{index:07d}.jpg"


def write_tars(folder: Path, images: list[bytes], count: int, per_tar: int = _PER_TAR) -> None:
    (folder / _PLACE).mkdir(parents=True, exist_ok=True)
    for start in range(0, count, per_tar):
        _write_tar(_tar(folder, start), images, range(start, min(start + per_tar, count)))


def write_linked_tars(folder: Path, images: list[bytes], count: int, per_tar: int) -> None:
    """Write ``count`` images in tars of ``per_tar``. All are hard links to one file, so the disk stores it once."""
    (folder / _PLACE).mkdir(parents=True, exist_ok=True)
    _write_tar(_tar(folder, 0), images, range(per_tar))
    for start in range(per_tar, count, per_tar):
        os.link(_tar(folder, 0), _tar(folder, start))


def _tar(folder: Path, start: int) -> Path:
    return folder / _PLACE / f"images-{start:07d}.tar"


def _write_tar(path: Path, images: list[bytes], numbers: range) -> None:
    with tarfile.open(path, "w") as tar:
        for i in numbers:
            data = images[i % len(images)]
            info = tarfile.TarInfo(f"{i:07d}.jpg")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def as_source(name: str, store: Store) -> Source:
    return Source(name, store, plan(Partition(None, None), store.list(), TEMPLATE, 8192).units)


def local(name: str, folder: Path) -> Source:
    return as_source(name, LocalStore(folder))
