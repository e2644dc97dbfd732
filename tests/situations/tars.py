"""Tars as packers write them. Each has two images, ``a.png`` and ``b.png``, unless its rows say otherwise."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
from typing import NamedTuple

from archives import PNG, zstd
from packed import END, header, padded

TWO = header(b"a.png", len(PNG)) + padded(PNG) + header(b"b.png", len(PNG)) + padded(PNG)


class Tar(NamedTuple):
    """``rows`` are name and ``ok`` or the code of the failure; None is the shard itself."""

    data: bytes
    rows: tuple[tuple[str | None, str], ...] = (("a.png", "ok"), ("b.png", "ok"))


def filled(size: int) -> bytes:
    """Zeros up to a whole number of records."""
    return TWO + END + bytes(-len(TWO + END) % size)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    def record(text: bytes) -> bytes:
        length = next(n for n in range(len(text) + 2, len(text) + 9) if n == len(str(n)) + 2 + len(text))
        return b"%d %s\n" % (length, text)

    data = b"".join(map(record, records))
    return header(b"pax", len(data), kind) + padded(data)


def linked(name: bytes, target: bytes, kind: bytes = b"1") -> bytes:
    return header(name, 0, kind, o157=target.ljust(100, b"\0"))


def standard(form: int, *names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.TarFile(fileobj=buffer, mode="w", format=form) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.mtime = len(PNG), 2**21 + 1, 1.5
            archive.addfile(info, io.BytesIO(PNG))
    return buffer.getvalue()


LONG = "ä" * 60 + "/" + "x" * 120 + ".png"
LINKED = TWO + linked(b"c.png", b"a.png") + linked(b"d", b"./b.png") + END
THREE = (("a.png", "ok"), ("b.png", "ok"), ("c.png", "ok"), ("d", "ok"))

TARS: dict[str, Tar] = {
    **{f"padded to {size:,} bytes": Tar(filled(size)) for size in (1024, 10240, 65536, 1 << 20, 1 << 22, 20480 * 512)},
    "one block at its end": Tar(TWO + bytes(512)),
    "padding of something else": Tar(TWO + END + b"tape" * 999),
    "a copy that broke off into zeros": Tar(
        TWO + bytes((1 << 21) + 512), (("a.png", "ok"), ("b.png", "ok"), (None, "shard_corrupt"))
    ),
    "two tars, one after the other": Tar(
        filled(10240) + filled(10240), (("a.png", "ok"), ("b.png", "ok"), (None, "shard_corrupt"))
    ),
    "names of pax": Tar(standard(tarfile.PAX_FORMAT, LONG), ((LONG, "ok"),)),
    "names of GNU": Tar(standard(tarfile.GNU_FORMAT, LONG), ((LONG, "ok"),)),
    "a prefix of ustar": Tar(
        header(b"a.png", len(PNG), o345=b"deep/folder") + padded(PNG) + END, (("deep/folder/a.png", "ok"),)
    ),
    "the oldest format": Tar(
        header(b"a.png", len(PNG), b"\0", o257=bytes(255)) + padded(PNG) + END, (("a.png", "ok"),)
    ),
    "what git archive says of all": Tar(pax(b"comment=0123456789abcdef", kind=b"g") + TWO + END),
    "what Solaris says before a file": Tar(pax(b"mtime=1.5", kind=b"X") + TWO + END),
    "a label": Tar(header(b"night of L1", 0, b"V") + TWO + END),
    "hard links": Tar(LINKED, THREE),
    "hard links with names of pax": Tar(
        TWO + pax(b"linkpath=a.png", b"path=c.png") + linked(b"x", b"y") + END, (*THREE[:3],)
    ),
    "hard links with names of GNU": Tar(
        TWO + header(b"l", 6, b"K") + padded(b"a.png\0") + linked(b"c.png", b"cut") + END, (*THREE[:3],)
    ),
    "a hard link to what is not there": Tar(TWO + linked(b"c.png", b"x.png") + END, (*THREE[:2], ("c.png", "link"))),
    "a hard link to itself": Tar(linked(b"c.png", b"c.png") + TWO + END, (("c.png", "link"), *THREE[:2])),
    "a symbolic link": Tar(TWO + linked(b"c.png", b"a.png", b"2") + END, (*THREE[:2], ("c.png", "link"))),
    "a sparse file": Tar(header(b"s.png", 512, b"S") + padded(b"x") + TWO + END, (("s.png", "sparse"), *THREE[:2])),
    **{
        f"hard links, packed by {name}": Tar(pack(LINKED), THREE)
        for name, pack in {"gzip": gzip.compress, "bzip2": bz2.compress, "zstd": zstd}.items()
    },
}
