"""What of a night is to be inspected, and how much of it in one go."""

from __future__ import annotations

from typing import Any

import pytest
from plants import NIGHT

from steelflow.archive.groups import groups, weight
from steelflow.night.plan import PartitionPlan
from steelflow.records import ObjectInfo, Partition, Unit
from steelflow.report.writer import Counts


def unit(name: str, kind: Any, *sizes: int) -> Unit:
    objects = tuple(ObjectInfo(f"{name}/{i}", size, "e") for i, size in enumerate(sizes))
    return Unit(name, Partition("L1", NIGHT), kind, objects)


def planned(*todo: Unit, stale: tuple[str, ...] = ()) -> PartitionPlan:
    return PartitionPlan(
        partition=Partition("L1", NIGHT),
        todo=todo,
        skipped=0,
        skipped_counts=Counts(),
        stale=stale,
        ignored=0,
        ignored_sample=(),
        prints=(),
    )


LOOSE, SHARD, TINY = unit("loose", "loose", *[5000] * 30), unit("shard", "shard", 40 * 16 * 1024), unit("t", "shard", 1)


def test_groups_hold_about_as_many_images_as_asked() -> None:
    assert [weight(one) for one in (LOOSE, SHARD, TINY)] == [30, 40, 1]
    assert list(groups([LOOSE, SHARD, TINY, TINY], 42)) == [(LOOSE,), (SHARD, TINY, TINY)]
    assert list(groups([LOOSE, SHARD, TINY, TINY], 41)) == [(LOOSE,), (SHARD, TINY), (TINY,)]
    assert list(groups([LOOSE, SHARD, TINY], 70)) == [(LOOSE, SHARD), (TINY,)]
    assert list(groups([LOOSE, SHARD], 1)) == [(LOOSE,), (SHARD,)]
    assert list(groups([], 10)) == []


@pytest.mark.parametrize("images", [1, 30, 31, 70, 71, 1000])
def test_no_unit_is_lost_or_doubled_by_grouping(images: int) -> None:
    units = [LOOSE, SHARD, TINY, LOOSE, TINY]
    assert [one for group in groups(units, images) for one in group] == units


def test_a_limit_holds_where_no_report_is_deleted() -> None:
    assert planned(LOOSE, SHARD).take(None) == (LOOSE, SHARD)
    assert planned(LOOSE, SHARD).take(1) == (LOOSE,)
    assert planned(LOOSE, SHARD).take(0) == ()
    assert planned(LOOSE, SHARD, stale=("reports/old.parquet",)).take(0) == (LOOSE, SHARD)


def test_a_light_plan_keeps_everything_but_the_objects() -> None:
    plan = planned(LOOSE, SHARD, stale=("reports/old.parquet",))
    light = plan.light()
    assert [one.id for one in light.todo] == ["loose", "shard"]
    assert all(one.objects == () for one in light.todo)
    assert (light.stale, light.partition) == (plan.stale, plan.partition)
