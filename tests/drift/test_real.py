"""False alarms and power on the real images, in short; `steelflow drift-bench` measures it at length."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelflow.bench.drift import run_drift_bench, table
from steelflow.config import DriftSettings


@pytest.mark.slow
def test_no_false_alarms_and_every_drift_found(neu_dir: Path) -> None:
    result = run_drift_bench(neu_dir, None, DriftSettings(), nights=24, trials=10)
    found = [night for sizes in result["false_alarms"].values() for night in sizes.values()]
    assert sum(night["nights"] for night in found) == 2 * 3 * 24
    assert sum(night["alarm"] for night in found) == 0
    power = [one for references in result["power"].values() for sizes in references.values() for one in sizes.values()]
    assert len(power) == (5 + 6) * 2 * 2
    assert sum(one["within_two"] for one in power) / len(power) >= 0.98
    assert min(one["within_two"] for one in power) >= 0.8
    assert "motion blur 5" in table(result)
