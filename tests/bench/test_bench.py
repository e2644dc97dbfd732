"""The benchmark runs and its figures are consistent; how large they are is nobody's business here."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelflow.bench.run import run_bench
from steelflow.config import Settings

pytestmark = pytest.mark.slow


def test_a_small_benchmark(tmp_path: Path) -> None:
    said: list[str] = []
    result = run_bench(Settings(home=tmp_path), None, 120, 1, s3=True, compare=True, say=said.append)
    assert set(result["sources"]) == {"loose files", "tar files", "loose in S3", "tars in S3"}
    assert result["bound"] == pytest.approx(1 / (1 / result["decode"] + 1 / result["infer"]))
    for row in result["sources"].values():
        assert row["fetch"] > 0
        assert row["ratio"] == pytest.approx(row["end_to_end"] / result["bound"])
    assert 0 <= result["prefect_share"] < 1
    assert result["dataloader"]["images_per_second"] > 0
    compared = {(one["program"], one["source"]): one for one in result["compare"]}
    for kind in ("loose", "tars", "loose in S3", "tars in S3"):
        for name in ("steelflow", "DataLoader"):
            assert compared[name, kind].get("ratio", 0) > 0, compared[name, kind]
    assert set(result["peak_mib"]) == {"120", "480", "ratio"}
    assert said
