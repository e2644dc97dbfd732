from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pytest
from archives import PNG, tar, zipped
from layouts import DAY, LAYOUTS, MEMBERS, NFC, NFD, Layout
from memory import MemoryStore
from plants import FOUND, NIGHT, local_settings, make_plant

from steelflow.archive.discovery import discover, objects
from steelflow.archive.readers import read_unit
from steelflow.archive.template import KeyTemplate
from steelflow.archive.units import plan
from steelflow.config import LimitSettings
from steelflow.errors import ConfigError
from steelflow.night.run import inspect_night
from steelflow.records import Partition


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_layout_is_found_and_read(layout: Layout) -> None:
    template = KeyTemplate(layout.template)
    store = MemoryStore(dict.fromkeys((*layout.keys, *layout.others), PNG))
    line, date, coil = layout.fields
    assert date is not None
    (partition,) = discover(store, template, [date], None if line is None else [line]).partitions
    assert (partition.line, partition.date) == (line, date)
    assert sorted(info.key for info in objects(store, template, partition)) == sorted(layout.keys)
    assert {template.read(key)[:3] for key in layout.keys} == {(line, date, coil)}


def test_only_the_folders_of_a_date_are_listed() -> None:
    keys = [f"L1/{year}/{month:02}/{day:02}/C1/a.png" for year in (2025, 2026) for month in (1, 11) for day in (1, 16)]
    store = MemoryStore(dict.fromkeys(keys, PNG))
    asked: list[str] = []
    plain = store.folders

    class Listed(MemoryStore):
        def folders(self, prefix: str = "") -> object:  # type: ignore[override]  # an iterator, as before
            asked.append(prefix)
            return plain(prefix)

    discover(Listed(store.objects), KeyTemplate("{line}/{year}/{month}/{day}/{coil}/{name}"), [DAY])
    assert asked == ["", "L1/", "L1/2026/", "L1/2026/11/"]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{line}/{year}/{month}/{name}", "{day} is missing"),
        ("{line}/{date}/{day}/{name}", "keep one form"),
        ("{line}/{year}/{month}/{day}_{name}", "{day} is in the file name"),
    ],
)
def test_half_a_date_is_refused(template: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyTemplate(template)
    assert says in str(caught.value)


def test_a_line_is_found_in_either_form_of_its_name() -> None:
    template = KeyTemplate("{line}/{date}/{name}")
    store = MemoryStore({f"{form}/20261116/{form == NFC}.png": PNG for form in (NFC, NFD)})
    for wanted in (NFC, NFD):
        (partition,) = discover(store, template, [DAY], [wanted]).partitions
        assert partition == Partition(NFC, DAY)
        assert len(list(objects(store, template, partition))) == 2


@pytest.mark.parametrize("pack", [tar, zipped])
@pytest.mark.parametrize(("member", "coil"), MEMBERS.values(), ids=MEMBERS.keys())
def test_the_coil_of_a_member_however_it_was_packed(member: str, coil: str, pack: object) -> None:
    key = "line=L1/n.zip" if pack is zipped else "line=L1/n.tar"
    store = MemoryStore({key: zipped({member: PNG}) if pack is zipped else tar({member: PNG})})
    template = KeyTemplate("line={line}/coil={coil}/{name}")
    (unit,) = plan(Partition("L1", None), store.list(), template, 10).units
    (row,) = read_unit(store, unit, template, LimitSettings())
    assert (row.member, row.coil, row.data) == (member, coil, PNG)


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 23), ("Europe/Berlin", 22), ("America/New_York", 4), ("Asia/Kolkata", 17)]
)
def test_times_without_a_zone_are_the_plants(zone: str, hour: int) -> None:
    template = KeyTemplate("{line}/{captured_at}_{name}", zone)
    keys = ("L1/20261116T231500_a.png", "L1/20261116T231500Z_b.png", "L1/c.png")
    sidecar = b"name,captured_at\nc.png,2026-11-16 23:15:00\n"
    store = MemoryStore({**dict.fromkeys(keys, PNG), "L1/frames.csv": sidecar})
    (unit,) = plan(Partition("L1", None), store.list(), template, 10).units
    times = [row.captured_at for row in read_unit(store, unit, template, LimitSettings())]
    assert [time and (time.hour, time.utcoffset()) for time in times] == [
        (h, dt.timedelta(0)) for h in (23, hour, hour)
    ]


def test_system_folders_are_no_lines() -> None:
    folders = ["#recycle", "$RECYCLE.BIN", "@Recycle", ".Trash-0", "@eaDir", "System Volume Information", "lost+found"]
    store = MemoryStore({f"{folder}/20261116/a.png": PNG for folder in [*folders, "L1"]})
    found = discover(store, KeyTemplate("{line}/{date}/{name}"))
    assert (found.partitions, found.strangers) == ((Partition("L1", DAY),), ())


def test_names_that_are_not_unicode_fail_their_rows_and_not_the_night(tmp_path: Path) -> None:
    plant = make_plant(tmp_path / "plant")
    some = next(plant.rglob("*_00001.jpg")).read_bytes()
    for folder in (b"line=L1", b"line=L\xff"):
        path = os.fsencode(plant) + b"/%s/date=%s/coil=\xfe" % (folder, str(NIGHT).encode())
        os.makedirs(path)  # noqa: PTH103  pathlib has no names of bytes
        with open(path + b"/\xff.jpg", "wb") as file:  # noqa: PTH123
            file.write(some)
    settings = local_settings(plant, tmp_path / "report")
    before = inspect_night(settings, NIGHT)
    assert (before.state, before.found, before.failed) == ("incomplete", FOUND + 2, 6 + 2)
    (only,) = before.missing  # the line whose one image has such a name
    assert only.startswith("line L\\xff: 1 of 1 images cannot be read")
    record = json.loads(Path(str(before.run_record)).read_text())
    assert record["lines"] == ["L1", "L2", "L\\xff"]
    assert inspect_night(settings, NIGHT).done_units == 0


@pytest.mark.parametrize(
    ("zone", "days"),
    [("UTC", {16: ["b", "c"], 15: ["a"]}), ("Asia/Kolkata", {16: ["a", "b"], 17: ["c"]})],
)
def test_without_a_date_folder_the_time_gives_the_night(zone: str, days: dict[int, list[str]]) -> None:
    template = KeyTemplate("line={line}/{captured_at}_{name}", zone)
    times = {"a": "20261115T230000Z", "b": "20261116T100000Z", "c": "20261116T200000Z"}
    keys = {name: f"line=L1/{time}_{name}.png" for name, time in times.items()}
    store = MemoryStore({**dict.fromkeys(keys.values(), PNG), "line=L1/odd.png": PNG, "line=L1/frames.csv": b"name\n"})
    found = discover(store, template)
    assert found.partitions == tuple(Partition("L1", dt.date(2026, 11, day)) for day in sorted(days))
    assert found.strangers == ("line=L1/",)
    for day, names in days.items():
        (partition,) = discover(store, template, [dt.date(2026, 11, day)]).partitions
        assert sorted(info.key for info in objects(store, template, partition)) == sorted(
            [*(keys[name] for name in names), "line=L1/frames.csv"]
        )
    assert discover(store, template, [DAY + dt.timedelta(9)]).partitions == ()


@pytest.mark.parametrize("folder", ["LINE=L1/DATE=2026-11-16/COIL=C7/", "Line=L1/Date=20261116/coil=C7/"])
def test_fixed_words_match_in_either_case(folder: str) -> None:
    template = KeyTemplate("line={line}/date={date}/coil={coil}/{name}")
    store = MemoryStore({f"{folder}a.png": PNG, "line=L1/date=2026-11-16/coil=C7/b.png": PNG})
    assert discover(store, template) == discover(store, template, [DAY], ["L1"])
    (partition,) = discover(store, template).partitions
    assert partition == Partition("L1", DAY)
    found = plan(partition, objects(store, template, partition), template, 10)
    assert found.misplaced_count == 0
    assert {row.coil for unit in found.units for row in read_unit(store, unit, template, LimitSettings())} == {"C7"}
    fixed = KeyTemplate("Prod/{line}/{date}/{name}")
    assert discover(MemoryStore({"PROD/L1/20261116/a.png": PNG, "other/L1/20261116/a.png": PNG}), fixed).strangers == ()
    assert len(discover(MemoryStore({"PROD/L1/20261116/a.png": PNG}), fixed).partitions) == 1
