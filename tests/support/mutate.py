"""Change a room's code in small ways, one at a time, and see whether its fast tests notice: `make mutate ROOM=report`.

The changes are Cosmic Ray's: another operator, another number, a condition negated, a loop left out. They are made in a
copy of the repository. Of the changes at one place one is drawn, and of the places a sample. Each change is tried with
the fast tests of `tests/ROOM` that reach its line. Results go to `.steelflow/mutation/ROOM.jsonl`; `--again` tries the
survivors of that file once more.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
import pytest
from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import use_mutation
from cosmic_ray.work_item import MutationSpec
from coverage import Coverage, CoverageData
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("-p", "pytest_timeout", "-p", "no:cacheprovider", "-m", "not slow")
LARGE = ("cv2", "hypothesis", "onnxruntime", "polars", "pyarrow.parquet", "torch", "typer.testing")
IDLE = re.compile(r"strict=True|@dataclass|@property|^_THREADS|^_AHEAD|except .*\w\.\w")
"""Lines whose changes alter no result: a check of ourselves, a name for tools, how much is done at once. And exceptions
with a module before their name, which Cosmic Ray cannot replace."""
SECONDS = Path(".seconds")  # in the copy: what each test takes
OUT = ROOT / ".steelflow" / "mutation"

Tests = dict[str, dict[int, set[str]]]  # by module and line, the tests that reach it


def copied(to: Path) -> None:
    """The files of the working tree that git knows or would add."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def pytest_configure() -> None:
    """A test must fail because of a change, never because the machine is slow."""
    settings.register_profile("mutate", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    settings.load_profile("mutate")


def pytest_runtest_call(item: pytest.Item) -> None:
    """Pytest loads this module as a plugin while coverage is measured: lines are told by the test that runs them."""
    if coverage := Coverage.current():
        coverage.switch_context(item.nodeid.partition("[")[0])


def pytest_runtest_teardown() -> None:
    if coverage := Coverage.current():
        coverage.switch_context("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if Coverage.current():
        with SECONDS.open("a") as out:
            out.write(f"{report.duration} {report.nodeid.partition('[')[0]}\n")


def reached(room: str) -> Tests:
    """Run the fast tests of `tests/ROOM` once, with coverage. Raises ``CalledProcessError`` when one of them fails."""
    measured = (sys.executable, "-m", "coverage", "run", f"--source=steelflow/{room}", "-m", "pytest", "-p", "mutate")
    subprocess.run((*measured, *OPTIONS, f"tests/{room}"), check=True)
    data = CoverageData()
    data.read()
    return {
        str(Path(file).relative_to(Path.cwd())): {
            line: set(contexts) for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }


def changes(module: Path) -> Iterator[MutationSpec]:
    """All changes that Cosmic Ray makes of a module, without those of annotations, which nothing reads, and of ``IDLE``
    lines."""
    annotations = _annotations(module)
    lines = module.read_text().splitlines()
    tree = get_ast_from_path(module)
    for name in cosmic_ray.plugins.operator_names():
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments():
            continue
        found = ((start, end) for node in ast_nodes(tree) for start, end in kind().mutation_positions(node))
        for occurrence, (start, end) in enumerate(found):
            idle = IDLE.search(lines[start[0] - 1])
            if not idle and not any(first <= start < last for first, last in annotations):
                yield MutationSpec(module, name, occurrence, start, end)


def _annotations(module: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef):
            found.append(node.returns)
    return [
        ((one.lineno, one.col_offset), (one.end_lineno or 0, one.end_col_offset or 0))
        for one in found
        if one is not None
    ]


def drawn(specs: Iterable[MutationSpec], most: int, seed: int) -> tuple[list[MutationSpec], int]:
    """One change for each place, of ``most`` places at random; and how many places there are."""
    rng = random.Random(seed)
    places: dict[tuple[str, tuple[int, int]], list[MutationSpec]] = defaultdict(list)
    for spec in specs:
        places[str(spec.module_path), spec.start_pos].append(spec)
    one_each = [rng.choice(places[place]) for place in sorted(places)]
    return rng.sample(one_each, min(most, len(one_each))), len(one_each)


def tests_of(spec: MutationSpec, tests: Tests) -> list[str]:
    """The tests that reach the changed line, the quickest first; all of the module's where it runs on import or in a
    fixture, or is not seen to run: coverage does not follow the threads of other languages."""
    lines = tests.get(str(spec.module_path), {})
    contexts = set().union(*(lines.get(line, ()) for line in range(spec.start_pos[0], spec.end_pos[0] + 1)))
    if not contexts or "" in contexts:
        contexts = set().union(*lines.values())
    seconds: dict[str, float] = defaultdict(float)
    for line in SECONDS.read_text().splitlines():
        taken, _, test = line.partition(" ")
        seconds[test] += float(taken)
    return sorted((one for one in contexts if one), key=lambda test: seconds[test])


def tried(spec: MutationSpec, tests: Tests, timeout: float) -> dict[str, Any]:
    """Make the change, run its tests, take it back."""
    operator = cosmic_ray.plugins.get_operator(spec.operator_name)()
    with use_mutation(spec.module_path, operator, spec.occurrence) as (before, after):
        lines = (before.splitlines(), (after or before).splitlines())
        found = {
            "module": str(spec.module_path),
            "operator": spec.operator_name,
            "occurrence": spec.occurrence,
            "start": spec.start_pos,
            "end": spec.end_pos,
            "diff": [line for line in difflib.unified_diff(*lines, n=0, lineterm="") if line[:3] not in ("---", "+++")],
        }
        chosen = tests_of(spec, tests)
        return {**found, "outcome": _outcome(chosen, timeout) if chosen else "no test"}


def _outcome(chosen: list[str], timeout: float) -> str:
    """The tests run in a child of this process, which has loaded the large libraries already."""
    child = multiprocessing.get_context("fork").Process(target=_run_tests, args=(chosen,))
    child.start()
    child.join(timeout)
    if child.is_alive():
        os.killpg(child.ident or 0, signal.SIGKILL)
        child.join()
        return "timeout"
    return "survived" if child.exitcode == 0 else "killed"


def _run_tests(chosen: list[str]) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.dont_write_bytecode = True
    os._exit(pytest.main([*OPTIONS, "-x", *chosen], plugins=[sys.modules[__name__]]))


def survivors(file: Path) -> Iterator[MutationSpec]:
    for one in map(json.loads, file.read_text().splitlines()):
        if one["outcome"] in ("survived", "no test"):
            yield MutationSpec(
                one["module"], one["operator"], one["occurrence"], tuple(one["start"]), tuple(one["end"])
            )


def run(specs: list[MutationSpec], tests: Tests, file: Path, timeout: float) -> Mapping[str, int]:
    counts: dict[str, int] = defaultdict(int)
    with file.open("w") as out:
        for spec in specs:
            found = tried(spec, tests, timeout)
            counts[str(found["outcome"])] += 1
            out.write(json.dumps(found) + "\n")
            out.flush()
            if found["outcome"] in ("survived", "no test"):
                say("\n".join([f"{found['outcome']}: {spec.module_path} {spec.operator_name}", *found["diff"]]))
    return counts


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", help="a folder of steelflow/")
    parser.add_argument("--sample", type=int, default=60, help="places to change at most (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="try those again that survived last time")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    last = OUT / f"{options.room}.jsonl"
    with tempfile.TemporaryDirectory(prefix="steelflow-mutate-") as folder:
        copied(Path(folder))
        os.chdir(folder)
        sys.path[0] = folder  # in place of this file's folder: the tests are to find the copy
        os.environ |= {"PYTHONPATH": f"{folder}:{folder}/tests/support", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        started = time.monotonic()
        tests = reached(options.room)
        timeout = 60 + 2 * (time.monotonic() - started)
        if options.again:
            specs = list(survivors(last))
            places, last = len(specs), OUT / f"{options.room}-again.jsonl"
        else:
            modules = sorted(Path("steelflow", options.room).rglob("*.py"))
            specs, places = drawn((spec for one in modules for spec in changes(one)), options.sample, options.seed)
        say(f"steelflow/{options.room}: {len(specs)} of {places} places, at most {timeout:.0f} s each")
        for name in LARGE:
            importlib.import_module(name)
        everything = {one for lines in tests.values() for some in lines.values() for one in some if one}
        if _outcome(["--collect-only", *sorted(everything)], timeout) != "survived":
            raise SystemExit(
                "pytest does not find the tests that coverage names: every change would seem to be noticed"
            )
        counts = run(specs, tests, last, timeout)
        say(f"steelflow/{options.room}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
