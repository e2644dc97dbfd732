"""Archives as plants have them: containers within containers, images by all their names, bins of NAS systems.

Everything is made here, from a seed. A new situation is one more entry of ``SITUATIONS``.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

Entries = Mapping[str, bytes]

GREY = np.random.default_rng(14).integers(0, 256, (24, 32), np.uint8)


def image(form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, form, **options)
    return buffer.getvalue()


def tar(entries: Entries) -> bytes:
    buffer = io.BytesIO()
    with tarfile.TarFile(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(entries: Entries) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # ZipInfo would replace a backslash on some systems
            archive.writestr(info, data)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PNG, JPEG = image(), image("JPEG")
SEVEN_ZIP, RAR = b"7z\xbc\xaf\x27\x1c" + bytes(60), b"Rar!\x1a\x07\x01\0" + bytes(60)

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tbz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".txz": lzma.compress,
    ".tar.zst": zstd,
    ".tzst": zstd,
}


class Situation(NamedTuple):
    """``rows`` has ``ok``, or the code of the failure, by key or by key and member (``key|member``)."""

    objects: dict[str, bytes]
    rows: dict[str, str]
    ignored: tuple[str, ...] = ()


TWO = {"a.png": PNG, "notes.txt": b"x", "deep/b.jpg": JPEG}

SITUATIONS: dict[str, Situation] = {
    **{
        f"a shard named {suffix}": Situation(
            {f"n{suffix}": pack(tar(TWO))}, {f"n{suffix}|a.png": "ok", f"n{suffix}|deep/b.jpg": "ok"}, ("notes.txt",)
        )
        for suffix, pack in COMPRESSIONS.items()
    },
    **{
        f"a {suffix} in a tar and in a zip": Situation(
            {
                "n.tar": tar({"x.png": PNG, f"in/i{suffix}": pack(tar(TWO)), "y.png": PNG}),
                "n.zip": zipped({"x.png": PNG, f"in/i{suffix}": pack(tar(TWO)), "y.png": PNG}),
            },
            {
                f"{outer}|{member}": "ok"
                for outer in ("n.tar", "n.zip")
                for member in ("x.png", f"in/i{suffix}/a.png", f"in/i{suffix}/deep/b.jpg", "y.png")
            },
            ("notes.txt", "notes.txt"),
        )
        for suffix, pack in COMPRESSIONS.items()
    },
    "a zip in a tar in a tar": Situation(
        {"n.tar": tar({"a.tar": tar({"b.zip": zipped(TWO)})})},
        {"n.tar|a.tar/b.zip/a.png": "ok", "n.tar|a.tar/b.zip/deep/b.jpg": "ok"},
        ("notes.txt",),
    ),
    "deeper than anyone packs": Situation(
        {"n.tar": tar({"a.tar": tar({"b.tar": tar({"c.tar": tar({"d.tar": tar(TWO)})})}), "x.png": PNG})},
        {"n.tar|a.tar/b.tar/c.tar/d.tar": "unsupported", "n.tar|x.png": "ok"},
    ),
    "a damaged shard within a shard": Situation(
        {"n.tar": tar({"a.tar": tar({"p.png": PNG})[:700], "b.tgz": gzip.compress(tar(TWO))[:40], "x.png": PNG})},
        {"n.tar|a.tar/p.png": "truncated", "n.tar|b.tgz": "shard_cut", "n.tar|x.png": "ok"},
    ),
    "containers that nobody here reads": Situation(
        {"n.7z": SEVEN_ZIP, "m.rar": RAR, "o.tar": tar({"i.7z": SEVEN_ZIP, "x.png": PNG}), "p.tar": RAR, "q.zip": RAR},
        {
            "n.7z": "unsupported",
            "m.rar": "unsupported",
            "o.tar|i.7z": "unsupported",
            "o.tar|x.png": "ok",
            "p.tar": "unsupported",
            "q.zip": "unsupported",
        },
    ),
    "other names of image formats": Situation(
        {
            **{f"a{suffix}": JPEG for suffix in (".jpe", ".JFIF", ".pjpeg", ".jif")},
            "a.webp": image("WEBP", lossless=True),
            "a.jp2": image("JPEG2000"),
            "a.j2k": image("JPEG2000", no_jp2=True),
            "a.dib": image("DIB"),
            "a.gif": image("GIF"),
            "a.pgm": image("PPM"),
            "a.heic": bytes(4) + b"ftypheic" + bytes(30),
            "a.jxl": b"\xff\x0a" + bytes(30),
        },
        {
            **{f"a{suffix}": "ok" for suffix in (".jpe", ".JFIF", ".pjpeg", ".jif")},
            **{f"a{suffix}": "ok" for suffix in (".webp", ".jp2", ".j2k", ".dib", ".pgm")},
            "a.gif": "ok",
            "a.heic": "not_an_image",
            "a.jxl": "not_an_image",
        },
    ),
    "files without a suffix": Situation(
        {
            "000123": JPEG,
            "cam.1/frame_7": PNG,
            "x.dat": image("TIFF"),
            "Makefile": b"all:\n",
            "empty": b"",
            "n.tar": tar({"000123": JPEG, "img.0001": PNG, "README": b"BM, hello"}),
            "n.zip": zipped({"000123": JPEG, "img.0001": PNG, "README": b"II* hello"}),
        },
        {
            "000123": "ok",
            "cam.1/frame_7": "ok",
            "x.dat": "ok",
            **{f"n.{kind}|{member}": "ok" for kind in ("tar", "zip") for member in ("000123", "img.0001")},
        },
        ("Makefile", "README", "README", "empty"),
    ),
    "bins and system folders": Situation(
        {
            "a.png": PNG,
            **{
                f"{folder}/b.png": PNG
                for folder in (
                    *("#recycle", "$RECYCLE.BIN", "@Recycle", ".Trash-1000", "@eaDir", "System Volume Information"),
                    *("lost+found", "__MACOSX", "x/#RECYCLE", "$Recycle.Bin"),
                )
            },
        },
        {"a.png": "ok"},
        tuple(
            f"{folder}/b.png"
            for folder in (
                *("#recycle", "$RECYCLE.BIN", "$Recycle.Bin", ".Trash-1000", "@Recycle", "@eaDir"),
                *("System Volume Information", "__MACOSX", "lost+found", "x/#RECYCLE"),
            )
        ),
    ),
}
