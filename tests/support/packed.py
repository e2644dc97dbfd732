"""Tars built by hand, and the rows that the readers give for them."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field

from memory import MemoryStore

from steelflow.archive.names import Ignored, kind_of
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings
from steelflow.records import Failure, Partition, RawImage, Unit

TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")


FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


LIMITS = LimitSettings(image_bytes=20_000)


def read(
    content: bytes, key: str = "night.tar", ignored: Ignored | None = None, limits: LimitSettings = LIMITS
) -> list[RawImage]:
    store = MemoryStore({key: content})
    unit = Unit("u", Partition(None, None), "shard", (store.info(key),))
    rows = list(read_unit(store, unit, TEMPLATE, limits, ignored))
    assert [row.ordinal for row in rows] == list(range(len(rows)))
    return rows


def good(rows: list[RawImage]) -> list[tuple[str | None, bytes]]:
    return [(row.member, row.data) for row in rows if isinstance(row.data, bytes)]


def codes(rows: list[RawImage]) -> list[tuple[str | None, str]]:
    return [(row.member, row.data.code) for row in rows if isinstance(row.data, Failure)]


@dataclass
class Packed:
    """A tar under construction that remembers where the data of each image ends."""

    layout: int = tarfile.USTAR_FORMAT
    ends: list[tuple[str, bytes, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.buffer = io.BytesIO()
        self.tar = tarfile.TarFile(fileobj=self.buffer, mode="w", format=self.layout)

    def add(self, name: str, data: bytes = b"", **more: object) -> Packed:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        for attribute, value in more.items():
            setattr(info, attribute, value)
        self.tar.addfile(info, io.BytesIO(data))
        if info.isreg() and kind_of(name) == "image":
            self.ends.append((name, data, self.buffer.tell() - -len(data) % 512))
        return self

    def done(self) -> bytes:
        self.end = self.buffer.tell()
        self.tar.close()
        return self.buffer.getvalue()


def header(name: bytes, size: int = 0, kind: bytes = b"0", **at: bytes) -> bytes:
    """A header by hand; ``at`` places bytes, such as ``o482=b"x"``."""
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    block[0:100] = name.ljust(100, b"\0")
    block[124:136] = b"%011o\0" % size
    block[156:157] = kind
    for offset, value in at.items():
        block[int(offset[1:]) : int(offset[1:]) + len(value)] = value
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


END = bytes(1024)


IMAGE = header(b"a.jpg", 3) + padded(b"abc")
