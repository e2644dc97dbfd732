"""``steelflow drift`` on images, reports and profiles, through the command line."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import typer
from nights import DAY, DIGEST, night_rows, put_report
from typer.testing import CliRunner

from steelflow.cli.drift import drift
from steelflow.drift import build_profile
from steelflow.drift.signals import SIGNALS
from steelflow.errors import ConfigError, DriftError, SteelflowError
from steelflow.store.local import LocalStore

runner = CliRunner()
app = typer.Typer()
app.command()(drift)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELFLOW_MODEL__BATCH_SIZE", "32")
    monkeypatch.setenv("STEELFLOW_REPORT__URI", "report")
    monkeypatch.setenv("STEELFLOW_ARCHIVE__URI", "images")
    Path("images").mkdir()


def run(*arguments: str) -> dict[str, object]:
    result = runner.invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def make_images(folder: Path, count: int, light: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        grain = cv2.GaussianBlur(rng.normal(0, 60, (64, 64)).astype(np.float32), (0, 0), rng.uniform(0.5, 2))
        picture = (light * (grain + rng.uniform(90, 130))).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), picture)


@pytest.mark.parametrize("hive", [True, False])
def test_images_of_lines_and_nights(hive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def place(root: str, line: str, night: int) -> Path:
        date = DAY + dt.timedelta(night)
        return Path(root) / (f"line={line}/date={date}/coil=C1" if hive else f"{line}-{night}")

    for line in ("L1", "L2"):
        make_images(place("before", line, 0), 80, 1.0, seed=len(line))
        make_images(place("now", line, 1), 80, 0.6 if line == "L1" else 1.0, seed=7)
    monkeypatch.setenv("STEELFLOW_DRIFT__MIN_IMAGES", "60")
    found = run("--reference", "before", "--current", "now", "--html", "why.html")
    assert found["verdict"] == "alarm"
    lines = {one["line"]: one["verdict"] for one in found["lines"]}
    assert lines == ({"L1": "alarm", "L2": "none"} if hive else {None: "alarm"})
    top = found["signals"][0]
    assert {"line", "signal", "family", "value", "threshold", "share_of_breach", "breach", "severe"} <= set(top)
    assert top["breach"]
    assert any("brightness" in reason for reason in found["reasons"])
    page = Path("why.html").read_text()
    assert page.count("data:image/jpeg") >= 12
    assert "not available" not in page


def test_reports_are_judged_night_by_night() -> None:
    reference = LocalStore(Path("good"), create=True)
    for number in range(3):
        put_report(reference, DAY - dt.timedelta(number + 1), "L1", night_rows(seed=100 + number))
    now = LocalStore(Path("now"), create=True)
    for number, light in enumerate((1.0, 0.85, 0.85)):
        put_report(now, DAY + dt.timedelta(number), "L1", night_rows(seed=number, light=light))
    Path("steelflow.toml").write_text("[drift]\nsevere = 100\n")
    found = run("--reference", "good", "--current", "now")
    assert [night["verdict"] for night in found["nights"]] == ["none", "warn", "alarm"]
    assert (found["verdict"], found["date"]) == ("alarm", str(DAY + dt.timedelta(2)))
    text = runner.invoke(app, ["--reference", "good", "--current", "now"], catch_exceptions=False).stdout
    assert "2 of the last 3 nights" in text


@pytest.mark.parametrize("kind", ["reports", "images"])
def test_two_folders_need_no_server_of_storage(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings, archive and reports are in the embedded S3 server."""
    for name in ("MODEL__BATCH_SIZE", "REPORT__URI", "ARCHIVE__URI"):
        monkeypatch.delenv(f"STEELFLOW_{name}")
    for number, place in enumerate(("good", "now")):
        if kind == "images":
            make_images(Path(place), 60, 1.0 - 0.5 * number, seed=number)
            monkeypatch.setenv("STEELFLOW_DRIFT__MIN_IMAGES", "60")
        else:
            put_report(
                LocalStore(Path(place), create=True), DAY, "L1", night_rows(seed=number, light=1.0 - 0.5 * number)
            )
    assert run("--reference", "good", "--current", "now", "--html", "why.html")["verdict"] == "alarm"
    assert ("data:image/jpeg" in Path("why.html").read_text()) == (kind == "images")
    assert not Path(".steelflow/s3").exists(), "where a server keeps its state"


def test_images_behind_reports_are_read_where_the_embedded_server_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEELFLOW_ARCHIVE__URI")
    make_images(Path(".steelflow/objects/steelflow-images/1"), 600, 0.5, seed=1)
    names = pl.format("1/{}.jpg", pl.int_range(600).cast(pl.String).str.zfill(4))
    now = night_rows(seed=1, light=0.5).with_columns(object_key=names)
    put_report(LocalStore(Path("good"), create=True), DAY, "L1", night_rows(seed=0))
    put_report(LocalStore(Path("now"), create=True), DAY, "L1", now)
    run("--reference", "good", "--current", "now", "--html", "why.html")
    page = Path("why.html").read_text()
    assert "data:image/jpeg" in page.partition("Pictures of the night")[2]
    assert not Path(".steelflow/s3").exists()


def test_the_table_has_a_column_as_wide_as_the_longest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class LongNamed(SIGNALS["brightness"]):  # type: ignore[misc]  # a class that is looked up
        name = "brightness_at_the_edges"

    monkeypatch.setitem(SIGNALS, LongNamed.name, LongNamed)
    for place in ("good", "now"):
        put_report(LocalStore(Path(place), create=True), DAY, "L1", night_rows(seed=len(place)))
    text = runner.invoke(app, ["--reference", "good", "--current", "now"], catch_exceptions=False).stdout
    head, *rows = text[text.index("line ") :].splitlines()[:-1]  # the last line is about accuracy
    assert {row[: head.index("family")].split()[1] for row in rows} == set(SIGNALS)
    assert {row[head.index("family") - 1] for row in rows} == {" "}


def test_a_profile_and_flat_reports() -> None:
    Path("good.parquet").write_bytes(build_profile(night_rows(1500, seed=9), DIGEST))
    flat = night_rows(600, seed=1).with_columns(
        status=pl.lit("ok"), object_key=f"line=L4/date={DAY}/coil=" + pl.col("coil") + "/" + pl.col("object_key")
    )
    Path("now").mkdir()
    flat.write_parquet("now/a.parquet")
    found = run("--reference", "good.parquet", "--current", "now")
    assert (found["verdict"], found["date"], found["lines"][0]["line"]) == ("none", str(DAY), "L4")


@pytest.mark.parametrize(
    ("reference", "problem", "kind"),
    [
        ("missing", "no such", SteelflowError),
        ("report.parquet", "no drift profile", ConfigError),
        ("broken.parquet", "damaged", DriftError),
        ("mixed", "2 models", DriftError),
        ("other", "cannot be compared", DriftError),
        ("tables", "no reports", DriftError),
    ],
)
def test_what_cannot_be_compared_is_refused(reference: str, problem: str, kind: type[Exception]) -> None:
    rows = night_rows(seed=1)
    put_report(LocalStore(Path("now"), create=True), DAY, "L1", rows)
    rows.with_columns(status=pl.lit("ok")).write_parquet("report.parquet")
    Path("broken.parquet").write_bytes(b"PAR1")
    strange = night_rows(seed=2, digest="e" * 64)
    put_report(LocalStore(Path("mixed"), create=True), DAY, "L1", pl.concat([rows, strange]))
    put_report(LocalStore(Path("other"), create=True), DAY, "L1", strange)
    Path("tables").mkdir()
    pl.DataFrame({"a": [1]}).write_parquet("tables/a.parquet")
    with pytest.raises(kind, match=problem):
        runner.invoke(app, ["--reference", reference, "--current", "now"], catch_exceptions=False)
