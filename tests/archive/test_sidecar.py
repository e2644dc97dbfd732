"""Sidecars: what they say counts, and what is wrong in them is told and changes nothing."""

from __future__ import annotations

import datetime as dt
import io
import json
import tarfile
import zipfile
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from memory import MemoryStore
from packed import Packed

from steelflow.archive import sidecar
from steelflow.archive.described import SidecarErrors
from steelflow.archive.names import kind_of
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import fingerprint, plan
from steelflow.config import LimitSettings
from steelflow.records import Partition, RawImage, Unit

TEMPLATE = KeyTemplate("line={line}/date={date}/coil={coil}/{camera}_{frame}_{name}")
LIMITS = LimitSettings()
HERE = Partition("L1", dt.date(2026, 11, 18))
NIGHT = "line=L1/date=2026-11-18/"
FOLDER = NIGHT + "coil=C1/"
AT = dt.datetime(2026, 11, 18, 22, 15, tzinfo=dt.UTC)
FULL = {
    "name": "cam1_7_a.png",
    "coil": "C9",
    "position": 12.5,
    "captured_at": AT,
    "camera": "left",
    "side": "top",
    "frame": 8,
    "mm_across": 0.5,
    "mm_along": 0.25,
    "grade": "DC04",
}
SAID = ("C9", 12.5, AT, "left", "top", 8, 0.5, 0.25, "DC04")
KEY_SAYS = ("C1", None, None, "cam1", None, 7, None, None, None)


def csv_of(rows: list[dict[str, Any]], comma: str = ",") -> bytes:
    lines = [comma.join(rows[0]), *(comma.join("" if v is None else str(v) for v in row.values()) for row in rows)]
    return "\n".join(lines).encode()


def parquet_of(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def json_of(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, default=str).encode()


def units_of(objects: dict[str, bytes], unit_images: int = 100) -> tuple[MemoryStore, tuple[Unit, ...]]:
    store = MemoryStore(objects)
    found = plan(HERE, store.list(), TEMPLATE, unit_images)
    assert (found.ignored_count, found.ignored_sample) == (0, ())
    return store, found.units


def rows_of(objects: dict[str, bytes], unit_images: int = 100) -> tuple[list[RawImage], SidecarErrors]:
    """The rows of all units, which must have one error list in common: only totals of one unit are looked at."""
    store, units = units_of(objects, unit_images)
    errors = SidecarErrors()
    rows = [row for unit in units for row in read_unit(store, unit, TEMPLATE, LIMITS, errors=errors)]
    return rows, errors


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("frames.csv", csv_of([FULL])),
        ("frames.csv", b"\xef\xbb\xbf" + csv_of([FULL], ";").replace(b"12.5;", b"12,5;").replace(b"0.5;", b"0,5;")),
        ("Frames.CSV", csv_of([FULL], "\t").replace(b"\n", b"\r\n") + b"\r\n\r\n"),
        (
            "frames.csv",
            csv_of([{"exposure": 3, " NAME ": FULL["name"], **{k: v for k, v in FULL.items() if k != "name"}}]),
        ),
        ("frames.json", json_of([FULL])),
        ("frames.json", json.dumps({FULL["name"]: {k: str(v) for k, v in FULL.items() if k != "name"}}).encode()),
        ("frames.parquet", parquet_of([FULL])),
        ("frames.parquet", parquet_of([{**FULL, "coil": "C9", "frame": 8.0}, {**FULL, "name": "-", "frame": None}])),
    ],
)
def test_a_sidecar_says_more_than_the_key(name: str, content: bytes) -> None:
    (row, other), errors = rows_of({FOLDER + FULL["name"]: b"x", FOLDER + "cam1_7_b.png": b"x", FOLDER + name: content})
    assert (row[4:], other[4:]) == (SAID, KEY_SAYS)
    assert (errors.count, errors.sample) == (0, [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"position": "abc"}, "position 'abc' is not a number"),
        ({"position": "1e99"}, "position '1e99' is out of range"),
        ({"position": "nan"}, "position 'nan' is out of range"),
        ({"frame": "7.5"}, "frame '7.5' is not a whole number"),
        ({"frame": "-1"}, "frame '-1' is not a whole number"),
        ({"captured_at": "18.11.2026 23:15"}, "is not a time such as"),
        ({"captured_at": "2026-11-18"}, "is not a time such as"),
        ({"mm_across": "0"}, "mm_across '0' is not above 0"),
        ({"grade": "x" * 300}, "has more than 255 characters"),
    ],
)
@pytest.mark.parametrize("form", [csv_of, json_of])
def test_a_wrong_value_is_told_and_the_key_counts(change: dict[str, str], says: str, form: Any) -> None:
    name = "frames.csv" if form is csv_of else "frames.json"
    (row,), errors = rows_of({FOLDER + FULL["name"]: b"x", FOLDER + name: form([{**FULL, **change}])})
    (column,) = change
    place = list(FULL).index(column) - 1
    assert row[4 + place] == KEY_SAYS[place]
    assert [v for i, v in enumerate(row[4:]) if i != place] == [v for i, v in enumerate(SAID) if i != place]
    assert errors.count == 1
    assert says in errors.sample[0]
    assert errors.sample[0].startswith(f"{FOLDER}{name} ")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("frames.csv", b"\xff\xfea", "is not UTF-8"),
        ("frames.csv", b"", "has no column 'name'"),
        ("frames.csv", b"name,coil,coil\ncam1_7_a.png,1,2", "has the column 'coil' twice"),
        ("frames.csv", b"name,coil\ncam1_7_a.png", "line 2 has 1 values for 2 columns"),
        ("frames.csv", b'name,coil\n"cam1_7_a.png', "no later line is read"),
        ("frames.csv", b"name,coil\n,C9", "has no name"),
        ("frames.csv", b"name,positon\ncam1_7_a.png,1", "'position' would be"),
        ("frames.csv", csv_of([FULL, FULL]), "named twice"),
        ("frames.json", b"{", "is not JSON"),
        ("frames.json", b"[" * 100_000, "is not JSON"),
        ("frames.json", b"3", "neither a list of objects nor"),
        ("frames.json", b'{"cam1_7_a.png": 3}', "where the values of an image should be"),
        ("frames.json", b'{"cam1_7_a.png": {}, "cam1_7_a.png": {"coil": "C9"}}', "occurs twice"),
        ("frames.json", b'[{"name": "cam1_7_a.png", "position": NaN}]', "NaN is not a number"),
        ("frames.parquet", b"PAR1", "is not Parquet"),
        ("frames.parquet", parquet_of([FULL])[:-40], "is not Parquet"),
        ("frames.parquet", parquet_of([{"name": "cam1_7_a.png", "coil": "x" * 5000}]), "more than 4,096 characters"),
        ("frames.parquet", parquet_of([{"name": "cam1_7_a.png", "coil": True}]), "coil 'True' is not a text"),
        ("frames.csv", b"name\n" + b"x" * sidecar.MAX_BYTES, "write a sidecar per folder"),
    ],
)
def test_a_damaged_sidecar_is_told_and_changes_nothing(name: str, content: bytes, says: str) -> None:
    (row,), errors = rows_of({FOLDER + "cam1_7_a.png": b"x", FOLDER + name: content})
    assert row[4:] == KEY_SAYS
    assert says in errors.sample[0]
    assert "\n" not in errors.sample[0]
    assert errors.count >= 1


def test_too_many_rows_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "MAX_ROWS", 2)
    rows = [{**FULL, "name": f"cam1_{i}_a.png"} for i in range(4)]
    for name, content in (("frames.csv", csv_of(rows)), ("frames.parquet", parquet_of(rows))):
        found, errors = rows_of({FOLDER + "cam1_3_a.png": b"x", FOLDER + name: content})
        assert found[0].coil == "C1"
        assert "too many" in errors.sample[0] or "more than 2 rows" in errors.sample[0]


def test_the_inner_folder_counts_more_and_formats_of_one_folder_add_up() -> None:
    objects = {FOLDER + f"cam1_{i}_a.png": b"x" for i in (1, 2, 3)}
    outer = [{"name": f"coil=C1/cam1_{i}_a.png", "grade": "outer", "coil": "outer"} for i in (1, 2, 3)]
    objects[NIGHT + "frames.csv"] = csv_of(outer)
    objects[FOLDER + "frames.json"] = json_of([{"name": "./cam1_1_a.png", "coil": "inner"}])
    objects[FOLDER + "frames.csv"] = csv_of([{"name": ".\\cam1_2_a.png", "coil": "other"}])
    rows, errors = rows_of(objects)
    assert [(row.coil, row.grade) for row in rows] == [("inner", "outer"), ("other", "outer"), ("outer", "outer")]
    assert (errors.count, errors.unused) == (0, {})


def test_names_without_an_image_are_counted_across_units() -> None:
    objects = {FOLDER + f"cam1_{i}_a.png": b"x" for i in range(40)}
    objects[FOLDER + "frames.csv"] = csv_of([{"name": f"cam1_{i}_a.png", "grade": "g"} for i in range(41)])
    store, units = units_of(objects, 10)
    assert len(units) > 2
    totals = []
    for unit in units:
        errors = SidecarErrors()
        assert {row.grade for row in read_unit(store, unit, TEMPLATE, LIMITS, errors=errors)} == {"g"}
        totals.append(errors.unused[FOLDER + "frames.csv"])
    assert {total for total, _, _ in totals} == {41}
    assert sum(used for _, used, _ in totals) == 40


def packed(*entries: tuple[str, bytes]) -> bytes:
    tar = Packed(tarfile.PAX_FORMAT)
    for name, data in entries:
        tar.add(name, data)
    return tar.done()


def zipped(*entries: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


INSIDE = ("./d/frames.csv", csv_of([{"name": "cam1_2_b.png", "grade": "inside"}]))
IMAGES = (("cam1_1_a.png", b"x"), ("d/cam1_2_b.png", b"x"))


@pytest.mark.parametrize(
    ("key", "content", "grades"),
    [
        ("n.tar", packed(INSIDE, *IMAGES), [None, "inside"]),
        ("n.zip", zipped(*IMAGES, INSIDE), [None, "inside"]),
        ("n.tar", packed(*IMAGES, INSIDE), [None, None]),  # a tar is read forwards only
    ],
)
def test_a_sidecar_in_a_shard(key: str, content: bytes, grades: list[str | None]) -> None:
    rows, errors = rows_of({FOLDER + key: content})
    assert [row.grade for row in rows] == grades
    late = {} if "inside" in grades else {f"{FOLDER}{key}/d/frames.csv": (1, 0, (f"{FOLDER}d/cam1_2_b.png",))}
    assert (errors.count, errors.unused) == (0, late)


@pytest.mark.parametrize("name", ["cam1_1_a.png", "n.tar/cam1_1_a.png"])
def test_a_sidecar_beside_a_shard_describes_its_members(name: str) -> None:
    rows, errors = rows_of({FOLDER + "n.tar": packed(*IMAGES), FOLDER + "frames.csv": csv_of([{**FULL, "name": name}])})
    assert [row[4:] for row in rows] == [SAID, ("C1", None, None, None, None, None, None, None, None)]
    assert errors.unused == {}


def test_a_corrected_sidecar_changes_the_fingerprints_of_its_units_alone() -> None:
    def prints(objects: dict[str, bytes]) -> dict[str, str]:
        return {unit.id: fingerprint(unit, "m", "h") for unit in units_of(objects)[1]}

    plain = {FOLDER + "n.tar": b"1", f"{NIGHT}coil=C2/m.tar": b"2", FOLDER + "cam1_1_a.png": b"3"}
    before, first, second = (prints(plain | more) for more in ({}, *({FOLDER + "frames.csv": c} for c in (b"1", b"2"))))
    assert before.keys() == first.keys()
    same = {unit for unit in before if before[unit] == first[unit]}
    assert [unit[:7] for unit in same] == ["shard-m"]
    assert {unit for unit in first if first[unit] == second[unit]} == same


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/frames.csv", "sidecar"),
        ("FRAMES.JSON", "sidecar"),
        ("a/myframes.csv", None),
        ("frames.csv/a", None),
        ("@eaDir/frames.csv", None),
    ],
)
def test_what_is_a_sidecar(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind
