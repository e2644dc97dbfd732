"""A store that only this machine reaches is refused where a node is elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from steelflow.config import Settings, StoreSettings
from steelflow.errors import ConfigError
from steelflow.executor.reach import check_reach, is_here, is_loopback

ELSEWHERE = "192.0.2.7"  # of the addresses for documentation: no machine has it


def assignment(endpoint: str, archive: str = "s3://images", report: str = "s3://reports") -> Any:
    return SimpleNamespace(settings=Settings(store=StoreSettings(endpoint=endpoint)), archive=archive, report=report)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "127.0.0.2:9000", "localhost:9000", "http://[::1]:9"])
@pytest.mark.parametrize("places", [{}, {"archive": "/mnt/images"}, {"report": "/mnt/reports"}])
def test_a_store_of_this_machine_alone_is_refused(endpoint: str, places: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=rf"only this machine reaches.*{ELSEWHERE}.*set store\.endpoint"):
        check_reach(assignment(endpoint, **places), ["127.0.0.1", ELSEWHERE])


@pytest.mark.parametrize(
    ("endpoint", "places", "nodes"),
    [
        ("http://127.0.0.1:9000", {}, ["127.0.0.1", "127.0.0.1"]),
        ("http://127.0.0.1:9000", {}, []),
        ("http://s3.plant.example", {}, [ELSEWHERE]),
        ("10.0.0.3:9000", {}, [ELSEWHERE]),
        ("embedded", {"archive": "/mnt/images", "report": "/mnt/reports"}, [ELSEWHERE]),
    ],
)
def test_all_others_are_not(endpoint: str, places: dict[str, str], nodes: list[str]) -> None:
    check_reach(assignment(endpoint, **places), nodes)


def test_the_addresses_of_this_machine_are_known() -> None:
    assert is_here("127.0.0.1")
    assert not is_here(ELSEWHERE)
    assert not is_here("no address")
    assert not is_loopback("localhost.plant.example:9000")
