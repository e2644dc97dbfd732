"""The coil list as people get it: the commands, CSV and Parquet, and the alerts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coil_plants import framed, listed, with_coils
from frame_plants import NIGHT
from hooks import Webhook

from steelflow.cli.main import main
from steelflow.coils.deciding import decide
from steelflow.coils.decisions import open_decisions
from steelflow.coils.export import write_list
from steelflow.coils.listing import TABLE, table
from steelflow.config import Settings
from steelflow.errors import ConfigError
from steelflow.night.run import inspect_night
from steelflow.service import alerts
from steelflow.store import open_store

RULE = "[[coils.rules]]\nclasses = ['bright']\n"


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = framed(tmp_path_factory.mktemp("plant"))
    inspect_night(settings, NIGHT)
    return settings


class Commands:
    """``steelflow``, called in this process."""

    def __init__(self, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._config, self._patch, self._capsys = config, monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["steelflow", "--config", str(self._config), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return int(ended.value.code or 0), out, err

    def json(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def steelflow(
    inspected: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f"home = '{tmp_path}'\n[archive]\nuri = '{inspected.archive.uri}'\n[report]\nuri = '{inspected.report.uri}'\n"
        f"[coils]\nuri = '{tmp_path / 'coils'}'\nmax_unreadable = 1.0\n{RULE}"
    )
    return Commands(config, monkeypatch, capsys)


def test_list_hold_release_and_history(steelflow: Commands) -> None:
    found = steelflow.json("coils", "list")
    assert found["date"] == str(NIGHT)
    assert [(one["line"], one["coil"]) for one in found["coils"]] == [
        (a, b) for a in ("L1", "L2") for b in ("C1", "C2", "C3")
    ]
    assert {(one["proposed"], one["disposition"], one["decided"]) for one in found["coils"]} == {
        ("held", "to be graded", False)
    }
    made = steelflow.json("coils", "hold", "C1", "C2", "--line", "L1", "--reason", "bright spots", "--who", "ann")
    assert [(one["coil"], one["disposition"], one["unchanged"]) for one in made["decisions"]] == [
        ("C1", "held", False),
        ("C2", "held", False),
    ]
    again = steelflow.json("coils", "hold", "C1", "--line", "L1", "--reason", "bright spots", "--who", "ann")
    assert [one["unchanged"] for one in again["decisions"]] == [True]
    steelflow.json("coils", "release", "C2", "--line", "L1", "--reason", "customer agrees", "--who", "ben")
    steelflow.json("coils", "grade", "C3", "--line", "L1", "--reason", "second look")
    held = steelflow.json("coils", "list", "--line", "L1", "--disposition", "held")
    assert [(one["coil"], one["who"], one["reason"]) for one in held["coils"]] == [("C1", "ann", "bright spots")]
    history = steelflow.json("coils", "history", "C2", "--line", "L1")
    assert [(one["disposition"], one["who"]) for one in history["decisions"]] == [("held", "ann"), ("released", "ben")]
    _, text, _ = steelflow("coils", "list")
    assert "released by ben: customer agrees" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("hold", "C9", "--reason", "x"),
            "no coil 'C9' on 2026-11-01; nothing was changed; coils of that night: C1, C2",
        ),
        (("hold", "C1", "--reason", "x"), "the lines L1, L2 have a coil 'C1' on 2026-11-01; name one with --line"),
        (("hold", "C1", "C9", "--line", "L1", "--reason", "x"), "no coil 'C9'"),
        (("release", "C1", "--line", "L1", "--reason", " "), "needs a name and a reason"),
        (("list", "--date", "2020-01-01"), "no reports of 2020-01-01"),
        (("list", "--out", "coils.xlsx"), "the suffix must be .csv or .parquet"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    steelflow: Commands, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = steelflow("coils", *arguments)
    assert (code, out) == (1, "")
    assert words in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "coils").rglob("*.json"))


def test_a_decision_is_posted_once(steelflow: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_DELAY", 0.0)
    hook = Webhook()
    monkeypatch.setenv("STEELFLOW_ALERTS__WEBHOOK", hook.url)
    try:
        for _ in range(2):
            steelflow.json("coils", "hold", "C1", "--line", "L2", "--reason", "bright spots", "--who", "ann")
        steelflow.json("coils", "grade", "C1", "--line", "L2", "--reason", "look again", "--who", "ben")
    finally:
        hook.close()
    assert [one["event"] for one in hook.told] == ["coil.held", "coil.to_be_graded"]
    told = hook.told[0]
    assert told["text"] == "Coil C1 of line L2, 2026-11-01: held by ann: bright spots"
    assert (told["details"]["proposed"], told["details"]["basis"]["defects"]) == ("held", 5)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_list_as_a_file_has_every_coil(steelflow: Commands, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"list{suffix}"
    steelflow.json("coils", "hold", "C1", "--line", "L1", "--reason", "=1+1", "--who", "@ann")
    code, text, err = steelflow("coils", "list", "--out", str(out))
    assert (code, err) == (0, "")
    assert str(out) in text
    rows = pl.read_csv(out) if suffix == ".csv" else pl.read_parquet(out)
    assert rows.columns == TABLE.names()
    assert rows.height == 6
    first = rows.row(0, named=True)
    safe = "'" if suffix == ".csv" else ""
    assert (first["reason"], first["who"]) == (f"{safe}=1+1", f"{safe}@ann")
    assert (first["images"], first["defects"], first["classes"]) == (8, 5, "dark 3; bright 2")


def test_a_text_that_a_spreadsheet_would_run_is_escaped(inspected: Settings, tmp_path: Path) -> None:
    settings = with_coils(inspected, uri=str(tmp_path / "coils"))
    report = open_store(settings.report.uri, settings.store)
    for line, coil_name, reason in (("L1", "C1", "=HYPERLINK(1)"), ("L2", "C1", "-2+3"), ("L2", "C2", "＝1+1")):
        coil = [(line, coil_name)]
        decide(settings, report, open_decisions(settings), NIGHT, coil, "held", who="+ann", reason=reason)
    write_list(table(list(listed(settings).values())), tmp_path / "list.csv")
    cells = [cell for row in pl.read_csv(tmp_path / "list.csv").rows() for cell in row if isinstance(cell, str)]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]
    assert {"'=HYPERLINK(1)", "'-2+3", "'＝1+1", "'+ann"} <= set(cells)
    assert (tmp_path / "list.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # some programs need it to read UTF-8


def test_a_list_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_list(table([]), tmp_path / "nowhere" / "list.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_report_command(steelflow: Commands, tmp_path: Path) -> None:
    out = tmp_path / "report.pdf"
    told = steelflow.json("report", "--date", str(NIGHT), "--out", str(out))
    assert out.read_bytes().startswith(b"%PDF-")
    assert (told["date"], told["out"], told["sent"]) == (str(NIGHT), str(out), [])
    assert told["trust"]["answer"] == "with care"
    assert len(told["hold"]) == 5
    assert told["hold_more"] == 1
    code, text, _ = steelflow("report", "--date", str(NIGHT), "--out", str(tmp_path / "r.html"), "--send")
    assert code == 0
    assert "sent: nowhere" in text
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    code, _, err = steelflow("report", "--date", str(NIGHT), "--shift", "early")
    assert (code, err) == (1, "steelflow: the settings have no shift 'early'; add it below [night.shifts]\n")
