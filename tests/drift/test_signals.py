"""Every registered signal keeps the contract, a new one needs its registration alone, and readings stay what they were.

`PYTHONPATH=tests/support .venv/bin/python tests/drift/test_signals.py` writes readings.json again after a signal was
added. ``value`` and ``fixed`` of the other signals must not change; ``bootstrapped`` rises with the number of signals.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from nights import DAY, DIGEST, night_rows, put_report
from paths import ROOT

from steelflow.config import DriftSettings, LimitSettings
from steelflow.drift import build_profile, check_night, drift_table, write_explanation
from steelflow.drift.compare import LineReference
from steelflow.drift.sample import COLUMNS
from steelflow.drift.signals import SIGNALS, fixed_thresholds
from steelflow.drift.signals.base import Observed, Resampling, Signal, rise
from steelflow.drift.signals.rows import LineRows
from steelflow.store.local import LocalStore

GOLDEN = Path(__file__).with_name("readings.json")
RECORDED = {one["signal"] for readings in json.loads(GOLDEN.read_text()).values() for one in readings}
REFERENCE = night_rows(1500, seed=100)


class Dark(Signal):
    """The share of images whose mean grey level is below 80: a signal that steelflow does not have."""

    name = "dark"
    family = "quality"
    unit = "share of images"
    threshold = 0.02
    points = True
    column = "brightness"

    def __init__(self, reference: LineRows) -> None:
        self._before = _dark(reference)

    def observe(self, night: LineRows) -> Observed | None:
        value = float(_dark(night).mean() - self._before.mean())
        return Observed(value=value, text=f"{value:.0%} more of the images are dark")

    def resampling(self, images: int) -> Resampling | None:
        return Resampling(features=self._before[:, None], statistic=rise)

    def standing_out(self, night: LineRows) -> pl.Series | None:
        return pl.Series(_dark(night) > 0)


def _dark(rows: LineRows) -> np.ndarray:
    return (rows.frame["brightness"].to_numpy() < 80).astype(float)


def test_a_new_signal_needs_its_registration_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIGNALS, Dark.name, Dark)
    report = LocalStore(tmp_path / "report", create=True)
    put_report(report, DAY, "L1", night_rows(seed=1, light=0.5))
    profile = build_profile(REFERENCE.with_columns(line=pl.lit("L1")), DIGEST)

    others = dict.fromkeys(set(SIGNALS) - {"dark"}, 99.0)
    verdict = check_night(report, DAY, DriftSettings(thresholds=others), DIGEST, profile)
    worst = verdict.lines[0].breaches[0]
    assert (worst.signal, worst.family, worst.fixed) == ("dark", "quality", 0.02)
    assert worst.threshold == max(worst.fixed, worst.bootstrapped)
    assert worst.bootstrapped > 0
    assert f"L1: {worst.text} (threshold {100 * worst.threshold:.1f} points)" in verdict.reasons[0]

    row = drift_table(report).filter(pl.col("signal") == "dark").row(0, named=True)
    assert (row["value"], row["text"], row["breach"]) == (worst.value, worst.text, True)

    page = write_explanation(report, report, verdict, LimitSettings(), profile)
    text = report.get(str(page)).decode()
    assert f"<h3>{worst.text}</h3><svg" in text
    assert "<small>brightness from" in text
    assert "Those that stand out (dark)" in text

    lenient = DriftSettings(thresholds={"dark": 2.0})
    again = {one.signal: one for one in check_night(report, DAY, lenient, DIGEST, profile).signals}
    assert (again["dark"].threshold, again["dark"].breach) == (2.0, False)
    assert set(again) == set(SIGNALS)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_keeps_the_contract(name: str) -> None:
    kind = SIGNALS[name]
    assert kind.name == name
    assert kind.column in COLUMNS
    reference = LineRows(REFERENCE)
    signal = kind(reference)
    same = signal.observe(reference)
    assert same is not None
    assert abs(same.value) < kind.threshold / 10
    resampling = signal.resampling(600)
    assert resampling is not None
    assert len(resampling.features) == len(reference)
    means = resampling.features.mean(0)[None]
    assert resampling.statistic(means, means) == pytest.approx([0], abs=1e-6)
    chart = kind.bars(REFERENCE, night_rows(seed=1))
    assert chart is not None
    assert chart.before.sum() == 1500
    assert chart.after.sum() == 600
    flags = signal.standing_out(LineRows(night_rows(seed=1)))
    assert flags is None or (flags.dtype == pl.Boolean and len(flags) == 600)


@pytest.mark.parametrize("name", sorted({"energy", "novel", "embedding", "saturation"}))
def test_a_signal_whose_column_is_missing_is_not_compared(name: str) -> None:
    gone = REFERENCE.with_columns(pl.lit(None, COLUMNS[name]).alias(name))
    fixed = fixed_thresholds({})
    for reference, night in ((gone, REFERENCE), (REFERENCE, gone)):
        found = LineReference(reference).compare(None, night, fixed, 2)
        assert {one.signal for one in found} == set(SIGNALS) - {name}
    if SIGNALS[name].column == name:
        assert SIGNALS[name].bars(gone, REFERENCE) is None


def test_only_the_signals_folder_knows_their_names() -> None:
    """Of names that are no columns of a report, which other modules may have a use for."""
    names = set(SIGNALS) - set(COLUMNS)
    assert names >= {"unfamiliar", "class_share", "class_mix"}
    own = ROOT / "steelflow" / "drift" / "signals"
    for package in ("steelflow", "flows", "dashboard"):
        for path in (ROOT / package).rglob("*.py"):
            if own not in path.parents:
                words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
                assert not names & words, path


def nights() -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """References and nights by name: drifts of every kind, with and without coils, few images, and copies of images."""
    copies = pl.concat([REFERENCE.head(400)] * 3)
    copies = copies.with_columns(object_key=pl.format("{}.jpg", pl.int_range(pl.len())))
    dated = pl.concat([REFERENCE, night_rows(seed=9)]).with_columns(date=pl.lit(DAY), line=pl.lit("L1"))
    label = pl.when(pl.int_range(pl.len()) < 80).then(pl.lit("zebra")).otherwise("label").alias("label")
    yield "calm", REFERENCE, night_rows(seed=1)
    yield "dark", REFERENCE, night_rows(700, seed=2, light=0.8)
    yield "other mix", REFERENCE, night_rows(seed=3, mix=(0.2, 1, 3))
    yield "strange images", REFERENCE, night_rows(seed=4, strange=0.1)
    yield "a class that is new", dated, night_rows(seed=5).with_columns(label)
    yield "no coils", night_rows(1200, seed=101, coils=0), night_rows(seed=6, strange=0.1)
    yield "few coils", REFERENCE, night_rows(550, seed=7, coils=3)
    yield "few images", night_rows(250, seed=102), night_rows(seed=8)
    yield "copies", copies, night_rows(seed=1)


def readings() -> dict[str, list[dict[str, object]]]:
    kept = ("signal", "family", "value", "fixed", "bootstrapped", "p_value", "text")
    fixed = fixed_thresholds({})
    most = LineReference(REFERENCE)
    found = {}
    for name, rows, night in nights():
        reference = most if rows is REFERENCE else LineReference(rows)
        compared = [one.to_dict() for one in reference.compare("L1", night, fixed, 1.5)]
        found[name] = [{field: one[field] for field in kept} for one in compared]
    return found


def test_readings_are_what_they_were() -> None:
    """Verdicts of months can be compared only if a value means the same in each version of steelflow."""
    golden, found = json.loads(GOLDEN.read_text()), readings()
    assert list(found) == list(golden)
    for name, known in golden.items():
        now = {one["signal"]: one for one in found[name]}
        assert [signal for signal in now if signal in RECORDED] == [was["signal"] for was in known], name
        for was in known:
            one = now[was["signal"]]
            # Products of matrices differ in their last digits from machine to machine; limits are made in float32.
            same = len(RECORDED) == len(SIGNALS)  # the signals share the false alarms, and so their number sets limits
            bootstrapped = pytest.approx(was["bootstrapped"], rel=1e-4) if same else one["bootstrapped"]
            expected = was | {"value": pytest.approx(was["value"], rel=1e-6, abs=1e-9), "bootstrapped": bootstrapped}
            if was["p_value"] is not None:
                expected["p_value"] = pytest.approx(was["p_value"], rel=1e-6)
            assert one == expected, name


def test_every_signal_is_recorded() -> None:
    command = "PYTHONPATH=tests/support .venv/bin/python tests/drift/test_signals.py"
    assert set(SIGNALS) == RECORDED, f"write readings.json again: {command}"


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(readings(), indent=1, ensure_ascii=False) + "\n")
