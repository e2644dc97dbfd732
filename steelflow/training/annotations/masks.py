"""Class folders with masks: 8-bit pictures of the same size, 0 where the surface is good.

A mask is a PNG of the same name beside its picture (``1.jpg`` and ``1.png``, or ``1.png`` and ``1_mask.png``), or it is
below a folder ``masks`` or ``ground_truth``, as MVTec AD writes them. Where no folder names a class, a picture is of
class "defect" if its mask has a pixel above 0, and good otherwise.

Sources: Huang, Qiu, Yuan, "Surface defect saliency of magnetic tile", 2020; Bergmann et al., "MVTec AD", CVPR 2019.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from steelflow.config import LimitSettings
from steelflow.errors import DataError
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.training.annotations.source import Draft, Found, Source, is_picture

NAME = "masks"
TITLE = "class folders with masks"
EXPECTS = "class folders, and a PNG of the same name beside a picture or below masks/ or ground_truth/"
DEFECT = "defect"
# The share of a mask in its two most frequent grey levels. Magnetic tile's masks, with blurred edges, have at least
# 0.97; its pictures have at most 0.48.
MIN_FLAT = 0.75

_MASKS = ("masks", "mask", "ground_truth")
_OF_PICTURES = ("images", "image", "imgs", "img")
_PARTS = ("train", "training", "test", "testing", "val", "valid", "validation")
_ENDINGS = ("_mask", "-mask", "_gt")


def clue(source: Source) -> str | None:
    """What shows that ``source`` is in this format, if it is."""
    if source.given.is_file():
        return None
    masks = _masks(source)
    if not masks or not (set(source.pictures) - set(masks)):
        return None
    first = next(iter(masks))
    if isinstance(look(source.root / first, LimitSettings()), Failure):
        return None
    return f"{len(masks):,} masks, such as {first}"


def read(source: Source) -> Found:
    found = Found()
    masks = _masks(source)
    of_picture: dict[str, str] = {}
    for mask, picture in masks.items():
        if isinstance(picture, Failure):
            found.skip(mask, picture.code, picture.detail)
        elif picture in of_picture:
            raise DataError(f"{source.root / mask}: {picture} has another mask: {of_picture[picture]}; keep one")
        else:
            of_picture[picture] = mask
    for path in source.files:
        if path in masks or ("/" not in path and not is_picture(path)):
            continue
        own = source.root / of_picture[path] if path in of_picture else None
        found.drafts.append(Draft(path, _class_of(path) or _class_by(own), mask=own))
    return found


@dataclass(frozen=True, slots=True)
class Mask:
    """What a mask has: its height and width, and whether any pixel is above 0."""

    size: tuple[int, int]
    marked: bool


def look(path: Path, limits: LimitSettings) -> Mask | Failure:
    """A ``Failure`` if the file cannot be decoded, or looks like a photograph."""
    try:
        mask = decode(path.read_bytes(), limits)
    except OSError as exc:
        return Failure("unreadable", exc.strerror or type(exc).__name__)
    if isinstance(mask, Failure):
        return mask
    counts = np.bincount(mask.ravel(), minlength=256)
    if np.sort(counts)[-2:].sum() < MIN_FLAT * mask.size:
        return Failure("not_a_mask", "it looks like a photograph; a mask is 0 where the surface is good, else above 0")
    return Mask((mask.shape[0], mask.shape[1]), bool(counts[1:].any()))


def _class_by(mask: Path | None) -> str | None:
    """The class of a picture outside class folders: a defect if its mask has one, or cannot be read."""
    seen = None if mask is None else look(mask, LimitSettings())
    return None if seen is None or (isinstance(seen, Mask) and not seen.marked) else DEFECT


def _masks(source: Source) -> dict[str, str | Failure]:
    """Each mask, with its picture."""
    known, found = set(source.pictures), dict[str, str | Failure]()
    apart = [path for path in source.pictures if any(part in _MASKS for part in _folders(path))]
    beside = {path.rpartition(".")[0]: path for path in source.pictures if not path.lower().endswith(".png")}
    for path in source.pictures:
        if path.lower().endswith(".png"):
            stem = path[:-4]
            plain = next((stem.removesuffix(end) for end in _ENDINGS if stem.endswith(end)), None)
            picture = beside.get(stem) or (None if plain is None else beside.get(plain))
            if picture is None and f"{plain}.png" in known:
                picture = f"{plain}.png"
            if picture is not None:
                found[path] = picture
    if apart:
        _match(sorted(known - set(apart)), apart, found)
    return found


def _match(pictures: list[str], apart: list[str], found: dict[str, str | Failure]) -> None:
    """By the path without the folders that only separate masks from pictures; else by class and name."""
    whole, short = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for path in pictures:
        whole[_key(path, _OF_PICTURES)].append(path)
        short[_key(path, (*_OF_PICTURES, *_PARTS))].append(path)
    for mask in apart:
        same = whole[_key(mask, _MASKS)] or short[_key(mask, (*_MASKS, *_PARTS))]
        if len(same) == 1:
            found[mask] = same[0]
        elif same:
            found[mask] = Failure("ambiguous", f"this mask fits {same[0]} and {same[1]}")
        else:
            found[mask] = Failure("missing", "there is no picture for this mask")


def _key(path: str, without: tuple[str, ...]) -> str:
    stem = PurePosixPath(path).stem
    stem = next((stem.removesuffix(end) for end in _ENDINGS if stem.endswith(end)), stem)
    return "/".join([*(part for part in _folders(path) if part not in without), stem])


def _class_of(path: str) -> str | None:
    """The last folder that names a class; None if there is none."""
    folders = PurePosixPath(path).parts[:-1]
    names = [part for part in folders if part.lower() not in (*_MASKS, *_OF_PICTURES, *_PARTS) and "=" not in part]
    return names[-1] if names else None


def _folders(path: str) -> list[str]:
    return [part.lower() for part in PurePosixPath(path).parts[:-1]]
