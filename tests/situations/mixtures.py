"""Random archives: images of all kinds, under right and wrong names, in containers of all kinds, whole and damaged."""

from __future__ import annotations

import io
import random
import tarfile
from dataclasses import dataclass, field

import numpy as np
from archives import COMPRESSIONS, RAR, SEVEN_ZIP, zipped
from PIL import Image

FORMS = {
    "png": "PNG",
    "jpg": "JPEG",
    "JPEG": "JPEG",
    "jfif": "JPEG",
    "bmp": "BMP",
    "dib": "BMP",
    "gif": "GIF",
    "tif": "TIFF",
    "TIFF": "TIFF",
    "webp": "WEBP",
    "jp2": "JPEG2000",
    "pgm": "PPM",
}
NAMES = (
    "{n}.txt",
    "{n}.json",
    "{n}",
    "{n}.bak",
    "img.{n}",
    "{n}.dat",
    "{n}.PNG",
    "{n}.jpg",
    "deep/er/{n}.csv",
    "{n}.log",
)
OTHERS = {"notes.txt": b"a note", "x.json": b"{}", "empty": b"", "Makefile": b"all:\n", "frames.pdf": b"%PDF-1.4"}
HIDDEN = ("{n}.bak", "{n}", "{n}.001", "{n}.txt")


@dataclass(slots=True)
class Mixture:
    """``objects`` of a store. ``images`` has the bytes of each image, and the places that may answer for it: its own,
    and those of the containers around it. A place is a key, or a key, ``|`` and a member."""

    objects: dict[str, bytes] = field(default_factory=dict)
    images: list[tuple[bytes, tuple[str, ...]]] = field(default_factory=list)


def mixture(seed: int) -> Mixture:
    rng = random.Random(seed)
    found = Mixture()
    for name, data, inside in _folder(rng, 0):
        found.objects[name] = data
        for image, path in inside:
            places = tuple(f"{name}|{'/'.join(path[:end])}" for end in range(len(path), 0, -1))
            found.images.append((image, (*places, name)))
    return found


Inside = list[tuple[bytes, tuple[str, ...]]]  # images, and their paths below the entry


def _folder(rng: random.Random, depth: int) -> list[tuple[str, bytes, Inside]]:
    entries: list[tuple[str, bytes, Inside]] = []
    for number in range(rng.randint(0, 5)):
        stem = f"{rng.choice(('', 'a/', 'b c/', 'ü/'))}{depth}{number}"
        if rng.random() < 0.25:
            name = rng.choice(list(OTHERS))
            entries.append((f"{stem}{name}", OTHERS[name], []))
            continue
        form = rng.choice(list(FORMS))
        data = _image(rng, FORMS[form])
        name = f"{stem}.{form}" if rng.random() < 0.6 else rng.choice(NAMES).format(n=stem)
        entries.append((name, data, [(data, ())]))
    count = rng.randint(0, 2) if depth < 5 else 0
    return entries + [_container(rng, f"c{depth}{number}", depth) for number in range(count)]


def _container(rng: random.Random, stem: str, depth: int) -> tuple[str, bytes, Inside]:
    if rng.random() < 0.1:
        suffix, data = rng.choice(((".7z", SEVEN_ZIP), (".rar", RAR)))
        return stem + suffix, data, [(b"nobody can read this", ("?",))]
    inner = _folder(rng, depth + 1)
    suffix = rng.choice([*COMPRESSIONS, ".zip"])
    data = zipped({name: data for name, data, _ in inner}) if suffix == ".zip" else _packed(rng, suffix, inner)
    inside = [(image, (name, *path)) for name, _, images in inner for image, path in images]
    if inside and rng.random() < 0.15:
        data = data[: rng.randint(min(600, len(data) - 1), len(data) - 1)]  # of a tar, more than its first header
    name = stem + suffix if rng.random() < 0.8 else rng.choice(HIDDEN).format(n=stem)
    return name, data, inside


def _packed(rng: random.Random, suffix: str, entries: list[tuple[str, bytes, Inside]]) -> bytes:
    buffer = io.BytesIO()
    form = rng.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.TarFile(fileobj=buffer, mode="w", format=form) as archive:
        for name, data, _ in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    padding = rng.choice((0, 0, 0, 10240, 1 << 20))
    return COMPRESSIONS[suffix](buffer.getvalue() + (bytes(-buffer.tell() % padding) if padding else b""))


def _image(rng: random.Random, form: str) -> bytes:
    grey = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (rng.randint(4, 20), 16), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, form)
    return buffer.getvalue()
