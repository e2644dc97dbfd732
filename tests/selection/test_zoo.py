"""The queue of the zoo: in order, one at a time on a folder, never twice, and on after whatever happens to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from paths import SUPPORT
from queue_toys import Toy, work
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.errors import DataError, LockHeld
from steelflow.models import CATALOGUE, Architecture
from steelflow.selection import precisions, zoo
from steelflow.selection.collect import collect
from steelflow.selection.jobs import Job, plan
from steelflow.selection.precisions import check_precision
from steelflow.selection.protocols import PROTOCOLS
from steelflow.selection.table import read_results, render
from steelflow.selection.work import do
from steelflow.selection.zoo import run_queue, status
from steelflow.synth import CLASSES, surface
from steelflow.synth.files import jpeg


def events(folder: Path) -> list[str]:
    return (folder / "events").read_text().split()


def test_jobs_are_done_in_their_order_and_none_twice(tmp_path: Path) -> None:
    jobs, said = [Toy("a"), Toy("b")], list[str]()
    found = run_queue(jobs, tmp_path, work, say=said.append)
    assert events(tmp_path) == ["+a", "-a", "+b", "-b"]
    assert [(one.state, one.epoch, one.epochs, one.accuracy) for one in found] == [("done", 2, 2, 0.5)] * 2
    assert said[0] == "a: begins"
    assert said[1].startswith("a: done, 50.00%, 0.00 h")
    run_queue([*jobs, Toy("c")], tmp_path, work)
    assert events(tmp_path)[4:] == ["+c", "-c"]


@pytest.mark.filterwarnings("default")
def test_a_failed_job_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    jobs, said = [Toy("bad"), Toy("broken"), Toy("killed"), Toy("good")], list[str]()
    found = run_queue(jobs, tmp_path, work, say=said.append)
    assert [str(one) for one in found[:3]] == [
        "failed: no images in it; add some",
        "failed: ValueError: what nobody foresaw",
        "failed: its process was ended by signal 9, perhaps out of memory",
    ]
    assert found[3].state == "done"
    assert "bad: failed: no images in it; add some" in said
    run_queue(jobs, tmp_path, work)
    assert events(tmp_path).count("+bad") == 1
    run_queue(jobs[:1], tmp_path, work, again=True)
    assert events(tmp_path).count("+bad") == 2


def test_jobs_that_write_to_one_file_are_not_done_at_once(tmp_path: Path) -> None:
    run_queue([Toy("slow1", "x"), Toy("slow2", "x"), Toy("slow3", "y")], tmp_path, work, workers=2)
    found = events(tmp_path)
    assert found.index("-slow1") < found.index("+slow2")
    assert found.index("+slow3") < found.index("+slow2")


def test_jobs_step_back_behind_other_work(tmp_path: Path) -> None:
    """Linux shares the cores between sessions before it looks at niceness, so the session needs it as well."""
    run_queue([Toy("modest")], tmp_path, work, nice=7)
    nice, _, group = (tmp_path / "priority").read_text().partition(" ")
    assert int(nice) == os.nice(0) + 7
    assert not group or group.split()[-1] == "7"


def test_two_queues_do_not_run_on_one_folder(tmp_path: Path) -> None:
    with zoo._locked(tmp_path), pytest.raises(LockHeld, match=r"another queue runs on this folder; .*name another"):
        run_queue([Toy("a")], tmp_path, work)
    assert not (tmp_path / "events").exists()


QUEUE = """
import sys
from pathlib import Path
from steelflow.selection.zoo import run_queue
from queue_toys import Toy, work

if __name__ == "__main__":
    run_queue([Toy("a"), Toy("long")], Path(sys.argv[1]), work)
"""


def test_a_queue_that_was_killed_goes_on_and_leaves_nobody_behind(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(QUEUE)
    folder, jobs = tmp_path / "queue", [Toy("a"), Toy("long")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    with subprocess.Popen([sys.executable, str(tmp_path / "run.py"), str(folder)], env=environment) as process:
        until(lambda: (folder / "events").exists() and "+long" in events(folder))
        until(lambda: status(jobs, folder)[1].epoch == 1)
        assert str(status(jobs, folder)[1]).startswith("running, epoch 1 of 2")
        process.kill()
    assert str(status(jobs, folder)[1]).startswith("interrupted, epoch 1 of 2")
    until(lambda: not left_behind(folder))
    (folder / "short").touch()
    found = run_queue(jobs, folder, work)
    assert [one.state for one in found] == ["done", "done"]
    assert events(folder) == ["+a", "-a", "+long", "+long", "-long"]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def left_behind(folder: Path) -> list[int]:
    """Processes that were started with ``folder`` or by one that was, of those that this test could have started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
            if f"PYTEST_CURRENT_TEST={os.environ['PYTEST_CURRENT_TEST']}".encode() in environment:
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


# what it has to do


def test_the_plan_has_every_network_and_every_figure_of_a_paper() -> None:
    for small in (True, False):
        jobs = plan([0, 1], small)
        assert len({job.name for job in jobs}) == len(jobs)
        for seed in (0, 1):
            mine = [job for job in jobs if seed in job.seeds]
            assert {job.arch for job in mine if job.protocol == "ours"} == set(CATALOGUE)
            for name, protocol in PROTOCOLS.items():
                assert {job.arch for job in mine if job.protocol == name} == {*protocol.figures, "steelnet"}


def test_one_seed_for_everything_comes_first_and_the_shortest_of_it() -> None:
    jobs = [job for job in plan([3, 4], small=True) if job.protocol != "precision"]
    half = len(jobs) // 2
    assert [{job.seeds for job in part} for part in (jobs[:half], jobs[half:])] == [{(3,)}, {(4,)}]
    hours = [job.hours for job in jobs[:half] if not job.arch.startswith("steelnet")]
    assert hours == sorted(hours)
    assert hours[0] < 0.2
    assert jobs[half - 1].arch.startswith("steelnet")


def test_on_a_cpu_the_large_networks_are_cut_to_what_is_affordable() -> None:
    small = {job.arch: job for job in plan([0], True) if job.protocol == "ours"}
    whole = {job.arch: job for job in plan([0], False) if job.protocol == "ours"}
    assert {job.epochs for job in whole.values()} == {160}
    assert {job.size for job in whole.values()} == {None}
    assert small["cost_effective_cnn"] == whole["cost_effective_cnn"]
    assert (small["casi_net"].epochs, small["casi_net"].size) == (160, 128)
    assert (small["mobilesteelnet"].epochs, small["mobilesteelnet"].size) == (30, 128)
    assert 30 < (small["densenet121"].epochs or 0) < 160
    assert max(job.hours for arch, job in small.items() if arch != "mobilesteelnet") < 2.1


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job("ours", "effnet", (2,), 80, 128), "models compare --models= --train effnet@128 --rounds 0 --data …/d"),
        (Job("kamel", "steelnet", (0,), recipe="ours"), "reproduce kamel --data …/d --seeds 0 --device cpu"),
        (Job("mobilesteelnet", "resnet50", (0,), per_class=15), "--recipe paper --per-class 15"),
        (Job("precision", "steelnet", (0, 1), 5), "steelflow zoo precision steelnet"),
    ],
)
def test_a_job_tells_the_command_that_does_the_same(job: Job, words: str) -> None:
    assert words in job.command(Path("/x/d"), "cpu", "auto").replace("'", "")


def test_the_status_command(tmp_path: Path) -> None:
    first = plan([0], small=True)[0]
    (tmp_path / "state").mkdir()
    state = {"state": "failed", "epoch": 3, "epochs": 50, "accuracy": None, "reason": "no disk", "seconds": 9.0}
    (tmp_path / "state" / f"{first.name}.json").write_text(json.dumps(state))
    arguments = ["zoo", "status", "--out", str(tmp_path), "--seeds", "0", "--device", "cpu"]
    lines = CliRunner().invoke(app, arguments).stdout.splitlines()
    assert lines[0] == f"{first.name}: failed: no disk"
    assert lines[1].endswith(": waiting")
    assert lines[-1].startswith(f"0 of {len(lines) - 1} jobs done")
    assert "is not running" in lines[-1]
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert found["jobs"][first.name]["state"] == "failed"
    assert not found["running"]


def test_results_are_collected_where_they_say_more(tmp_path: Path) -> None:
    out, into = tmp_path / "queue", tmp_path / "kept"
    arguments = ["zoo", "collect", "--out", str(out), "--into", str(into)]

    def put(folder: Path, name: str, runs: int, **more: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({"kind": "model", "runs": [{}] * runs, **more}))

    put(into, "fewer", 3)
    put(into, "more", 1, speed={"infer": 5}, accuracy=0.5)
    for name, runs in (("fewer", 2), ("more", 2), ("new", 1)):
        put(out / "results", name, runs, accuracy=0.9)
    answer = CliRunner().invoke(app, arguments)
    assert answer.stdout.splitlines()[-1] == "2 files are new or have more results"
    kept = {path.stem: json.loads(path.read_text()) for path in into.glob("*.json")}
    assert {name: len(record["runs"]) for name, record in kept.items()} == {"fewer": 3, "more": 2, "new": 1}
    assert (kept["more"]["speed"], kept["more"]["accuracy"]) == ({"infer": 5}, 0.9)
    assert CliRunner().invoke(app, arguments).stdout.startswith("0 files")
    (out / "results" / "x.json").write_text("{}")
    with pytest.raises(DataError, match=r"x\.json: cannot be read as results"):
        collect(out / "results", into)


# doing it


@pytest.fixture(scope="module")
def steel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten synthetic surfaces of each of the six classes."""
    root, rng = tmp_path_factory.mktemp("steel"), np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir()
        for i in range(10):
            (root / name / f"{i}.jpg").write_bytes(jpeg(surface(name, rng), 90))
    return root


def test_both_precisions_side_by_side(steel: Path, tmp_path: Path) -> None:
    found = check_precision("steelnet_s", steel, tmp_path, [0, 1], 1, size=32, command="typed")
    assert [(run["seed"], run["precision"]) for run in found["runs"]] == [
        (0, "bf16"), (0, "fp32"), (1, "bf16"), (1, "fp32"),
    ]  # fmt: skip
    assert found["difference"] == pytest.approx(found["mean"]["bf16"] - found["mean"]["fp32"])
    assert (found["command"], found["kind"]) == ("typed", "precision")
    assert [path.name for path in tmp_path.iterdir()] == ["precision-steelnet_s.json"]
    assert check_precision("steelnet_s", steel, tmp_path, [0, 1], 1, size=32) == found
    assert "\n| `steelnet_s` | 32² | 1 | 2 | " in render(read_results(tmp_path))
    with pytest.raises(DataError, match="another recipe or other images; name another folder"):
        check_precision("steelnet_s", steel, tmp_path, [0], 2, size=32)


def test_the_steps_of_both_precisions_are_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"steelnet_s": Architecture("steelnet:SteelNet", 32, "", {"widths": (8, 24, 32, 48)})}
    monkeypatch.setattr(precisions, "CATALOGUE", small)
    answer = CliRunner().invoke(app, ["zoo", "steps", "--out", str(tmp_path)])
    assert answer.exit_code == 0, answer.output
    found = json.loads((tmp_path / "precision-steps.json").read_text())
    step = found["steps"]["steelnet_s"]
    assert step["bf16_over_fp32"] == pytest.approx(step["bf16_ms"] / step["fp32_ms"], rel=0.1)
    assert "\n| `steelnet_s` | 32² | " in render(read_results(tmp_path))


SIZES = dict.fromkeys(CATALOGUE, 64) | {"mobilesteelnet": 32, "resnet50": 96}


@pytest.mark.slow
@pytest.mark.parametrize("arch", CATALOGUE)
def test_every_architecture_goes_through_the_queue(arch: str, steel: Path, tmp_path: Path) -> None:
    jobs = [Job("ours", arch, (0,), 2, SIZES[arch])]
    if arch == "cost_effective_cnn":
        jobs.append(Job("lee", arch, (0,), 2))
    found = run_queue(jobs, tmp_path, partial(do, data=steel, device="cpu", precision="auto"), nice=0)
    assert [(one.state, one.epoch, one.reason) for one in found] == [("done", 2, "")] * len(jobs)
    record = json.loads((tmp_path / "results" / f"{arch}-{SIZES[arch]}.json").read_text())
    (run,) = record["runs"]
    assert run["accuracy"] == found[0].accuracy
    assert run["precision"] in ("fp32", "bf16")
    assert run["trained_by"].keys() >= {"command", "machine"}
    assert run["trained_in_seconds"] > 0
    assert record["hours"] == round(run["trained_in_seconds"] / 3600, 3)
    assert any("trained for 2 epochs" in caveat for caveat in record["caveats"])
