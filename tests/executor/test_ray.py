"""Nights on a Ray cluster of this machine, whose nodes, actors and drivers are killed. Order and loss, not speed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import SUPPORT
from plants import NIGHT, local_settings, rows_of
from ray_cluster import Nodes, actors, command_lines, environment_of, gone_within, kill_an_actor, links
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.config import Settings
from steelflow.inspection.pipeline import Done
from steelflow.night.run import NightResult, inspect_night
from steelflow.synth import PlantSpec, write_plant

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"),
]

SPEC = PlantSpec(seed=7, lines=("L1", "L2"), start=NIGHT, nights=1, coils=8, images=60, broken=3)
FOUND = 2 * (8 * 60 + 3)
SECRET = "do-not-tell-27c1"
DRIVER = """
import sys
from pathlib import Path
from plants import NIGHT
from steelflow.config import Settings
from steelflow.night.run import inspect_night
settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())
inspect_night(settings, NIGHT, progress=lambda done: print(done.unit.id, flush=True))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        nodes = Nodes(patch)
        yield nodes
        nodes.end()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plant")

    def put(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    write_plant(SPEC, put, per_class=1)
    return folder / "images"


@pytest.fixture(scope="module")
def expected(plant: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = in_small_units(local_settings(plant, tmp_path_factory.mktemp("local") / "report"))
    assert inspect_night(settings, NIGHT).state == "complete"
    return settings


@pytest.fixture
def settings(cluster: Nodes, plant: Path, tmp_path: Path) -> Settings:
    return on(cluster, in_small_units(local_settings(plant, tmp_path / "report")))


def in_small_units(settings: Settings) -> Settings:
    return settings.model_copy(update={"archive": settings.archive.model_copy(update={"unit_images": 16})})


def on(cluster: Nodes, settings: Settings, **given: object) -> Settings:
    return settings.model_copy(update={"executor": cluster.settings(**given)})


class After:
    """Calls ``what`` once, when so many units are done."""

    def __init__(self, units: int, what: object) -> None:
        self.left, self.what = units, what

    def __call__(self, done: Done) -> None:
        self.left -= 1
        if self.left == 0:
            assert callable(self.what)
            self.what()


def is_whole(result: NightResult, settings: Settings, expected: Settings) -> bool:
    """The night is complete, its rows are those of one process, and a second run does nothing."""
    assert (result.found, result.state, result.failed_units) == (FOUND, "complete", ())
    assert rows_of(settings).equals(rows_of(expected))
    return inspect_night(settings, NIGHT).done_units == 0


def test_the_rows_are_those_of_one_process_and_no_secret_reaches_ray(
    cluster: Nodes, settings: Settings, expected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start(2)
    monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", SECRET)  # the driver's alone
    seen: dict[str, dict[int, bytes]] = {"actors": {}, "links": {}}
    commands: set[bytes] = set()
    states: list[bytes] = []

    def look(_: Done) -> None:
        for kind, pids in (("actors", actors()), ("links", links())):
            seen[kind] |= {pid: found for pid in pids if pid not in seen[kind] and (found := environment_of(pid))}
        commands.update(command_lines())
        if not states:  # while the night runs: its functions and arguments are there
            states.append(cluster.state())

    result = inspect_night(settings, NIGHT, progress=look)
    assert seen["actors"]  # one of two at least: on a busy machine it may do all before the other one is ready
    assert seen["links"]
    assert not any(SECRET.encode() in environment for kind in seen.values() for environment in kind.values())
    assert any(b"steelflow.executor.link" in line for line in commands)
    assert not any(SECRET.encode() in line for line in commands)
    (state,) = states
    assert [kind for kind in (b"jobs [{", b"Inspector", b"kept fun ") if kind not in state] == []
    assert SECRET.encode() not in state
    logs = cluster.logs()
    assert any("raylet" in name for name in logs)
    assert [name for name, text in logs.items() if SECRET.encode() in text] == []
    assert is_whole(result, settings, expected)
    assert gone_within(20)


def test_a_killed_node_is_replaced(cluster: Nodes, settings: Settings, expected: Settings) -> None:
    cluster.start(2 - len(cluster.nodes))

    def replace() -> None:
        cluster.kill(1)
        cluster.start(1)

    assert is_whole(inspect_night(settings, NIGHT, progress=After(8, replace)), settings, expected)


def test_the_other_nodes_do_the_work_of_a_killed_one(cluster: Nodes, settings: Settings, expected: Settings) -> None:
    cluster.start(2 - len(cluster.nodes))
    result = inspect_night(settings, NIGHT, progress=After(8, lambda: cluster.kill(1)))
    assert is_whole(result, settings, expected)


def test_a_killed_actor_is_replaced(cluster: Nodes, settings: Settings, expected: Settings) -> None:
    cluster.start(2 - len(cluster.nodes))
    result = inspect_night(settings, NIGHT, progress=After(8, kill_an_actor))
    assert is_whole(result, settings, expected)


def test_the_others_do_the_work_of_a_node_that_falls_silent(
    cluster: Nodes, settings: Settings, expected: Settings
) -> None:
    cluster.start(2 - len(cluster.nodes))
    try:
        result = inspect_night(settings, NIGHT, progress=After(8, cluster.silence))
    finally:
        cluster.kill(1)  # a stopped process can be killed
    assert is_whole(result, settings, expected)
    assert gone_within(30)


def test_results_and_units_that_do_not_fit_the_connection_pass_each_other(
    cluster: Nodes, settings: Settings, expected: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results of a group are sent while the units of the next one are: neither side may wait for the other."""
    cluster.start(2 - len(cluster.nodes))

    def narrow() -> tuple[socket.socket, socket.socket]:
        pair = wide()
        for end in pair:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return pair

    wide = socket.socketpair
    monkeypatch.setattr(socket, "socketpair", narrow)
    archive = settings.archive.model_copy(update={"unit_images": 1})
    small = on(cluster, settings.model_copy(update={"archive": archive}), group_images=50)
    seen: list[Done] = []

    def slowly(done: Done) -> None:
        seen.append(done)
        time.sleep(0.05 if len(seen) < 150 else 0)

    result = inspect_night(small, NIGHT, progress=slowly)
    assert (result.found, result.state, result.done_units) == (FOUND, "complete", len(seen))
    assert rows_of(small)["object_key"].equals(rows_of(expected)["object_key"])


def test_the_bench_compares_the_cluster_with_this_process(
    cluster: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start(2 - len(cluster.nodes))
    monkeypatch.setenv("STEELFLOW_EXECUTOR__CPUS", "1")
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(
        app, ["bench", "--cluster", cluster.address, "--images", "12000", "--rounds", "2", "--out", "figures.json"]
    )
    assert answer.exit_code == 0, answer.output
    found = json.loads((tmp_path / "figures.json").read_text())
    assert (found["images"], found["rounds"], found["rows_equal"]) == (12000, 2, True)
    assert all(len(found[kind]["images_per_second"]) == 2 for kind in ("local", "ray"))
    assert found["ratio"] > 0
    assert f"median of the ratios: {found['ratio']:.2f}" in answer.stdout


def test_without_any_node_the_night_is_limited_and_the_next_run_completes_it(
    cluster: Nodes, settings: Settings, expected: Settings
) -> None:
    cluster.start(2 - len(cluster.nodes))
    hasty = on(cluster, settings, patience=3)
    result = inspect_night(hasty, NIGHT, progress=After(8, cluster.kill))
    assert result.state == "limited"
    assert result.done_units >= 8
    assert "no node was left for 3 s" in result.missing[0]
    assert "run the night again" in result.missing[0]
    cluster.start(1)
    again = inspect_night(settings, NIGHT)
    assert again.skipped_units >= result.done_units
    assert is_whole(again, settings, expected)


def test_a_killed_driver_leaves_no_actor_and_the_next_run_completes_the_night(
    cluster: Nodes, settings: Settings, expected: Settings, tmp_path: Path
) -> None:
    cluster.start(2 - len(cluster.nodes))
    told = tmp_path / "settings.json"
    told.write_text(settings.model_dump_json(exclude_none=True))
    command = [sys.executable, "-c", DRIVER, told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=SUPPORT, env=dict(os.environ)) as driver:
        assert driver.stdout is not None
        for _ in range(8):
            assert driver.stdout.readline()
        driver.send_signal(signal.SIGKILL)
    assert gone_within(30)
    again = inspect_night(settings, NIGHT, wait=60)
    assert again.skipped_units >= 8
    assert is_whole(again, settings, expected)


def test_a_lost_head_ends_the_night_limited_and_does_not_hang(
    cluster: Nodes, settings: Settings, expected: Settings
) -> None:
    """The last test: there is no cluster after it."""
    cluster.start(1 - len(cluster.nodes))

    def lose() -> None:
        cluster.kill_head()
        cluster.kill()

    started = time.monotonic()
    result = inspect_night(settings, NIGHT, progress=After(8, lose))
    assert result.state == "limited"
    assert "the cluster at" in result.missing[0] or "no node was left" in result.missing[0]
    assert time.monotonic() - started < 300  # not a speed: it must not wait for ever
    assert not links()
    here = settings.with_executor("local", None)
    assert is_whole(inspect_night(here, NIGHT), here, expected)
