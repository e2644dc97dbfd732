"""Any source, any damage: every image found is a row, and the same image gives the same row wherever it lies."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from plants import local_settings
from threadpoolctl import threadpool_info, threadpool_limits

from steelflow.config import Settings
from steelflow.errors import ConfigError, ModelError
from steelflow.inspection.infer import inspect_source
from steelflow.synth import CLASSES, surface


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return local_settings(tmp_path / "unused", tmp_path / "unused")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(seed: int = 0) -> Image.Image:
    return Image.fromarray(surface(CLASSES[seed % 6], np.random.default_rng(seed)))


def png_header(width: int, height: int) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + fields + struct.pack(">I", zlib.crc32(b"IHDR" + fields))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"


def jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


JPEG = encoded(picture(), "JPEG", quality=90)
SIXTEEN = Image.fromarray(np.asarray(picture(1)).astype(np.uint16) * 257)

# name → content and the code of the failure, or None where the image can be judged
LOOSE: dict[str, tuple[bytes, str | None]] = {
    "good.jpg": (JPEG, None),
    "cut.jpg": (JPEG[: len(JPEG) // 2], "truncated"),
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"this is a log file, not an image", "not_an_image"),
    "sixteen.png": (encoded(SIXTEEN, "PNG"), None),
    "palette.png": (encoded(picture(2).convert("P"), "PNG"), None),
    "cmyk.jpg": (encoded(picture(3).convert("CMYK"), "JPEG"), None),
    "colour.jpg": (encoded(picture(3).convert("RGB"), "JPEG"), None),
    "one.png": (encoded(Image.new("L", (1, 1), 7), "PNG"), None),
    "one.jpg": (encoded(Image.new("L", (1, 1), 7), "JPEG"), None),
    "wide.bmp": (encoded(picture().resize((900, 30)), "BMP"), None),
    "grey.tiff": (encoded(picture(), "TIFF"), None),
    "huge.png": (png_header(20_000, 20_000), "too_large"),
    "huge.jpg": (jpeg_header(20_000, 20_000), "too_large"),
    "png-named.jpg": (encoded(picture(4), "PNG"), None),
    "jpg-named.PNG": (JPEG, None),
    "gif-named.bmp": (encoded(picture(4), "GIF"), None),
    "grün und 名前.jpg": (JPEG, None),
    "long-" + "n" * 200 + ".jpg": (JPEG, None),
}


def rows(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "*.parquet")


def with_unknown_colours() -> bytes:
    """A JPEG whose components have ids that libjpeg has no colour space for."""
    data = bytearray(encoded(picture().convert("RGB"), "JPEG"))
    for marker, first in ((b"\xff\xc0", 10), (b"\xff\xda", 5)):
        start = data.index(marker)
        for component in range(3):
            data[start + first + component * (3 if marker == b"\xff\xc0" else 2)] = 200 + component
    adobe = b"\xff\xee" + struct.pack(">H", 14) + b"Adobe" + bytes([0, 100, 0, 0, 0, 0, 9])
    return bytes(data[:2] + adobe + data[2:])


def test_no_damage_to_a_jpeg_ends_a_run(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    rng = np.random.default_rng(0)
    (source / "colours.jpg").write_bytes(with_unknown_colours())
    large = encoded(picture().resize((1200, 1000)), "JPEG")
    scans = large.index(b"\xff\xda")
    (source / "scans.jpg").write_bytes(large[:scans] + large[scans : scans + 10] * 200 + large[scans:])
    for i in range(300):
        data = bytearray(JPEG)
        for place in rng.integers(2, 700, 4):
            data[place] = rng.integers(256)
        (source / f"{i}.jpg").write_bytes(data)
    result = inspect_source(str(source), str(tmp_path / "out"), settings)
    assert result.images == result.ok + result.failed == rows(tmp_path / "out").height == 302
    bomb = rows(tmp_path / "out").filter(pl.col("object_key") == "scans.jpg")["error"].item()
    assert bomb.startswith("bomb")


def check(result_images: int, frame: pl.DataFrame, expected: dict[str, str | None], column: str) -> None:
    assert result_images == frame.height == len(expected)
    codes = dict(zip(frame[column], (error and error.partition(":")[0] for error in frame["error"]), strict=True))
    assert codes == expected


def test_broken_loose_images(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    for name, (content, _) in LOOSE.items():
        (source / name).write_bytes(content)
    result = inspect_source(str(source), str(tmp_path / "out"), settings)
    assert result.images == result.ok + result.failed == len(LOOSE)
    check(result.images, rows(tmp_path / "out"), {n: code for n, (_, code) in LOOSE.items()}, "object_key")


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_broken_members(settings: Settings, tmp_path: Path, kind: str) -> None:
    shard = tmp_path / f"shard.{kind}"
    names = {**LOOSE, "../../outside.jpg": (JPEG, None), "/absolute.jpg": (JPEG, None)}
    if kind == "zip":
        with zipfile.ZipFile(shard, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, (content, _) in names.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(shard, "w:gz" if kind == "tar.gz" else "w") as archive:
            for name, (content, _) in names.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    result = inspect_source(str(shard), str(tmp_path / "out"), settings)
    check(result.images, rows(tmp_path / "out"), {n: code for n, (_, code) in names.items()}, "member")
    assert not (tmp_path.parent / "outside.jpg").exists()


def test_duplicate_member_names_are_two_rows(settings: Settings, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as archive:
        for seed in (1, 2):
            content = encoded(picture(seed), "JPEG")
            info = tarfile.TarInfo("same.jpg")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    inspect_source(str(tmp_path / "twice.tar"), str(tmp_path / "out"), settings)
    frame = rows(tmp_path / "out").sort("ordinal")
    assert frame["member"].to_list() == ["same.jpg", "same.jpg"]
    assert frame["ordinal"].to_list() == [0, 1]
    assert frame["brightness"].n_unique() == 2


def test_cut_tar_keeps_what_came_before(settings: Settings, tmp_path: Path) -> None:
    shard = tmp_path / "cut.tar"
    with tarfile.open(shard, "w") as archive:
        for seed in range(5):
            content = encoded(picture(seed), "JPEG")
            info = tarfile.TarInfo(f"{seed}.jpg")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    os.truncate(shard, shard.stat().st_size // 2)
    result = inspect_source(str(shard), str(tmp_path / "out"), settings)
    assert result.ok >= 1
    assert result.failed == 1
    assert result.images == rows(tmp_path / "out").height


def test_links_bombs_and_encryption_are_rows_not_crashes(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "shards"
    source.mkdir()
    with tarfile.open(source / "links.tar", "w") as archive:
        link = tarfile.TarInfo("passwd.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with zipfile.ZipFile(source / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", b"\0" * 50_000_000)
    with zipfile.ZipFile(source / "secret.zip", "w") as archive:
        archive.writestr("secret.jpg", JPEG)
    content = bytearray((source / "secret.zip").read_bytes())
    content[6] |= 1  # the encryption flag, in the local and in the central header
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (source / "secret.zip").write_bytes(content)
    tarfile.open(source / "empty.tar", "w").close()
    (source / "nothing.tar").write_bytes(b"")
    result = inspect_source(str(source), str(tmp_path / "out"), settings)
    codes = {row["object_key"]: row["error"].partition(":")[0] for row in rows(tmp_path / "out").to_dicts()}
    assert codes == {"links.tar": "link", "bomb.zip": "bomb", "secret.zip": "encrypted", "nothing.tar": "empty"}
    assert (result.ok, result.failed) == (0, 4)


def test_same_rows_whatever_the_batch_and_the_threads(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    for seed in range(70):
        (source / f"{seed:03d}.jpg").write_bytes(encoded(picture(seed), "JPEG"))
    frames = []
    for batch, workers in ((1, 1), (7, 2), (64, 3)):
        out = tmp_path / f"out-{batch}"
        model = settings.model.model_copy(update={"batch_size": batch, "workers": workers})
        inspect_source(str(source), str(out), settings.model_copy(update={"model": model}))
        frames.append(rows(out).drop("run_id", "inferred_at"))
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_no_thread_of_another_library_spins_while_images_are_judged(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jpg").write_bytes(JPEG)

    def threads() -> set[int]:
        return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}

    during: set[int] = set()
    with threadpool_limits(2, user_api="blas"):
        inspect_source(str(source), str(tmp_path / "out"), settings, lambda _: during.update(threads()))
        assert threads() == {2}
    assert during == {1}


def test_again_does_nothing_and_sources_share_a_destination(settings: Settings, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(JPEG)
    out = str(tmp_path / "out")
    first = inspect_source(str(tmp_path / "a"), out, settings)
    inspect_source(str(tmp_path / "b"), out, settings)
    again = inspect_source(str(tmp_path / "a"), out, settings)
    assert (again.images, again.judged, again.files) == (1, 0, first.files)
    assert rows(tmp_path / "out").height == 2


@pytest.mark.parametrize("source", ["missing", "hollow"])
def test_a_source_without_images_is_refused(settings: Settings, tmp_path: Path, source: str) -> None:
    (tmp_path / "hollow").mkdir()
    with pytest.raises(ConfigError, match=source):
        inspect_source(str(tmp_path / source), str(tmp_path / "out"), settings)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_model_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(JPEG)
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    model = settings.model.model_copy(update={"ref": str(tmp_path / "bad.onnx")})
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        inspect_source(str(tmp_path / "x.jpg"), str(tmp_path / "out"), settings.model_copy(update={"model": model}))
    assert not (tmp_path / "out").exists()
