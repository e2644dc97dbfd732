"""All real images with the shipped model: the same rows wherever they lie. Needs STEELFLOW_NEU_DIR."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from plants import local_settings

from steelflow.config import Settings, StoreSettings
from steelflow.inspection.infer import inspect_source
from steelflow.store import Store

NewBucket = Callable[[], Store]


@pytest.fixture(scope="module")
def from_folder(neu_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("folder")
    return judged(str(neu_dir), folder / "out", local_settings(folder, folder)).rename({"object_key": "name"})


def judged(source: str, out: Path, settings: Settings) -> pl.DataFrame:
    result = inspect_source(source, str(out), settings)
    assert (result.images, result.failed) == (1440, 0)
    frame = pl.read_parquet(out / "*.parquet")
    kept = [name for name in frame.columns if name.startswith(("p_", "q"))]
    return frame.select("object_key", "member", "label", "confidence", "embedding", "brightness", "sharpness", *kept)


def check(frame: pl.DataFrame, expected: pl.DataFrame, name: str) -> None:
    frame = frame.select(pl.col(name).alias("name"), *expected.columns[2:]).sort("name")
    assert frame.equals(expected.drop("member").sort("name"))


def members(folder: Path) -> list[tuple[str, Path]]:
    return [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.glob("*/*.jpg"))]


def test_labels_are_right(from_folder: pl.DataFrame) -> None:
    """Four fifths of these were seen in training; the figure on the others is in tests/test_models.py."""
    right = from_folder.filter(pl.col("name").str.split("/").list.first() == pl.col("label"))
    assert right.height / from_folder.height > 0.99


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_shards_on_disk(neu_dir: Path, from_folder: pl.DataFrame, tmp_path: Path, kind: str) -> None:
    shard = tmp_path / f"all.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(shard, "w") as archive:
            for name, path in members(neu_dir):
                archive.write(path, name)
    else:
        with tarfile.open(shard, "w:gz" if kind == "tar.gz" else "w") as archive:
            for name, path in members(neu_dir):
                archive.add(path, name)
    check(judged(str(shard), tmp_path / "out", local_settings(tmp_path, tmp_path)), from_folder, "member")


@pytest.mark.parametrize("kind", ["loose", "tar"])
def test_in_s3(
    neu_dir: Path,
    from_folder: pl.DataFrame,
    tmp_path: Path,
    embedded: StoreSettings,
    fresh_bucket: NewBucket,
    kind: str,
) -> None:
    bucket = fresh_bucket()
    if kind == "loose":
        for name, path in members(neu_dir):
            bucket.put(name, path)
    else:
        with tarfile.open(tmp_path / "all.tar", "w") as archive:
            for name, path in members(neu_dir):
                archive.add(path, name)
        bucket.put("all.tar", tmp_path / "all.tar")
    settings = local_settings(tmp_path, tmp_path).model_copy(update={"store": embedded})
    source = bucket.uri if kind == "loose" else f"{bucket.uri}/all.tar"
    column = "object_key" if kind == "loose" else "member"
    check(judged(source, tmp_path / "out", settings), from_folder, column)
