"""The simulated plant: what the real code does with units and nodes, and figures that belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelflow.bench.scale import ScaleSpec, run_scale, scale_table, simulate
from steelflow.bench.scale_costs import Cost, Costs
from steelflow.config import Settings

COSTS = Costs(Cost(0.5, 1, 1), Cost(0.001), *[1.0] * 11)
SPEC = ScaleSpec(nodes=10, units=200, images=200_000, lines=3, lost=4)


def test_without_losses_every_unit_starts_once_and_no_node_waits() -> None:
    night = simulate(SPEC, COSTS, lost=0)
    assert night["starts"] == SPEC.units
    assert night["hours"] * 3600 == pytest.approx(SPEC.units / SPEC.nodes * (0.5 + 1000 * 0.001))
    assert night["busy"] == pytest.approx(1.0)


@pytest.mark.parametrize("lost", [1, 4])
def test_lost_nodes_cost_time_and_no_unit(lost: int) -> None:
    night = simulate(SPEC, COSTS, lost=lost)
    assert night["given_up"] == 0
    assert SPEC.units < night["starts"] <= SPEC.units + 2 * lost
    assert night["hours"] > simulate(SPEC, COSTS, lost=0)["hours"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_plant(tmp_path: Path) -> None:
    pytest.importorskip("prefect")
    result = run_scale(Settings(home=tmp_path), SPEC, lambda _: None)
    assert result["costs"]["picture"]["seconds"] > 0
    assert result["prefect"]["mb_a_year_on_one_machine"] > 0
    assert result["store"]["puts"] == SPEC.units
    assert scale_table({**result, "machine": "two cores"}).count("\n| ") == 16
