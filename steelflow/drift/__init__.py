"""Drift: does a night still look like the nights on which the model was right?

sample.py             a sample of report rows, bounded in size
reference_profile.py  a reference as a file
references.py         which reference a line is compared with
sources.py            reports of any layout, night by night
signals/              what is compared, one class per signal
estimate.py           accuracy without labels, and where there is no estimate
distances.py, appearance.py, bootstrap.py   the statistics behind the signals
compare.py, reading.py                      a night of one line against its reference
verdict.py, check.py  from readings to verdicts, and the drift table
accept.py             accept drift as normal
explain.py            the HTML page that explains a verdict;  movers.py: the images that moved a signal
"""

from __future__ import annotations

from steelflow.drift.accept import accept
from steelflow.drift.check import check_night, drift_table
from steelflow.drift.explain import write_explanation
from steelflow.drift.reference_profile import build_profile
from steelflow.drift.verdict import NightVerdict

__all__ = ["NightVerdict", "accept", "build_profile", "check_night", "drift_table", "write_explanation"]
