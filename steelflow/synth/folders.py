"""Folders and files of a synthetic plant."""

from __future__ import annotations

import shutil
from pathlib import Path

from steelflow.errors import ConfigError


def fresh_folder(out: Path, mark: str, sign: str, maker: str) -> None:
    """Make ``out`` an empty folder. A folder with files is emptied only if its file ``mark`` contains ``sign``.

    Raises:
        ConfigError: the folder is not empty and was not made by ``maker``.
    """
    if out.exists() and any(out.iterdir()):
        if not (out / mark).is_file() or sign not in (out / mark).read_text():
            raise ConfigError(f"{out}: is not empty and was not made by {maker}; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)


def write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
