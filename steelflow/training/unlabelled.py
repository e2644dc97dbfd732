"""Pictures without labels. Teachers say what they show (see ``loss.Loss``); the labels of the other pictures stay true.

Sohn et al. 2020 and Xie et al. 2020 call this self-training: a network that also learns from a model's answers on new
pictures, which it sees disturbed, becomes better than the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelflow.config import LimitSettings
from steelflow.errors import DataError
from steelflow.images.beside import limits_in
from steelflow.images.decode import Grey, decode, resize
from steelflow.records import Failure
from steelflow.training.data import Skipped

NO_LABEL = -1


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """``images`` uint8 (M, S, S) in the order of their paths, with the SHA-256 of each file. ``labelled`` counts the
    files that were left out because the labelled pictures have them."""

    images: npt.NDArray[np.uint8]
    digests: tuple[bytes, ...]
    labelled: int = 0
    skipped: tuple[Skipped, ...] = ()

    @property
    def hash(self) -> str:
        """Identifies the pictures: SHA-256 over the digests."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()


def load_unlabelled(
    folder: Path, size: int, known: Collection[bytes], limits: LimitSettings | None = None
) -> Unlabelled:
    """Read all files in ``folder`` and below it; names that start with a dot are ignored. Copies count once.

    Args:
        size: S; pictures are resized as in inspection.
        known: SHA-256 of labelled pictures, held-out ones too: these are left out.

    Raises:
        DataError: no such folder, or no picture in it is new.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name a folder of pictures without labels")
    limits_of = limits_in(folder, limits)
    taken = dict.fromkeys(known, False)
    images: list[Grey] = []
    digests: list[bytes] = []
    skipped: list[Skipped] = []
    labelled = 0
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if not file.is_file() or any(part.startswith(".") for part in path.parts):
            continue
        try:
            data = file.read_bytes()
        except OSError as exc:
            skipped.append(Skipped(str(path), Failure("unreadable", exc.strerror or type(exc).__name__)))
            continue
        digest = hashlib.sha256(data).digest()
        if digest in taken:
            labelled += not taken[digest]
            continue
        picture = decode(data, limits_of(str(path)))
        if isinstance(picture, Failure):
            skipped.append(Skipped(str(path), picture))
            continue
        taken[digest] = True
        images.append(resize(picture, size))
        digests.append(digest)
    if not images:
        raise DataError(
            f"{folder}: has no new picture ({labelled} are among the labelled ones, {len(skipped)} are unreadable); "
            "name a folder of pictures without labels"
        )
    return Unlabelled(np.stack(images), tuple(digests), labelled, tuple(skipped))
