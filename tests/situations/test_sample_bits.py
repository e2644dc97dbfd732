"""A line whose cameras use 12 of 16 bits, beside one that uses all: the same picture is seen wherever it is decoded."""

from __future__ import annotations

import datetime as dt
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from pixels import GREY, one
from plants import local_settings
from typer.testing import CliRunner

from dashboard.data import sources
from dashboard.media import pictures, thumbnails
from steelflow.archive.fetch import ImageRef, fetch_image
from steelflow.archive.template import KeyTemplate
from steelflow.begin.sample import Seen, sample_frames
from steelflow.cli.main import app
from steelflow.config import LimitSettings, LineLimits, Settings, load_settings
from steelflow.images.decode import decode
from steelflow.inspection.infer import inspect_source
from steelflow.inspection.judge import judge
from steelflow.inspection.pipeline import load_model
from steelflow.labels import open_labels
from steelflow.labels.export import as_folder
from steelflow.labels.intake import Intake, choose_golden, import_labels
from steelflow.night.run import inspect_night
from steelflow.records import RawImage
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.training.annotations import load_annotations
from steelflow.training.data import load_images

NIGHT = dt.date(2026, 11, 16)
LINES = ("L1", "L2", "L3")
TWELVE = LimitSettings(lines={"l3": LineLimits(sample_bits=12)})
WIDE = GREY.astype(np.uint16) * 257
MEAN = pytest.approx(GREY.mean(), abs=0.6)


def key(line: str, name: str = "a.tif") -> str:
    return f"line={line}/date={NIGHT}/coil=C1/{name}"


def picture(line: str, number: int = 0) -> bytes:
    """The known picture as the cameras of the line write it; another number gives other bytes."""
    values = np.roll(WIDE, number, axis=1)
    return one((values >> 4).astype(np.uint16) if line == "L3" else values)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for line in LINES:
        for number, name in enumerate(("a.tif", "b.tif")):
            path = tmp_path / "images" / key(line, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(line, number))
    with tarfile.open(tmp_path / "images" / key("L3", "s.tar"), "w") as tar:
        tar.add(tmp_path / "images" / key("L3", "b.tif"), "m.tif")
    found = local_settings(tmp_path / "images", tmp_path / "report")
    return found.model_copy(update={"limits": TWELVE})


def brightness(settings: Settings) -> dict[str, list[float]]:
    rows = ReportReader(open_store(settings.report.uri, settings.store)).images([NIGHT]).collect()
    return {line: rows.filter(pl.col("line") == line)["brightness"].to_list() for line in LINES}


def test_a_night_and_only_the_line_is_inspected_again(settings: Settings) -> None:
    common = settings.model_copy(update={"limits": LimitSettings()})
    assert inspect_night(common, NIGHT).failed == 0
    assert brightness(common)["L3"] == [pytest.approx(GREY.mean() / 16, abs=0.6)] * 3
    again = inspect_night(settings, NIGHT)
    assert (again.done_units, again.failed) == (2, 0)  # the bucket and the shard of L3
    assert brightness(settings) == {"L1": [MEAN] * 2, "L2": [MEAN] * 2, "L3": [MEAN] * 3}
    assert inspect_night(settings, NIGHT).done_units == 0


@pytest.mark.parametrize("part", ["", "line=L3", f"line=L3/date={NIGHT}/coil=C1", key("L3"), key("L3", "s.tar")])
def test_infer_of_the_archive_and_of_its_parts(settings: Settings, tmp_path: Path, part: str) -> None:
    result = inspect_source(f"{settings.archive.uri}/{part}".rstrip("/"), str(tmp_path / "out"), settings)
    seen = pl.concat(pl.read_parquet(file, columns=["brightness"]) for file in result.files)["brightness"]
    assert result.failed == 0
    assert seen.to_list() == [MEAN] * len(seen)


def _labelled(settings: Settings, tmp_path: Path) -> Intake:
    table = tmp_path / "labels.csv"
    rows = [f"{key(line, name)},{name[0]}" for line in LINES for name in ("a.tif", "b.tif")]
    table.write_text("\n".join(["path,label", *rows]))
    template = KeyTemplate(settings.archive.template)
    return Intake(table, open_store(settings.archive.uri, settings.store), template, settings.limits, {"a", "b"})


def of_labels(settings: Settings, tmp_path: Path) -> Iterator[float]:
    labels = open_labels(settings)
    import_labels(labels, _labelled(settings, tmp_path), "ann")
    with as_folder(labels) as folder:
        yield from load_images(folder, 64, settings.limits).images.mean(axis=(1, 2))
        known = load_annotations(folder, limits=settings.limits)
        yield from (known.read(item)[0].mean() for item in known.items)
    limits_of = labels.limits_of()
    for image in labels.current()["image"]:
        yield level(decode(labels.images.get(image), limits_of(image)))


def of_the_golden_set(settings: Settings, tmp_path: Path) -> Iterator[float]:
    labels = open_labels(settings)
    chosen = choose_golden(labels, _labelled(settings, tmp_path), "ann", "chosen with care")
    limits_of = labels.limits_of()
    yield from (level(decode(data, limits_of(image))) for image, _, data in chosen.load())


def of_beginning(settings: Settings, tmp_path: Path) -> Iterator[float]:
    archive = open_store(settings.archive.uri, settings.store)
    template = KeyTemplate(settings.archive.template)
    yield from (frame.grey.mean() for frame in sample_frames(archive, template, settings.limits, Seen(), frames=60))


def of_judging(settings: Settings, tmp_path: Path) -> Iterator[float]:
    labels = open_labels(settings)
    import_labels(labels, _labelled(settings, tmp_path), "ann")
    limits_of, engine = labels.limits_of(), load_model(settings).engine
    raw = [RawImage(image, None, 0, labels.images.get(image)) for image in labels.current()["image"]]
    yield from judge(raw, engine, settings.limits, lambda image: limits_of(image.key)).quality[:, 0].tolist()


def of_the_dashboard(settings: Settings, tmp_path: Path) -> Iterator[float]:
    archive = open_store(settings.archive.uri, settings.store)
    for image in (*(ImageRef(key(line), None, 0) for line in LINES), ImageRef(key("L3", "s.tar"), "m.tif", 0)):
        data = fetch_image(archive, *image, settings.limits)
        assert isinstance(data, bytes)
        yield level(pictures.grey(data, image))
        small = thumbnails.small(data, image)
        assert isinstance(small, bytes)
        yield float(cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


def level(picture: object) -> float:
    assert isinstance(picture, np.ndarray), picture
    return float(picture.mean())


@pytest.mark.parametrize("way", [of_labels, of_the_golden_set, of_judging, of_beginning, of_the_dashboard])
def test_the_same_picture_everywhere(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[[Settings, Path], Iterator[float]],
) -> None:
    monkeypatch.setattr(sources, "settings", lambda: settings)
    sources._image_limits.clear()
    try:
        found = list(way(settings, tmp_path))
    finally:
        sources._image_limits.clear()
    assert len(found) >= 4
    assert found == [pytest.approx(GREY.mean(), abs=1.5)] * len(found)


def test_settings_by_file_and_by_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "steelflow.toml"
    file.write_text("[limits]\nsample_bits = 10\n[limits.lines.L3]\nsample_bits = 12\n")
    monkeypatch.setenv("STEELFLOW_LIMITS__LINES__L4__SAMPLE_BITS", "14")
    limits = load_settings(file).limits
    assert [limits.of(line).sample_bits for line in ("L3", "l3", "L4", "L1", None)] == [12, 12, 14, 10, 10]
    assert limits.of("L3").lines == {}
    shown = CliRunner().invoke(app, ["--config", str(file), "config", "show", "--json"])
    assert json.loads(shown.stdout)["limits"]["lines"]["L3"] == {"sample_bits": 12}
