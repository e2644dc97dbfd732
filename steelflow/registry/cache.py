"""Model files on this machine: a folder per digest, checked at every use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from steelflow.errors import RegistryError
from steelflow.registry.version import CARD, MODEL, WEIGHTS, Version, sha256
from steelflow.store.leftovers import clear, own_name

_STEM = "model"
_PART = ".part-"
_KEPT = {WEIGHTS: f"{_STEM}.safetensors", CARD: f"{_STEM}.md", MODEL: f"{_STEM}.onnx"}  # the ONNX file last


def kept(version: Version, cache: Path, read: Callable[[str], bytes]) -> Path:
    """The ONNX file of ``version`` in ``cache``, with its weights and card beside it. A file that is missing there, or
    differs from the manifest, is fetched with ``read``.

    Raises:
        RegistryError: the cache cannot be written to.
        StoreError, RegistryError: from ``read``.
    """
    folder = cache / version.digest
    for name, local in _KEPT.items():
        path = folder / local
        if name not in version.files:
            with contextlib.suppress(OSError):
                path.unlink()
        elif not _is(path, version.files[name].sha256):
            data = read(name)
            try:
                _write(path, data)
            except OSError as exc:
                raise RegistryError(f"{path}: cannot be written: {exc.strerror}; check `home` in the settings") from exc
    return folder / _KEPT[MODEL]


def _is(path: Path, digest: str) -> bool:
    with contextlib.suppress(OSError):
        return sha256(path.read_bytes()) == digest
    return False


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    clear(path.parent, _PART)
    part = path.parent / own_name(_PART)
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
