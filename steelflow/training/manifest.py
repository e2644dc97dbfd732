"""Manifests: a table with the label of each file, for images that are not in one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from steelflow.errors import LONG_NAME, DataError, shown

MANIFESTS = (".csv", ".parquet")
_COLUMNS = ("path", "label")


def list_manifest(file: Path) -> dict[str, list[str]]:
    """Read ``file``: its columns ``path`` (relative to the folder of the manifest) and ``label``, no others.

    Returns:
        The paths of each class, both in alphabetical order, so that the order of the rows does not matter.

    Raises:
        DataError: the file cannot be read, a column is missing, or a row has no label, a path outside the folder, or
            the path of an earlier row.
    """
    found: dict[str, str] = {}
    for number, (path, label) in enumerate(read_manifest(file).iter_rows(), 1):
        path, label = inside(path or "", where := f"{file}: row {number}"), (label or "").strip()
        if not label:
            raise DataError(f"{where} has no label; fill it in or remove the row")
        if path in found:
            raise DataError(f"{where} lists {path!r} again; list every file once")
        found[path] = label
    listed: dict[str, list[str]] = {label: [] for label in sorted(set(found.values()))}
    for path in sorted(found, key=lambda path: PurePosixPath(path).parts):
        listed[found[path]].append(path)
    return listed


def inside(path: str, where: str) -> str:
    """``path`` without needless parts. Raises ``DataError`` if it leads out of its folder; ``where`` names the row."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise DataError(
            f"{where} has the path {shown(path, LONG_NAME)}; a path must be inside the folder of the manifest and "
            "relative to it"
        )
    return str(PurePosixPath(path))


def _plain(columns: Sequence[str]) -> dict[str, str]:
    """The names of columns in lower case and without spaces, where that leaves them different."""
    plain = [name.strip().lower() for name in columns]
    return dict(zip(columns, plain if len(set(plain)) == len(plain) else columns, strict=True))


def read_manifest(file: Path, also: Sequence[str] = ()) -> pl.DataFrame:
    """The columns ``path`` and ``label``, and those of ``also`` that the file has, as text.

    Raises:
        DataError: the file cannot be read, or ``path`` or ``label`` is missing.
    """
    try:
        read = pl.read_csv(file, infer_schema=False) if file.suffix.lower() == ".csv" else pl.read_parquet(file)
        read = read.rename({name: plain for name, plain in _plain(read.columns).items() if name != plain})
        missing = [name for name in _COLUMNS if name not in read.columns]
        if not missing:
            wanted = (*_COLUMNS, *(name for name in also if name in read.columns))
            return read.select(pl.col(name).cast(pl.String) for name in wanted)
    except FileNotFoundError as exc:
        raise DataError(f"{file}: no such manifest") from exc
    except (OSError, pl.exceptions.PolarsError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise DataError(f"{file}: cannot be read as a manifest: {reason}") from exc
    raise DataError(
        f"{file}: has no column {' and no column '.join(missing)} (it has {', '.join(read.columns)}); a manifest has "
        "the columns path and label"
    )
