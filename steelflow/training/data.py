"""Read labelled images from a folder per class or a manifest. Unreadable files are skipped, listed and counted."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.config import LimitSettings
from steelflow.errors import DataError
from steelflow.images.beside import limits_in
from steelflow.images.decode import Grey, decode, resize
from steelflow.records import Failure
from steelflow.training.manifest import MANIFESTS, list_manifest

Indices = npt.NDArray[np.int64]

HELD_OUT = 0.2  # share of the images of each class that are used for evaluation
MAX_CLASSES = 256
MAX_NAME = 100  # characters

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
    paths: tuple[str, ...]  # relative to the folder that was read, or to the manifest's folder
    digests: tuple[bytes, ...]  # SHA-256 of each file
    skipped: tuple[Skipped, ...] = ()

    @property
    def hash(self) -> str:
        """Identifies labels and files; independent of the input size and of unreadable files.

        SHA-256 over each path, a zero byte and the SHA-256 of the file. The path gets the prefix ``label/`` unless it
        already starts with it, so class folders and a manifest of them have the same hash.
        """
        whole = hashlib.sha256()
        for label, path, digest in zip(self.labels, self.paths, self.digests, strict=True):
            folder = f"{self.classes[label]}/"
            named = path if path.startswith(folder) else folder + path
            whole.update(named.encode("utf-8", "surrogateescape") + b"\0" + digest)
        return whole.hexdigest()


def load_images(source: Path, size: int, limits: LimitSettings | None = None, at_least: int = 2) -> Dataset:
    """Read labelled images from a folder with a folder per class, or from a manifest (.csv, .parquet).

    ``at_least`` is the smallest number of classes, and of readable images per class. Training needs two of each.

    Returns:
        Images as grey uint8 (N, size, size), resized as in inspection; classes in alphabetical order.

    Raises:
        DataError: see ``load_folder`` and ``manifest.list_manifest``.
    """
    if source.suffix.lower() not in MANIFESTS:
        return load_folder(source, size, limits, at_least)
    return read_images(source, source.parent, list_manifest(source), size, limits, at_least)


def load_folder(root: Path, size: int, limits: LimitSettings | None = None, at_least: int = 2) -> Dataset:
    """Read ``root/<class>/<image>``. Names that start with a dot and folders inside a class are ignored.

    Raises:
        DataError: no such folder, invalid class names, or fewer than ``at_least`` classes or readable images in a
            class.
    """
    if not root.is_dir():
        raise DataError(
            f"{root}: no such folder; expected one folder per class with images inside, or a manifest "
            f"({' or '.join(MANIFESTS)}) with columns path and label"
        )
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    listed = {
        folder.name: [
            f"{folder.name}/{file.name}"
            for file in sorted(folder.iterdir())
            if file.is_file() and not file.name.startswith(".")
        ]
        for folder in folders
    }
    return read_images(root, root, listed, size, limits, at_least)


def read_images(
    source: Path,
    root: Path,
    listed: Mapping[str, Sequence[str]],
    size: int,
    limits: LimitSettings | None,
    at_least: int,
) -> Dataset:
    """Decode ``listed``, the paths (relative to ``root``) of each class. Error messages name ``source``.

    Raises:
        DataError: see ``load_folder``.
    """
    check_classes(source, listed, at_least)
    limits_of = limits_in(root, limits)
    images: list[Grey] = []
    labels: list[int] = []
    paths: list[str] = []
    digests: list[bytes] = []
    skipped: list[Skipped] = []
    for label, (name, of_class) in enumerate(listed.items()):
        before = len(images)
        for path in of_class:
            try:
                data = (root / path).read_bytes()
                picture = decode(data, limits_of(path))
            except OSError as exc:
                picture = Failure("unreadable", exc.strerror or type(exc).__name__)
            if isinstance(picture, Failure):
                skipped.append(Skipped(path, picture))
                continue
            images.append(resize(picture, size))
            labels.append(label)
            paths.append(path)
            digests.append(hashlib.sha256(data).digest())
        readable = len(images) - before
        if readable < at_least:
            raise DataError(
                f"{source}: class {name}: {readable} readable images ({len(of_class) - readable} unreadable); a class "
                f"needs at least {at_least}: add images or remove the class"
            )
    return Dataset(
        classes=tuple(listed),
        images=np.stack(images),
        labels=np.array(labels, dtype=np.int64),
        paths=tuple(paths),
        digests=tuple(digests),
        skipped=tuple(skipped),
    )


def check_classes(source: Path, names: Collection[str], at_least: int) -> None:
    """Raises ``DataError`` for too few or too many classes, for a name that a report cannot hold, and for two spellings
    of one name."""
    if len(names) < at_least:
        raise DataError(
            f"{source}: {len(names)} classes; at least {at_least} needed, one folder or one label per class"
        )
    if len(names) > MAX_CLASSES:
        raise DataError(f"{source}: {len(names)} classes; at most {MAX_CLASSES} allowed: are these folders classes?")
    for name in names:
        if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
            raise DataError(
                f"{source}: {name[:MAX_NAME]!r} is not a valid class name; use 1 to {MAX_NAME} characters that can be "
                "printed"
            )
    alike: dict[str, str] = {}
    for name in sorted(names):
        first = alike.setdefault(re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", name.strip()).casefold()), name)
        if first != name:
            raise DataError(f"{source}: has the classes {first!r} and {name!r}; give one class one name")


def split(
    data: Dataset, share: float = HELD_OUT, seed: int = 0, among: Indices | None = None
) -> tuple[Indices, Indices]:
    """Training and held-out indices, stratified, by ``SPLIT_RULE``; only the images ``among`` if given.

    The rule uses the content of a file, not its name. When a class grows, almost every image stays in its part. Copies
    of one image are always in the same part.
    """
    ranks = np.array([hashlib.sha256(b"%d:" % seed + digest).hexdigest() for digest in data.digests])
    chosen = np.zeros(len(ranks), dtype=bool)
    chosen[slice(None) if among is None else among] = True
    held_out = np.zeros(len(ranks), dtype=bool)
    for label in range(len(data.classes)):
        members = np.flatnonzero(chosen & (data.labels == label))
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        held_out[members[np.argsort(ranks[members], kind="stable")[:count]]] = True
    return np.flatnonzero(chosen & ~held_out), np.flatnonzero(held_out)
