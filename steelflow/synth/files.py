"""The files of a plant: JPEGs, broken JPEGs, and shards with many images. Equal input gives equal bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt
import simplejpeg

ShardKind = Literal["tar", "tar.gz", "zip"]
SHARD_KINDS: tuple[ShardKind, ...] = ("tar", "tar.gz", "zip")

Breakage = Literal["empty", "cut", "text"]
BREAKAGES: tuple[Breakage, ...] = ("empty", "cut", "text")

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def jpeg(picture: npt.NDArray[np.uint8], quality: int) -> bytes:
    """A grey JPEG of a uint8 picture of shape (height, width)."""
    pixels = np.ascontiguousarray(picture[:, :, None])
    return bytes(simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="GRAY"))


def broken(data: bytes, how: Breakage) -> bytes:
    """Break a good JPEG as a full disk, an interrupted transfer or a saved error page does."""
    if how == "empty":
        return b""
    if how == "cut":
        return data[: len(data) // 2]
    return b"HTTP 503: the camera server is busy, try again later\n"


def packed(members: Iterable[tuple[str, bytes]], kind: ShardKind) -> bytes:
    """One shard with (name, data) members, in order. Data that is already compressed is not compressed again."""
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), data)
    elif kind == "tar.gz":
        with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as stream:
            _write_tar(stream, members)
    else:
        _write_tar(buffer, members)
    return buffer.getvalue()


def _write_tar(stream: io.BytesIO | gzip.GzipFile, members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
