"""``steelflow bench --scale`` and ``--startup`` as a person runs them: rows, counts and sums, at tiny sizes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelflow.cli.bench_tables import growth_table, startup_table
from steelflow.cli.main import main
from steelflow.synth import CLASSES, surface
from steelflow.synth.files import jpeg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Figures = dict[str, Any]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEELFLOW_HOME", str(tmp_path / "home"))
    pictures, rng = tmp_path / "pictures", np.random.default_rng(0)
    pictures.mkdir()
    for number, name in enumerate(CLASSES):
        (pictures / f"{number}.jpg").write_bytes(jpeg(surface(name, rng), 90))

    def call(*arguments: str) -> tuple[Figures, Figures]:
        """What it prints as JSON, and the file that it keeps."""
        out = tmp_path / "figures.json"
        monkeypatch.setattr(
            sys, "argv", ["steelflow", "bench", "--data", str(pictures), *arguments, "--json", "--out", str(out)]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return json.loads(capsys.readouterr().out), json.loads(out.read_bytes())

    return call


def test_time_and_memory_over_images_and_nights(bench: Any) -> None:
    sizes, nights = (12, 48), (1, 3)
    figures, kept = bench("--scale", *(f"--size={n}" for n in sizes), *(f"--nights={n}" for n in nights))
    runs = figures["runs"]
    assert [(one["source"], one["images"]) for one in runs] == [(k, n) for n in sizes for k in ("tars", "loose")]
    for one in runs:
        assert 0 < one["inspecting"] < one["cpu"]  # the inspection is a part of the process
        assert min(one["wall"], one["again"], one["peak_mib"]) > 0
    assert set(figures["exponents"]) == {"tars", "loose"}
    for kind, exponent in figures["exponents"].items():  # the slope between two points
        small, large = (one["inspecting"] for one in runs if one["source"] == kind)
        assert exponent == pytest.approx(math.log(large / small) / math.log(48 / 12))
    assert [one["nights"] for one in figures["years"]] == list(nights)
    for one in figures["years"]:
        assert set(one) == {"nights", "plan", "tonight", "drift", "housekeeping"}
        assert all(math.isfinite(value) for value in one.values()), one
    assert figures["data"] == "…/pictures"
    assert {**kept, "machine": None} == {**kept, **figures, "machine": None}
    rows = [line for line in growth_table(figures).splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(runs) + len(nights)


def test_one_size_has_no_exponent(bench: Any) -> None:
    figures, _ = bench("--scale", "--size=6", "--nights=1")
    assert [(one["source"], one["images"]) for one in figures["runs"]] == [("tars", 6), ("loose", 6)]
    assert figures["exponents"] == {}
    assert "to the power" not in growth_table(figures)


def test_what_a_run_costs_before_its_first_picture(bench: Any) -> None:
    figures, kept = bench("--startup", "--rounds=1")
    assert (figures["images"], figures["rounds"]) == (1000, 1)
    steps = figures["steps"]
    assert list(steps) == ["interpreter", "imports", "model, measured", "model, remembered", "infer 1000"]
    assert all(one["wall"] > 0 and one["cpu"] > 0 for one in steps.values())
    for kind, beyond in figures["beyond_interpreter"].items():
        assert beyond == pytest.approx(steps["infer 1000"][kind] - steps["interpreter"][kind])
    assert kept["steps"] == steps
    table = startup_table(figures).splitlines()
    assert [line.split("|")[1].strip() for line in table[4:]] == [*steps, "beyond interpreter"]
