"""A night with a sidecar: its rows, its record, and a correction."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import polars as pl
import pytest
from plants import FOUND, NIGHT, UNITS, local_settings, make_plant

from steelflow.inspection.infer import inspect_source
from steelflow.night.run import NightResult, inspect_night


def test_a_night_tells_what_is_wrong_in_a_sidecar_and_a_correction_is_inspected(tmp_path: Path) -> None:
    plant = make_plant(tmp_path / "plant")
    settings = local_settings(plant, tmp_path / "report")
    plain = inspect_night(settings, NIGHT)
    assert (plain.found, plain.sidecar_errors) == (FOUND, 0)
    image = sorted(plant.rglob("*.jpg"))[0]
    sidecar = image.parent / "frames.csv"

    def run(text: str | None = None) -> tuple[NightResult, list[tuple[str, float | None]]]:
        if text is not None:
            sidecar.write_text(text)
        result = inspect_night(settings, NIGHT)
        rows = pl.scan_parquet(tmp_path / "report/reports/**/*.parquet", hive_partitioning=False)
        own = rows.filter(pl.col("object_key").str.ends_with(image.name)).select("coil", "position").collect()
        return result, own.rows()

    result, rows = run(f"name,coil,position\n{image.name},C77,x\ngone.jpg,C77,1\n")
    assert (result.found, result.ignored, result.sidecar_errors) == (FOUND, plain.ignored, 2)
    assert [row[0] for row in rows] == ["C77"]
    told = result.sidecar_sample
    assert "line 2: position 'x' is not a number" in told[0]
    assert "1 of 2 names have no image" in told[1]
    assert told[1].endswith("gone.jpg")
    record = json.loads(Path(str(result.run_record)).read_text())
    assert (record["sidecar_errors"], record["sidecar_sample"]) == (2, list(told))
    assert result.done_units + result.skipped_units == UNITS
    assert result.skipped_units > 0

    again, _ = run()
    assert (again.done_units, again.sidecar_errors, again.sidecar_sample) == (0, 2, told)

    mended, rows = run(f"name,coil,position\n{image.name},C77,1.5\n")
    assert (mended.sidecar_errors, mended.done_units) == (0, result.done_units)
    assert rows == [("C77", pytest.approx(1.5))]


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_sidecar_behind_its_images_in_a_tar_is_named(tmp_path: Path, where: str) -> None:
    image = sorted(make_plant(tmp_path / "plant").rglob("*.jpg"))[0]
    members = [("a.jpg", image.read_bytes()), ("frames.csv", b"name,position\na.jpg,1.5\n")]
    shard = tmp_path / f"images/line=L1/date={NIGHT}/coil=C1/n.tar"
    shard.parent.mkdir(parents=True)
    with tarfile.open(shard, "w") as tar:
        for name, data in members if where == "behind" else members[::-1]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    alone = inspect_source(str(shard), str(tmp_path / "alone"), settings)
    night = inspect_night(settings, NIGHT)
    for result in (alone, night):
        assert result.sidecar_errors == (where == "behind")
        for told in result.sidecar_sample:
            assert "n.tar/frames.csv: 1 of 1 names have no image behind the sidecar; pack it before its" in told
    positions = pl.read_parquet(alone.files)["position"].to_list()
    assert positions == [None if where == "behind" else 1.5]
