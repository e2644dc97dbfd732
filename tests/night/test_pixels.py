"""A night of images that are not 8-bit grey JPEG: rows with the right brightness, pages, and the note on 12 bits."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pixels import GREY, SITUATIONS, jpeg, one
from plants import local_settings, snapshot

from steelflow.archive.discovery import objects
from steelflow.archive.units import plan
from steelflow.config import LimitSettings, Settings
from steelflow.inspection.pipeline import Inspection
from steelflow.night.run import Night, NightResult, inspect_night
from steelflow.records import Partition, Unit
from steelflow.report.reader import ReportReader
from steelflow.report.record import RunRecord
from steelflow.store import open_store

NIGHT = dt.date(2026, 11, 16)
WIDE = GREY.astype(np.uint16) * 257


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "images").mkdir()
    return local_settings(tmp_path / "images", tmp_path / "report")


def rows_of(settings: Settings) -> pl.DataFrame:
    return ReportReader(open_store(settings.report.uri, settings.store)).images([NIGHT]).collect()


def put(settings: Settings, line: str, name: str, data: bytes) -> None:
    folder = Path(settings.archive.uri) / f"line={line}/date={NIGHT}/coil=C1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def test_rows_have_the_brightness_of_the_picture(settings: Settings) -> None:
    cases = [case for case in SITUATIONS if case.limits == LimitSettings()]
    for number, case in enumerate(cases):
        put(settings, "L1", f"{number:03}.tif", case.data)  # the bytes decide, not the name
    result = inspect_night(settings, NIGHT)
    assert result.found == result.ok + result.failed == len(cases)
    rows = rows_of(settings).sort("object_key").select("status", "error", "brightness").rows()
    for case, (status, error, brightness) in zip(cases, rows, strict=True):
        if isinstance(case.expected, str):
            assert (status, error.partition(":")[0]) == ("failed", case.expected), case.name
        else:
            assert status == "ok", (case.name, error)
            assert brightness == pytest.approx(case.expected.mean(), abs=1), case.name


def of_depth(result: NightResult) -> list[str]:
    """The notes on bits; the shipped model has notes of its own on such pictures."""
    return [note for note in result.notes if "16-bit" in note]


def test_a_line_whose_16_bit_images_are_all_dark_is_named(settings: Settings) -> None:
    put(settings, "L1", "a.jpg", jpeg())
    for line, shift in (("L1", 4), ("L2", 0), ("L3", 6)):
        put(settings, line, "a.tif", one(WIDE >> shift))
        put(settings, line, "b.tif", one(WIDE >> 4))
    put(settings, "L4", "a.jpg", jpeg())
    first = inspect_night(settings, NIGHT)
    for note, line in zip(of_depth(first), ("L1", "L3"), strict=True):
        assert note.startswith(f"line {line}: its 16-bit images (2) never use more than 12 bits")
        assert "limits.sample_bits = 12" in note
    assert first.run_record is not None
    assert RunRecord.from_json(Path(first.run_record).read_bytes(), "here").notes == first.notes

    put(settings, "L4", "b.jpg", jpeg())  # another line changes: what was judged before is still named
    assert of_depth(inspect_night(settings, NIGHT)) == of_depth(first)
    before = snapshot(Path(settings.report.uri))
    again = inspect_night(settings, NIGHT)
    assert (again.done_units, snapshot(Path(settings.report.uri))) == (0, before)

    twelve = settings.model_copy(update={"limits": LimitSettings(sample_bits=12)})
    told = inspect_night(twelve, NIGHT)
    assert of_depth(told) == []
    assert told.failed == 1  # 16 bits of L2, against the setting
    bright = rows_of(twelve).filter(pl.col("object_key").str.ends_with("b.tif"))["brightness"]
    assert bright.to_list() == pytest.approx([GREY.mean()] * 3, abs=0.01)


def test_only_units_that_may_hold_other_formats_have_new_fingerprints(settings: Settings) -> None:
    """A night of JPEG is not inspected again because TIFF is read in another way."""
    for name in ("a.jpg", "b.JPEG"):
        put(settings, "L1", name, jpeg())
    put(settings, "L2", "a.jpg", jpeg())
    put(settings, "L2", "b.png", jpeg())
    night = Night(settings, NIGHT)
    job = night.job()
    for line, differs in (("L1", False), ("L2", True)):
        partition = Partition(line, NIGHT)
        (unit,) = plan(partition, objects(night.archive, night.template, partition), night.template, 100).units
        assert (job.fingerprint(unit) != before(job, unit)) == differs
        named = dataclasses.replace(job, limits=LimitSettings(sample_bits=12))
        assert named.fingerprint(unit) != job.fingerprint(unit)


def before(job: Inspection, unit: Unit) -> str:
    """The fingerprint as it was before there were rules for pixels: for these default limits."""
    limits = '{"image_bytes":67108864,"image_pixels":100000000,"expansion":200}'
    known = [[info.key, info.size, info.etag] for info in unit.objects]
    text = json.dumps([job.model.engine.digest, f"3 {limits} {job.template.text}", known])
    return hashlib.sha256(text.encode()).hexdigest()
