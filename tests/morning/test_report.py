"""The morning report: the same facts as page and PDF, equal to those of the reports, and nothing cut."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pypdfium2
import pytest
from coil_plants import framed, listed
from frame_plants import LINES, NIGHT
from plants import local_settings, make_plant

from steelflow.coils.deciding import decide
from steelflow.coils.decisions import open_decisions
from steelflow.config import NightSettings, Settings
from steelflow.errors import ConfigError, ReportError
from steelflow.morning import pictures
from steelflow.morning.content import Bar, LineRow, Report
from steelflow.morning.files import as_html, as_pdf, write_report
from steelflow.morning.gather import gather
from steelflow.morning.summary import night_summary
from steelflow.night.run import inspect_night
from steelflow.report.rates import rates
from steelflow.report.reader import ReportReader
from steelflow.report.regions import RegionReader
from steelflow.store import open_store

EVIL = "<img src=x onerror=alert(1)>"
REASON = f"pits {EVIL} & 'rust'"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = framed(tmp_path_factory.mktemp("plant"), rules=[{"classes": ["bright"]}], max_unreadable=1)
    inspect_night(settings, NIGHT)
    report = open_store(settings.report.uri, settings.store)
    decide(settings, report, open_decisions(settings), NIGHT, [("L2", "C1")], "released", who="ann", reason=REASON)
    return settings


@pytest.fixture(scope="module")
def found(plant: Settings) -> Report:
    return gather(plant, NIGHT)


class _Texts(HTMLParser):
    """The texts of a page, and the addresses that it asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.asked: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.asked += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "onerror", "onload")]


def page_of(report: Report) -> _Texts:
    parser = _Texts()
    parser.feed(as_html(report).decode())
    return parser


def words(text: str) -> str:
    """Without white space: a PDF breaks lines where it likes."""
    return re.sub(r"\s+", "", text)


def pdf_pages(report: Report) -> list[str]:
    document = pypdfium2.PdfDocument(as_pdf(report))
    try:
        return [document[number].get_textpage().get_text_bounded() for number in range(len(document))]
    finally:
        document.close()


def test_figures_are_those_of_the_reports(plant: Settings, found: Report) -> None:
    store = open_store(plant.report.uri, plant.store)
    rows = ReportReader(store).images([NIGHT]).collect()
    regions = RegionReader(store).regions([NIGHT]).collect()
    figures = {one.name: (one.value, one.note) for one in found.figures}
    assert figures["Images found"][0] == f"{rows.height:,}"
    assert figures["Unreadable"][0] == f"{rows.filter(status='failed').height:,}"
    known = rates(ReportReader(store).summary([NIGHT]))
    assert figures["Defects per 100 m"] == (known.unit.text(known.rate), f"{regions.height:,} defects")
    assert [(one.line, one.images, one.failed, one.coils) for one in found.lines] == [
        (line, own.height, own.filter(status="failed").height, own["coil"].drop_nulls().n_unique())
        for line in LINES
        for own in [rows.filter(line=line)]
    ]
    assert {one.label: one.number for one in found.pareto} == dict(regions["label"].value_counts().iter_rows())
    assert found.pareto[-1].cumulative == pytest.approx(1)
    assert sorted((one.number for one in found.pareto), reverse=True) == [one.number for one in found.pareto]


def test_coils_to_hold_have_their_reasons_and_pictures(plant: Settings, found: Report) -> None:
    to_hold = {(one.coil.line, one.coil.coil) for one in found.held}
    expected = {coil for coil, one in listed(plant).items() if one.proposed == "held" and one.decision is None}
    assert to_hold == expected
    assert len(expected) == 5
    assert (found.held_more, found.grade) == (0, ())
    assert found.counts == {"held": 0, "to hold": 5, "to grade": 0, "released": 1, "to release": 0}
    for one in found.held:
        assert 1 <= len(one.pictures) <= 3
        for picture in one.pictures:
            assert picture.data is not None
            shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
            assert shown.shape == (240, 240, 3)
            assert re.fullmatch(r"(dark|bright) [01]\.\d\d, \d+\.\d m", picture.caption)
    assert [(one.line, one.coil, one.disposition) for one in found.decided] == [("L2", "C1", "released")]


def test_page_and_pdf_say_the_same(found: Report) -> None:
    page = words("".join(page_of(found).texts))
    (pdf,) = pdf_pages(found)
    for text in (
        found.trust.sentence,
        found.night,
        found.state,
        *(one.value for one in found.figures),
        *(one.coil.coil for one in found.held),
        *(reason for one in found.held for reason in one.coil.proposal.reasons),  # type: ignore[union-attr]  # held
        *(picture.caption for one in found.held for picture in one.pictures),
        *(one.rate for one in found.pareto),
        *(one.text for one in found.lines),
        *found.models,
        "ann",
        REASON,
    ):
        assert words(text) in page, text
        assert words(text) in words(pdf), text


def test_a_page_asks_for_nothing_and_runs_nothing(found: Report) -> None:
    page = page_of(found)
    assert page.asked
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.asked)
    assert EVIL not in as_html(found).decode()


def test_the_same_report_gives_the_same_bytes(plant: Settings, found: Report) -> None:
    again = gather(plant, NIGHT)
    assert (as_pdf(again), as_html(again)) == (as_pdf(found), as_html(found))


def test_a_long_report_has_more_pages_and_all_of_it(found: Report) -> None:
    long = "coil" * 60
    lines = tuple(LineRow(f"line {number}", 10**6, 10, 99, "1.00", "alarm", "word " * 30) for number in range(40))
    bars = tuple(Bar(f"class_{number} {long}", 40 - number, "1.00", 1.0) for number in range(9))
    missing = tuple(f"line L{number}: no images; {'why ' * 20}" for number in range(20))
    full = dataclasses.replace(found, lines=lines, pareto=bars, missing=missing, notes=(long, "铁 Łódź Ω"))
    pages = pdf_pages(full)
    assert len(pages) > 1
    text = words("".join(pages))
    for wanted in ("line39", "class8", "L19:noimages", "\\u94c1ŁódźΩ", long):
        assert wanted in text


def test_nothing_is_drawn_outside_the_page(found: Report) -> None:
    wide = dataclasses.replace(found, plant="W" * 400, models=("m" * 100,))
    document = pypdfium2.PdfDocument(as_pdf(wide))
    for number in range(len(document)):
        picture = np.asarray(document[number].render(scale=1).to_pil().convert("L"))
        assert picture.shape == (842, 596)
        edge = np.concatenate(
            [picture[:14].ravel(), picture[-14:].ravel(), picture[:, :14].ravel(), picture[:, -14:].ravel()]
        )
        assert (edge == 255).all()
    document.close()


def test_whole_images_have_pictures_too(tmp_path: Path) -> None:
    settings = local_settings(make_plant(tmp_path), tmp_path / "report")
    rule = {"rules": [{"min_defects": 1}]}
    settings = settings.model_copy(update={"coils": type(settings.coils).model_validate(rule)})
    inspect_night(settings, NIGHT)
    report = gather(settings, NIGHT)
    assert report.held
    assert all(one.pictures and all(picture.data for picture in one.pictures) for one in report.held)
    assert {one.name for one in report.figures} >= {"Most frequent class"}
    assert len(pdf_pages(report)) == 1


def test_an_image_that_left_the_archive_costs_its_picture_only(tmp_path: Path) -> None:
    settings = framed(tmp_path, rules=[{}], max_unreadable=1)
    inspect_night(settings, NIGHT)
    for path in (tmp_path / "images").rglob("*.*"):
        path.unlink()
    report = gather(settings, NIGHT)
    captions = [picture.caption for one in report.held for picture in one.pictures]
    assert captions
    assert all("it may have expired" in caption for caption in captions)
    assert words(captions[0]) in words("".join(page_of(report).texts))
    assert words(captions[0]) in words("".join(pdf_pages(report)))


def test_a_shift_has_its_own_figures(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "line=L1" / f"date={NIGHT}" / "coil=C1"
    folder.mkdir(parents=True)
    rows = ["name,captured_at"]
    hours = (6, 7, 13, 14, 21, 22, 23, 5)
    for number, hour in enumerate(hours):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((64, 64), 10 * number, np.uint8))
        rows.append(f"{number}.png,2026-11-01T{hour:02d}:59:59")
    (folder / "frames.csv").write_text("\n".join(rows))
    settings = local_settings(tmp_path / "images", tmp_path / "report")
    shifts = {"early": "06:00", "late": "14:00", "night": "22:00"}
    night = NightSettings(timezone="Europe/Berlin", shifts=shifts)
    settings = settings.model_copy(update={"night": night})
    inspect_night(settings, NIGHT)
    images = {name: gather(settings, NIGHT, name).lines for name in shifts}
    assert {name: sum(one.images for one in lines) for name, lines in images.items()} == {
        "early": 3,
        "late": 2,
        "night": 3,
    }
    assert gather(settings, NIGHT, "late").night == "Sun 01 Nov 2026, shift late"
    with pytest.raises(ConfigError, match="have no shift 'noon'; they have early, late, night"):
        gather(settings, NIGHT, "noon")


def test_a_part_of_a_night_has_the_regions_of_its_images(plant: Settings) -> None:
    store = open_store(plant.report.uri, plant.store)
    part = pl.col("position") < 3
    images = ReportReader(store).images([NIGHT]).filter(part).collect()
    keys = ["line", "object_key", "member", "ordinal"]
    regions = RegionReader(store).regions([NIGHT]).collect().join(images, on=keys, how="semi", nulls_equal=True)
    found = night_summary(store, NIGHT, part)
    assert found["images"].sum() == images.height
    counted = found.filter(pl.col("regions") > 0).group_by("label").agg(pl.col("regions").sum())
    assert dict(counted.iter_rows()) == dict(regions["label"].value_counts().iter_rows())


def test_a_shift_needs_times(plant: Settings) -> None:
    night = NightSettings(shifts={"early": "06:00"})
    with pytest.raises(ReportError, match="no image of 2026-11-01 has a time, so its shifts are not known"):
        gather(plant.model_copy(update={"night": night}), NIGHT, "early")


def test_a_night_without_reports_is_an_error(plant: Settings) -> None:
    with pytest.raises(ReportError, match="no reports of 2020-01-01; run `steelflow nightly --date 2020-01-01` first"):
        gather(plant, dt.date(2020, 1, 1))


@pytest.mark.parametrize("name", ["report.doc", "report", "none/report.pdf"])
def test_a_file_that_cannot_be_written_leaves_nothing(found: Report, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"the suffix must be \.pdf or \.html|cannot be written"):
        write_report(found, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_worst_of_every_class_comes_first_and_every_picture_is_of_another_image() -> None:
    scores = {"a": ("pits", 0.99), "b": ("pits", 0.98), "c": ("pits", 0.97), "d": ("scale", 0.6), "e": ("cracks", 0.7)}
    rows = [(name, label, score) for name, (label, score) in scores.items()] + [("a", "seams", 0.95)]
    told = {
        "object_key": [one[0] for one in rows],
        "label": [one[1] for one in rows],
        "score": [one[2] for one in rows],
    }
    found = pl.DataFrame(told).select(
        pl.col(name).cast(kind) if name in told else pl.lit("C1" if name == "coil" else None, kind).alias(name)
        for name, kind in pictures._ROWS.items()
    )
    for most, shown in ((1, "a"), (3, "aed"), (4, "aedb"), (9, "aedbc")):
        kept = pictures._of_classes(pl.concat([pictures._of_classes(found[:3], most), found[3:]]), most)
        assert "".join(pictures._best(kept, most)["object_key"]) == shown


def test_a_picture_is_cut_around_its_region(found: Report) -> None:
    """The dark rectangle of 24×16 pixels is in the middle of a picture that shows 96 pixels of the frame."""
    (picture, *_) = next(one.pictures for one in found.held if one.pictures[0].caption.startswith("dark"))
    assert picture.data is not None
    shown = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_GRAYSCALE)
    rows, columns = np.nonzero(shown < 60)
    assert np.ptp(columns) == pytest.approx(24 * 240 / 96, abs=6)
    assert np.ptp(rows) == pytest.approx(16 * 240 / 96, abs=6)
