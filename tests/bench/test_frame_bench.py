"""The benchmark of frames: its figures belong together; how large they are depends on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from strip import SIDE, level_model

from steelflow.bench.frames import FrameBench, run_frame_bench
from steelflow.cli.bench import frame_table
from steelflow.config import Settings
from steelflow.selection.provenance import provenance

RATES = {"decode", "infer", "infer, frame pixels", "bound", "tar files", "loose files"}


def test_a_small_benchmark_of_frames(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path).with_model(str(level_model(tmp_path / "levels.onnx")))
    said: list[str] = []
    result = run_frame_bench(settings, FrameBench(320, 64, frames=9, rounds=1, memory=(4, 8)), said.append)
    rates, shares = result["megapixels_per_second"], result["share_of_bound"]
    assert set(rates) == RATES
    assert result["views"] == {"side": SIDE, "overlap": 0.125, "per_frame": 6}
    assert result["view_pixels_per_pixel"] == pytest.approx(6 * SIDE / 320, abs=1e-3)
    for kind in ("wall", "core"):
        infer = rates["infer, frame pixels"][kind]
        assert infer == pytest.approx(rates["infer"][kind] / 1.2, rel=0.01)
        assert rates["bound"][kind] == pytest.approx(1 / (1 / rates["decode"][kind] + 1 / infer), rel=0.01)
        for source in ("tar files", "loose files"):
            assert shares[source][kind] == pytest.approx(rates[source][kind] / rates["bound"][kind], abs=0.01)
    for peaks in result["peak_mib"].values():
        assert set(peaks) == {"4", "8"}
        assert min(peaks.values()) > 50
    assert said
    table = frame_table(result | provenance("steelflow bench-frames"))
    assert all(f"| {name} " in table for name in RATES)
    assert "peak memory, loose files" in table
