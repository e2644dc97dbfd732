"""The files of an archive, read without steelflow."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable


def files(stored: Iterable[tuple[str, bytes]]) -> dict[tuple[str, str], bytes]:
    """Every file of an archive by (key, member), member empty for a loose object; read with the standard library."""
    found: dict[tuple[str, str], bytes] = {}
    for key, data in stored:
        if key.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as shard:
                assert shard.testzip() is None
                found |= {(key, name): shard.read(name) for name in shard.namelist()}
        elif ".tar" in key:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz" if key.endswith(".gz") else "r:") as tar:
                found |= {(key, member.name): tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        else:
            found[key, ""] = data
    return found
