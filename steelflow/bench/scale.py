"""A plant that this machine is not: its night and its year, simulated from unit costs that are measured here.

Real are planning, inspecting and finishing (small nights of two sizes give the cost of a unit and of a picture), the
code that gives units to nodes, Prefect's database, and the dashboard's reads. Simulated are the clock and the nodes,
which work at this machine's speed. Missing are the network and a store's own limits.
"""

from __future__ import annotations

import heapq
import itertools
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from steelflow.bench.scale_costs import Costs, measure_costs
from steelflow.config import MIB, Settings
from steelflow.executor.dispatch import Dispatch, Group
from steelflow.inspection.pipeline import Done, Seconds
from steelflow.records import ObjectInfo, Partition, Unit
from steelflow.report.layout import report_key
from steelflow.report.writer import Counts

Say = Callable[[str], None]

_PICTURE_BYTES = 15_000
_BLOCK = 8 * MIB  # of a shard, for a request: see ``archive.stream``
_RENEWALS = 4 / 60  # puts a second of a lock, with the deletion of the one before: see ``store.lock``


@dataclass(frozen=True, slots=True)
class ScaleSpec:
    """``units`` shards of a night, on ``lines`` lines; ``lost`` of the nodes are killed while it runs."""

    nodes: int = 100
    units: int = 5_000
    images: int = 50_000_000
    lines: int = 10
    nights: int = 365
    coils: int = 40
    lost: int = 10


def run_scale(settings: Settings, spec: ScaleSpec, say: Say) -> dict[str, Any]:
    """Measure the costs here, and simulate the plant.

    Returns:
        ``costs`` as measured; ``night``, with and without lost nodes; ``driver``, ``store``, ``prefect`` and
        ``dashboard``.
    """
    costs = measure_costs(settings, spec.coils, say)
    say(f"a night of {spec.units:,} units on {spec.nodes} nodes")
    calm, stormy = simulate(spec, costs, lost=0), simulate(spec, costs, lost=spec.lost)
    return {
        "plant": asdict(spec),
        "costs": costs.to_dict(),
        "night": {"calm": calm, "nodes lost": stormy},
        "driver": _driver(spec, costs, calm),
        "store": _store(spec, costs, calm),
        "prefect": _prefect(spec, costs, settings.night.group_images),
        "dashboard": _dashboard(spec, costs),
    }


def simulate(spec: ScaleSpec, costs: Costs, lost: int) -> dict[str, float]:
    """A night by the real ``Dispatch``, on a clock of its own. ``lost`` nodes end, evenly over the night, and do not
    come back.

    Returns:
        ``hours`` until the last unit, ``starts`` of units, ``given_up`` units, ``busy`` share of the nodes' time,
        ``decide_us``: real microseconds that the driver took for a unit, and ``driver_kib``: its memory for a unit.
    """
    pictures = spec.images // spec.units
    seconds = costs.unit.seconds + pictures * costs.picture.seconds
    now, worked, real, starts, failed = 0.0, 0.0, 0.0, 0, 0
    dispatch = Dispatch(10.0, report_key, lambda: now)
    ahead = _units(spec, pictures)
    length = spec.units / spec.nodes * seconds
    kills = [(length * (number + 1) / (lost + 1), number) for number in range(lost)]
    events: list[tuple[float, int, int, Group | None]] = [
        (at, -1, node, None) for at, node in kills
    ]  # when, order, node, and the group that is done; None: the node ends
    heapq.heapify(events)
    order, busy_until, gone = itertools.count(), dict.fromkeys(range(spec.nodes), 0.0), set[int]()
    done: list[Done] = []
    tracemalloc.start()
    for node in range(spec.nodes):
        dispatch.join(node)
    while len(done) < spec.units:
        began = time.process_time()
        for _ in range(dispatch.wanted):
            if (unit := next(ahead, None)) is None:
                break
            dispatch.add([unit])
        given = list(dispatch.assign())
        real += time.process_time() - began
        for actor, group in given:
            node = int(str(actor))
            starts += len(group.units)
            busy_until[node] = max(now, busy_until[node]) + seconds * len(group.units)
            worked += seconds * len(group.units)
            heapq.heappush(events, (busy_until[node], next(order), node, group))
        now, _, node, finished = heapq.heappop(events)
        began = time.process_time()
        if finished is None:
            gone.add(node)
            dispatch.lost(node, "its node ended")
        elif node not in gone:
            back = [Done(unit, report_key(unit), Counts(), Seconds()).light() for unit in finished.units]
            done += dispatch.done(node, finished, back)
        given_up = dispatch.failed()
        done += given_up
        failed += len(given_up)
        real += time.process_time() - began
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        "hours": now / 3600,
        "starts": starts,
        "given_up": failed,
        "busy": min(1.0, worked / (now * spec.nodes)),
        "decide_us": 1e6 * real / spec.units,
        "driver_kib": held / 1024 / spec.units,
    }


def _units(spec: ScaleSpec, pictures: int) -> Iterator[Unit]:
    shard = ObjectInfo("line=L0/date=2026-11-01/images.tar", pictures * _PICTURE_BYTES, "etag")
    whole = Unit("0" * 16, Partition("L0", None), "shard", (shard,))
    for number in range(spec.units):
        line = Partition(f"L{number % spec.lines}", None)
        yield replace(whole, id=f"{number:016x}", partition=line)


def _driver(spec: ScaleSpec, costs: Costs, night: dict[str, float]) -> dict[str, float]:
    """Seconds of the one process that plans and records, and megabytes of its memory for the units."""
    return {
        "plan_seconds": spec.units * costs.plan_seconds,
        "plan_again_seconds": spec.units * costs.plan_again_seconds,
        "decide_seconds": spec.units * night["decide_us"] / 1e6,
        "finish_seconds": spec.units * costs.finish_unit_seconds + spec.images * costs.finish_picture_seconds,
        "memory_mib": spec.units * night["driver_kib"] / 1024,
    }


def _store(spec: ScaleSpec, costs: Costs, night: dict[str, float]) -> dict[str, float]:
    """Requests of a night and their rate. Signs of life and locks are a few a minute."""
    gets = spec.units * costs.unit.gets + spec.images * _PICTURE_BYTES / _BLOCK
    puts = spec.units * costs.unit.puts
    seconds = night["hours"] * 3600
    report_bytes = spec.units * costs.report_unit_bytes + spec.images * costs.report_picture_bytes
    return {
        "gets": gets,
        "puts": puts,
        "gets_per_second": gets / seconds,
        "puts_per_second": puts / seconds + 2 * _RENEWALS,
        "mb_per_second": spec.images * _PICTURE_BYTES / 1e6 / seconds,
        "reports_a_year": spec.units * spec.nights,
        "gb_a_year": spec.nights * report_bytes / 1e9,
    }


def _prefect(spec: ScaleSpec, costs: Costs, group_images: int) -> dict[str, float]:
    """Task runs of a night, and what its database grows: a cluster's night has a task for each line, and a night of one
    machine one for each group of images."""
    ray, local = 2 * spec.lines + 4, spec.lines + 4 + -(-spec.images // group_images)
    mb = costs.prefect_task_bytes / 1e6
    return {
        "tasks_on_a_cluster": ray,
        "tasks_on_one_machine": local,
        "mb_a_year_on_a_cluster": spec.nights * ray * mb,
        "mb_a_year_on_one_machine": spec.nights * local * mb,
        "tasks_per_second": costs.prefect_tasks_per_second,
    }


def _dashboard(spec: ScaleSpec, costs: Costs) -> dict[str, float]:
    """Seconds to read a night's summaries, and the figures of the whole year, without a cache."""
    partitions = spec.lines * spec.nights
    return {
        "night_seconds": spec.lines * costs.summary_seconds,
        "year_seconds": partitions * costs.daily_seconds,
        "summaries": partitions,
        "summaries_mb": partitions * costs.summary_bytes / 1e6,
    }


def scale_table(result: dict[str, Any]) -> str:
    """The figures for people, as a table in Markdown."""
    plant, costs, driver, store = (result[name] for name in ("plant", "costs", "driver", "store"))
    prefect, shown = result["prefect"], result["dashboard"]
    reads, mb = f"{store['gets']:,.0f}; {store['gets_per_second']:,.0f}/s", f"{store['mb_per_second']:,.0f} MB/s"
    gb = prefect["mb_a_year_on_one_machine"] / 1e3
    calm, lost = result["night"]["calm"], result["night"]["nodes lost"]
    rows = [
        ("a picture, on a node like this machine", f"{1e3 * costs['picture']['seconds']:.2f} ms"),
        ("a work unit beside its pictures", f"{1e3 * costs['unit']['seconds']:.1f} ms"),
        (f"night, {plant['nodes']} nodes", f"{60 * calm['hours']:.1f} min, nodes {calm['busy']:.0%} busy"),
        (
            f"night, {plant['lost']} nodes lost on the way",
            f"{60 * lost['hours']:.1f} min, {lost['starts']:,.0f} starts for {plant['units']:,} units",
        ),
        ("driver: plan", f"{driver['plan_seconds']:.1f} s; {driver['plan_again_seconds']:.0f} s if all is up to date"),
        ("driver: give units to nodes", f"{driver['decide_seconds']:.1f} s in all"),
        ("driver: summaries and record", f"{driver['finish_seconds'] / 60:.1f} min"),
        ("driver: memory for the units", f"{driver['memory_mib']:.0f} MiB"),
        ("store: reads", f"{reads}, {mb}"),
        ("store: writes", f"{store['puts']:,.0f}; {store['puts_per_second']:,.0f}/s"),
        ("store: reports of a year", f"{store['reports_a_year']:,.0f} files, {store['gb_a_year']:,.0f} GB"),
        (
            "Prefect: on a cluster",
            f"{prefect['tasks_on_a_cluster']} task runs a night, {prefect['mb_a_year_on_a_cluster']:,.0f} MB a year",
        ),
        (
            "Prefect: were it one machine",
            f"{prefect['tasks_on_one_machine']:,} task runs, {gb:,.1f} GB a year",
        ),
        ("dashboard: a night's summaries", f"{1e3 * shown['night_seconds']:.0f} ms"),
        ("dashboard: figures of the year", f"{shown['year_seconds']:.1f} s, {shown['summaries']:,} summaries"),
    ]
    size = f"{plant['units']:,} units, {plant['images']:,} images, {plant['lines']} lines, {plant['nights']} nights"
    return "\n".join(
        [f"{result['machine']}; {size}", "", "| what | takes |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    )
