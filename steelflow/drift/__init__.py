"""Drift: does a night still look like those on which the model was right?"""

from __future__ import annotations

from steelflow.drift.accept import accept
from steelflow.drift.check import check_night, drift_table
from steelflow.drift.explain import write_explanation
from steelflow.drift.reference_profile import build_profile
from steelflow.drift.verdict import NightVerdict

__all__ = ["NightVerdict", "accept", "build_profile", "check_night", "drift_table", "write_explanation"]
