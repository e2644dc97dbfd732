"""The table of the drift benchmark, from the figures in docs/results."""

from __future__ import annotations

import json

from paths import ROOT

from steelflow.bench.drift import table
from steelflow.drift.signals import SIGNALS


def test_every_signal_has_its_largest_share_without_drift() -> None:
    result = json.loads((ROOT / "docs" / "results" / "drift.json").read_text())
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(result).splitlines()]
    start = rows.index(["no drift: largest share of the threshold", *result["false_alarms"]])
    found = {row[0]: row[1:] for row in rows[start + 2 : start + 2 + len(SIGNALS)]}
    assert list(found) == list(SIGNALS)
    for signal, shares in found.items():
        sizes = [max(one["nearest"].get(signal, 0) for one in by.values()) for by in result["false_alarms"].values()]
        assert shares == [f"{share:.2f}" for share in sizes]
    assert float(found["brightness"][0]) > 0
