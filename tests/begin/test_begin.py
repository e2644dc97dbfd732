"""``steelflow models begin``: from frames without labels to the champion that inspects them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sheets import write_frames
from typer.testing import CliRunner

from steelflow.begin.measure import measured, read
from steelflow.cli.main import app
from steelflow.errors import SteelflowError

RUN = CliRunner()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings and one night of frames."""
    root = tmp_path_factory.mktemp("site")
    write_frames(root / "images" / "line=L1" / "date=2026-11-01", 25, np.random.default_rng(0))
    (root / "steelflow.toml").write_text(
        f'home = "{root}/home"\n[archive]\nuri = "{root}/images"\n[report]\nuri = "{root}/reports"\n'
        "[frame]\nview = 112\noverlap = 0\n[model]\nworkers = 1\nbatch_size = 8\n"
    )
    return root


def call(site: Path, *arguments: str) -> str:
    result = RUN.invoke(app, ["--config", str(site / "steelflow.toml"), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_day_one(site: Path) -> None:
    out = site / "begin"
    options = ("--from", "2026-11-01..2026-11-02", "--steps", "25", "--false-alarms", "2%", "--register")
    told = json.loads(call(site, "models", "begin", *options, "--out", str(out), "--json"))
    assert told["frames"] == {"listed": 25, "read": 25, "failed": 0}
    assert told["views"]["left_out"] == round(0.05 * told["views"]["trained"])
    assert told["held_out_by_coil"] is True
    assert told["version"] == "v1"
    assert {path.name for path in out.iterdir()} == {"begin.onnx", "begin.md", "metrics.json"}
    call(site, "models", "promote", "v1", "--reason", "day one")
    call(site, "nightly", "--date", "2026-11-01")
    rows = pl.read_parquet(site / "reports" / "reports" / "**" / "*.parquet")
    assert rows.height == 25
    assert set(rows["label"]) <= {"good", "unknown defect"}
    worst = rows.sort("p_unknown defect", descending=True)["object_key"][0]
    assert worst.endswith("coil=C4/004.png")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "2026-12-01"), "no image of these nights"),
        (("--from", "nowhere"), "neither nights nor a folder"),
        (("--from", "2026-11-01", "--false-alarms", "few"), r"0\.5%"),
        (("--from", "2026-11-01", "--false-alarms", "70%"), "below 50%"),
        (("--from", "2026-11-01", "--lines", "L9"), "no image of these nights"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(site: Path, options: tuple[str, ...], said: str) -> None:
    out = site / "not"
    with pytest.raises(SteelflowError, match=said):
        call(site, "models", "begin", *options, "--steps", "1", "--out", str(out))
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_magnetic_tiles() -> None:
    folder = os.environ.get("STEELFLOW_MAGNETIC_TILE_DIR")
    if not folder:
        pytest.skip("STEELFLOW_MAGNETIC_TILE_DIR is not set")
    (figures,) = measured(read(Path(folder)), "free", 0, steps=150)
    assert figures.auc > 0.75  # lookalikes are kept together, see docs/day-one.md
    assert figures.recall > 0.3
