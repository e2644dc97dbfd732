"""Labelled images: one folder per class, one file per image. An unreadable file is listed, skipped and counted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.config import LimitSettings
from steelflow.decode import Grey, decode, resize
from steelflow.errors import DataError
from steelflow.records import Failure

SPLIT_RULE = (
    "of each class, the share {share:g} of its images (at least one, never all) whose SHA-256 over "
    "'{seed}:' and the bytes of the file is smallest"
)


@dataclass(frozen=True, slots=True)
class Skipped:
    path: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Dataset:
    """Decoded, resized images with their labels, in the order of their paths."""

    classes: tuple[str, ...]
    images: npt.NDArray[np.uint8]  # (N, S, S)
    labels: npt.NDArray[np.int64]  # (N,), index into classes
    paths: tuple[str, ...]  # relative to the folder that was read
    digests: tuple[bytes, ...]  # SHA-256 of each file
    skipped: tuple[Skipped, ...] = ()

    @property
    def hash(self) -> str:
        """Identifies labels and files; independent of the input size and of files that cannot be read."""
        whole = hashlib.sha256()
        for path, digest in zip(self.paths, self.digests, strict=True):
            whole.update(path.encode() + b"\0" + digest)
        return whole.hexdigest()


def load_folder(root: Path, size: int, limits: LimitSettings | None = None, at_least: int = 2) -> Dataset:
    """Read ``root/<class>/<image>``; names that start with a dot are ignored, and so are folders inside a class.

    ``at_least`` is the number of classes, and of readable images in each, below which there is no data set: training
    needs two of both.

    Returns:
        Images as grey uint8 (N, size, size), resized as inspection does it; classes in alphabetical order.

    Raises:
        DataError: no such folder, or fewer than ``at_least`` classes or readable images in a class.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected one folder per class with images inside")
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(folders) < at_least:
        raise DataError(f"{root}: {len(folders)} class folders; at least {at_least} needed, one folder per class")
    limits = limits or LimitSettings()
    images: list[Grey] = []
    labels: list[int] = []
    paths: list[str] = []
    digests: list[bytes] = []
    skipped: list[Skipped] = []
    for label, folder in enumerate(folders):
        before = len(images)
        for file in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):
            path = f"{folder.name}/{file.name}"
            try:
                data = file.read_bytes()
                picture = decode(data, limits)
            except OSError as exc:
                picture = Failure("unreadable", exc.strerror or type(exc).__name__)
            if isinstance(picture, Failure):
                skipped.append(Skipped(path, picture))
                continue
            images.append(resize(picture, size))
            labels.append(label)
            paths.append(path)
            digests.append(hashlib.sha256(data).digest())
        if len(images) - before < at_least:
            unreadable = sum(item.path.startswith(f"{folder.name}/") for item in skipped)
            raise DataError(
                f"{folder}: {len(images) - before} readable images ({unreadable} unreadable); a class needs at "
                f"least {at_least}: add images or remove the folder"
            )
    return Dataset(
        classes=tuple(folder.name for folder in folders),
        images=np.stack(images),
        labels=np.array(labels, dtype=np.int64),
        paths=tuple(paths),
        digests=tuple(digests),
        skipped=tuple(skipped),
    )


def split(data: Dataset, share: float = 0.2, seed: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Training and held-out indices, stratified, by ``SPLIT_RULE``.

    The rule looks at what is in a file, not at its name or at the other files, so an image keeps its side (but for a
    few at the edge) when a class grows, and copies of one image do not end up on both.
    """
    ranks = np.array([hashlib.sha256(b"%d:" % seed + digest).hexdigest() for digest in data.digests])
    held_out = np.zeros(len(ranks), dtype=bool)
    for label in range(len(data.classes)):
        members = np.flatnonzero(data.labels == label)
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        held_out[members[np.argsort(ranks[members], kind="stable")[:count]]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
