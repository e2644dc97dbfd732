"""The figures of the pages in a real browser, over two nights of strip with regions, beside what Polars counts in the
Parquet files. The files are read without the reader of the project."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import browser
import polars as pl
import pytest
from browser import Shown, opened, settled
from map_plants import NIGHT, ROLL, config_of, make
from playwright.sync_api import Page

from steelflow.night.run import inspect_night
from steelflow.registry import open_registry

pytestmark = [pytest.mark.slow, browser.needs_chromium]
SECOND = NIGHT + dt.timedelta(days=1)


@pytest.fixture(scope="module")
def strip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Two nights, judged by a version of the registry. On the second one L1 has one coil, and ends earlier."""
    folder = tmp_path_factory.mktemp("figures")
    settings = make(folder)
    registry = open_registry(settings)
    registry.register(settings.model.ref, who="ann", reason="levels", metrics={"golden_accuracy": 0.8725})
    registry.promote("v1", who="ann", reason="the first one")
    images = folder / "images"
    for line, coil in (("L1", "C7001"), ("L2", "P0001")):
        shutil.copytree(
            images / f"line={line}/date={NIGHT}/coil={coil}", images / f"line={line}/date={SECOND}/coil={coil}"
        )
    for late in images.glob(f"line=L1/date={SECOND}/*/*_05?.png"):
        late.unlink()
    few = settings.drift.model_copy(update={"min_images": 50, "reference_nights": 1})
    settings = settings.model_copy(
        update={"model": settings.model.model_copy(update={"ref": "champion"}), "drift": few}
    )
    for night in (NIGHT, SECOND):
        inspect_night(settings, night)
    config = folder / "steelflow.toml"
    config.write_text(config_of(settings))
    with browser.dashboard(config, folder / "log") as url, browser.browser() as started:
        yield Shown(settings, url, started)


@pytest.fixture(scope="module")
def rows(strip: Shown) -> pl.DataFrame:
    """The images of both nights."""
    return read(strip, "reports")


@pytest.fixture(scope="module")
def regions(strip: Shown) -> pl.DataFrame:
    return read(strip, "regions")


def read(strip: Shown, what: str) -> pl.DataFrame:
    files = sorted(Path(strip.settings.report.uri, what).rglob("*.parquet"))
    kinds = {"date": pl.Date, "line": pl.String}
    return pl.concat([pl.read_parquet(file, hive_schema=kinds) for file in files], how="diagonal")


def metrics(page: Page) -> dict[str, tuple[str, str]]:
    """Of each figure: its value, and the note below it."""
    found = {}
    for one in page.get_by_test_id("stMetric").all():
        note = one.get_by_test_id("stMetricDelta")
        value = one.get_by_test_id("stMetricValue").inner_text()
        found[one.get_by_test_id("stMetricLabel").inner_text()] = value, note.inner_text() if note.count() else ""
    return found


def table(page: Page, *columns: str) -> list[dict[str, str]]:
    """The rows of the table with these columns, as far as the screen has them."""
    settled(page)
    read = "[...row.querySelectorAll('th, td')].map(cell => cell.textContent)"
    tables = page.evaluate(
        "() => [...document.querySelectorAll('table[role=grid]')].map(one => [...one.querySelectorAll('tr')]"
        f".map(row => {read}))"
    )
    ((head, *body),) = [rows for rows in tables if {*columns} <= {*rows[0]}]
    return [dict(zip(head, row, strict=True)) for row in body]


def defects(rows: pl.DataFrame, regions: pl.DataFrame) -> int:
    """Regions where frames were judged in views, else images of a class that is no good one."""
    whole = rows.filter(pl.col("regions").is_null(), status="ok")
    return regions.height + whole.filter(pl.col("label") != "good").height


def test_tonight(strip: Shown, rows: pl.DataFrame, regions: pl.DataFrame) -> None:
    here, found = rows.filter(date=SECOND), regions.filter(date=SECOND)
    ok = here.filter(status="ok").height
    failed = here.height - ok
    rate = 1000 * defects(here, found) / ok
    with opened(strip.browser, f"{strip.url}/?night={SECOND}") as (page, trouble):
        shown = metrics(page)
        assert shown["Images found"] == (f"{here.height:,}", "no nights to compare with")
        assert shown["Unreadable"][0] == f"{failed}"
        assert shown["Unreadable"][1].startswith(f"{100 * failed / here.height:.2f}")
        assert float(shown["Defects per 1,000 images"][0].replace(",", "")) == pytest.approx(rate, abs=0.5)
        assert shown["Model"] == ("levels", "version v1")
        worst = table(page, "Coil", "Mostly")
        assert len(worst) == here.n_unique(["line", "coil"])
        for one in worst:
            of_coil, marked = (frame.filter(line=one["Line"], coil=one["Coil"]) for frame in (here, found))
            assert int(one["Defects"]) == defects(of_coil, marked)
            assert int(one["Unreadable"]) == of_coil.filter(status="failed").height
            per = 1000 * defects(of_coil, marked) / of_coil.filter(status="ok").height
            assert float(one["Per 1,000 images"]) == pytest.approx(per)
        page.get_by_role("tab", name="Regions of this night").click()
        settled(page)
        listed = {one["Class"]: one for one in table(page, "Class", "Regions")}
        assert {name: int(one["Regions"]) for name, one in listed.items()} == counted(found, "label")
        for name, one in listed.items():
            own = found.filter(label=name)
            assert int(one["Images with one"]) == own.n_unique(["object_key", "member", "ordinal"])
            assert int(one["Area, pixels"]) == own["area"].sum()
        assert trouble == []


def test_defects(strip: Shown, rows: pl.DataFrame, regions: pl.DataFrame) -> None:
    with opened(strip.browser, f"{strip.url}/defects") as (page, trouble):
        shown = {name: value for name, (value, _) in metrics(page).items()}
        ok = rows.filter(status="ok")
        assert shown["Nights"] == "2"
        assert shown["Coils"] == str(rows.n_unique(["date", "line", "coil"]))
        assert shown["Readable images"] == shown["Of these chosen"] == f"{ok.height:,}"
        rate = 1000 * defects(rows, regions) / ok.height
        assert float(shown["Defects per 1,000 images"].replace(",", "")) == pytest.approx(rate, abs=0.5)
        assert shown["Unreadable"].startswith(f"{100 * (rows.height - ok.height) / rows.height:.2f}")
        frames = regions.n_unique(["object_key", "member", "ordinal"])
        assert page.get_by_text(f"{regions.height} regions in {frames} images").count() == 1
        assert trouble == []


def test_coil(strip: Shown, rows: pl.DataFrame, regions: pl.DataFrame) -> None:
    here = rows.filter(date=NIGHT, line="L1", coil="C7001")
    found = regions.filter(date=NIGHT, line="L1", coil="C7001")
    name, most = found["label"].value_counts().sort("count").row(-1)
    metres = here.filter(status="ok").group_by("camera", "side").agg(pl.col("length").sum())["length"].max()
    with opened(strip.browser, f"{strip.url}/coil?night={NIGHT}&line=L1&coil=C7001") as (page, trouble):
        shown = metrics(page)
        assert shown["Images"] == (str(here.height), f"{metres:,.1f} m of strip")
        assert shown["Unreadable"][0] == str(here.filter(status="failed").height)
        value, note = shown["Defects"]
        assert value == str(found.height)
        rate = float(note.partition(" per 100 m")[0].replace(",", ""))
        assert rate == pytest.approx(100 * found.height / metres, rel=0.01)
        assert shown["Mostly"] == (name, f"{most} regions"), "regions, not images"
        assert shown["Mean confidence"][0].startswith(f"{100 * here['confidence'].mean():.1f}")
        assert page.get_by_text(f"{found.height} regions", exact=False).count() >= 1
        (mark,) = table(page, "roll", "marks")
        assert mark["roll"] == ROLL.name
        assert float(mark["period, mm"].split(" ±")[0].replace(",", "")) == pytest.approx(ROLL.circumference, rel=0.01)
        page.get_by_role("tab", name="List").click()
        settled(page)
        first = table(page, "class", "along, m")[0]
        own = found.sort("along", "object_key", "region").row(0, named=True)
        assert first["class"] == own["label"]
        assert float(first["along, m"]) == pytest.approx(own["along"], abs=0.006)
        assert trouble == []


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({}, pl.lit(True)),
        ({"line": "L1"}, pl.col("line") == "L1"),
        (
            {"line": "L1", "coil": "C7001", "status": "unreadable"},
            (pl.col("coil") == "C7001") & (pl.col("status") == "failed"),
        ),
        ({"label": "bright"}, pl.col("label") == "bright"),
    ],
)
def test_images(strip: Shown, rows: pl.DataFrame, asked: dict[str, str], chosen: pl.Expr) -> None:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    with opened(strip.browser, f"{strip.url}/images?night={NIGHT}&{query}") as (page, trouble):
        number = rows.filter(date=NIGHT).filter(chosen).height
        told = page.get_by_text(re.compile(r"^[\d,]+ images? ")).first.inner_text()
        assert told.split()[0] == f"{number:,}"
        assert trouble == []


def test_a_frame(strip: Shown, rows: pl.DataFrame, regions: pl.DataFrame) -> None:
    own = regions.filter(date=NIGHT).sort("score", "object_key").row(-1, named=True)
    key = {"object_key": own["object_key"], "ordinal": own["ordinal"]}
    here = regions.filter(**key)
    row = rows.filter(**key).row(0, named=True)
    asked = f"night={NIGHT}&of=L1&object={own['object_key']}&ordinal={own['ordinal']}"
    with opened(strip.browser, f"{strip.url}/images?{asked}") as (page, trouble):
        noun = "region" if here.height == 1 else "regions"
        assert page.get_by_role("heading", name=f"{here.height} {noun} of defect").count() == 1
        page.set_viewport_size({"width": 1280, "height": 900})
        settled(page)
        cut = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
        assert page.locator('[data-testid="stMetricLabel"] *').evaluate_all(cut) == []
        shown = {name: float(value.rstrip("%")) for name, (value, _) in metrics(page).items()}
        assert shown["Brightness"] == pytest.approx(row["brightness"], abs=0.5)
        assert shown["Contrast"] == pytest.approx(row["contrast"], abs=0.05)
        listed = table(page, "class", "score")
        shown_scores = sorted(float(one["score"]) for one in listed)
        assert shown_scores == pytest.approx(sorted(here["score"]), abs=0.006)
        assert page.get_by_text(f"{row['position']:.1f} m", exact=False).count() >= 1
        assert page.get_by_text("Classified by levels v1", exact=False).count() == 1
        assert trouble == []


def test_drift(strip: Shown, rows: pl.DataFrame) -> None:
    of_line = rows.filter(line="L1", status="ok")
    tonight, before = (of_line.filter(date=night).height for night in (SECOND, NIGHT))
    with opened(strip.browser, f"{strip.url}/drift?night={SECOND}&line=L1") as (page, trouble):
        told = page.get_by_text("readable images", exact=False).first.inner_text()
        assert f"{tonight:,} readable images, judged by levels v1, {before:,} in the reference" in told
        assert trouble == []


def test_models_has_the_name_that_the_reports_have(strip: Shown, rows: pl.DataFrame) -> None:
    (name,) = rows["model_name"].unique()
    (version,) = rows["model_version"].unique()
    with opened(strip.browser, f"{strip.url}/models") as (page, trouble):
        (one,) = table(page, "version", "golden set")
        assert (one["model"], one["version"]) == (name, version)
        assert float(one["golden set"]) == pytest.approx(87.25)
        page.get_by_role("tab", name="Map of a night").click()
        settled(page)
        here = rows.filter(date=SECOND, line="L1")
        told = f"{here.filter(status='ok').height} of {here.height} images of L1"
        assert page.get_by_text(told, exact=False).count() == 1
        assert page.get_by_text(f"judged by {name} {version}", exact=False).count() == 1
        assert trouble == []


def counted(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame.group_by(column).len().iter_rows())
