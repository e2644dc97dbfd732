"""Labels as files: a folder per class, or a table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import polars as pl

from steelflow.errors import ConfigError, DataError
from steelflow.labels.boxes import BOX
from steelflow.labels.golden import Golden
from steelflow.labels.snapshot import Snapshot, part_of
from steelflow.labels.store import LabelStore
from steelflow.report.sheets import for_spreadsheets

Format = Literal["folders", "csv", "parquet"]


def write_labels(labels: LabelStore, chosen: Snapshot | Golden, out: Path, kind: Format) -> None:
    """Write ``chosen`` to ``out``, whole or not at all: images in a folder per class, or a table with their references.

    Raises:
        ConfigError: ``out`` is there already, or cannot be written.
        LabelError, StoreError: an image cannot be read.
    """
    with new(out) as draft:
        if kind == "folders":
            draft.mkdir()
            labels.export(chosen, draft)
        elif kind == "csv":
            for_spreadsheets(_table(chosen)).write_csv(draft)
        else:
            _table(chosen).write_parquet(draft)


@contextmanager
def new(out: Path) -> Iterator[Path]:
    """A place for a new file or folder, which becomes ``out`` if nothing goes wrong. It does not exist yet.

    Raises:
        ConfigError: ``out`` is there already, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: is there already; name a new one")
    draft = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        yield draft
        draft.replace(out)
    except OSError as exc:
        raise ConfigError(f"{out}: cannot be written: {exc.strerror}; name another place") from exc
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        draft.unlink(missing_ok=True)


@contextmanager
def as_folder(labels: LabelStore) -> Iterator[Path]:
    """The labels that count, in a temporary folder with a folder per class. Raises ``DataError`` if there are none."""
    with TemporaryDirectory(prefix="steelflow-labels-") as folder:
        if not labels.export(labels.snapshot(), Path(folder)):
            raise DataError(f"{labels.uri}: holds no labels; add some with `steelflow labels import`")
        yield Path(folder)


def left_out(labels: LabelStore, chosen: Snapshot | Golden, part: str | None) -> pl.DataFrame:
    """The labels of retired classes that an export leaves out."""
    if isinstance(chosen, Golden):
        return chosen.chosen.join(chosen.frame, on="image", how="anti")
    golden = labels.golden()
    rows = labels.of_retired_classes()
    if golden is not None:
        rows = rows.join(golden.chosen, on="image", how="anti")
    return rows.filter(pl.Series([part in (None, part_of(image)) for image in rows["image"]], dtype=pl.Boolean))


def _table(chosen: Snapshot | Golden) -> pl.DataFrame:
    """The rows without the columns of the store; a column ``image`` would be read as a path by an import."""
    return chosen.frame.drop("batch", "row", *BOX, "verdict", strict=False).rename({"image": "sha256"})
