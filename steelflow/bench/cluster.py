"""The same night in this process and on the nodes of a Ray cluster of this machine, in turns: rates, and equal rows."""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from steelflow.bench import sources
from steelflow.config import ExecutorKind, Settings
from steelflow.errors import ClusterError, DataError
from steelflow.inspection.pipeline import Done
from steelflow.night.run import inspect_night
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

Say = Callable[[str], None]

_NIGHT = dt.date(2026, 11, 1)  # the date in the layout of ``sources``
_TEMPLATE = "line={line}/date={date}/{name}"
_PER_TAR = 500
_AT_ONCE = 0.1  # seconds
_KINDS: tuple[ExecutorKind, ...] = ("local", "ray")
_OF_A_RUN = ("run_id", "inferred_at")  # the columns in which two runs over the same images differ


@dataclass(slots=True)
class _Watch:
    """Rate from the first results to the last one: without the start of actors, and of the pools here.

    The units of a group come back from a node together, so all results that come at once are the first ones.
    """

    began: float = 0.0
    first: float = 0.0
    last: float = 0.0
    images: int = 0  # after the first results

    def __call__(self, done: Done) -> None:
        self.last = time.perf_counter()
        self.began = self.began or self.last
        if self.last - self.began < _AT_ONCE:
            self.first = self.last
        else:
            self.images += done.counts.found

    @property
    def rate(self) -> float:
        """Raises ``DataError`` if all results came at once."""
        if not self.images:
            raise DataError("benchmark: so few images say nothing about the rate; give more with --images")
        return self.images / (self.last - self.first)


def run_cluster(
    settings: Settings, data: Path | None, count: int, rounds: int, address: str, say: Say
) -> dict[str, Any]:
    """Inspect ``count`` images in tars with the executors ``local`` and ``ray``, in ``rounds`` rounds.

    Returns:
        ``local`` and ``ray``: images/s of every round, from the first results to the last one, and
        ``seconds`` of the whole night, with its start; ``ratio``: the median over the rounds of ray's rate over the
        other one.

    Raises:
        ClusterError: no cluster answers at ``address``, or it did not inspect all images.
        DataError: the two reports differ, or there are too few images.
    """
    rates: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    with tempfile.TemporaryDirectory(prefix="steelflow-bench-") as scratch:
        root = Path(scratch)
        say(f"writing {count:,} images as tars")
        sources.write_tars(root / "images", sources.originals(data), count, _PER_TAR)
        for turn in range(rounds):
            rows: dict[str, pl.DataFrame] = {}
            for kind in _KINDS if turn % 2 == 0 else reversed(_KINDS):
                say(f"round {turn + 1} of {rounds}: {kind}")
                report = root / f"report-{turn}-{kind}"
                watch, began = _Watch(), time.perf_counter()
                rows[kind] = _inspected(_settings(settings, root / "images", report, kind, address), watch)
                seconds[kind].append(time.perf_counter() - began)
                rates[kind].append(watch.rate)
            if not rows["local"].equals(rows["ray"]):
                raise DataError("benchmark: the reports of the cluster and of this process differ")
    return {
        "images": count,
        "rounds": rounds,
        "rows_equal": True,
        "local": {"images_per_second": rates["local"], "seconds": seconds["local"]},
        "ray": {"images_per_second": rates["ray"], "seconds": seconds["ray"]},
        "ratio": statistics.median(ray / local for ray, local in zip(rates["ray"], rates["local"], strict=True)),
    }


def _settings(settings: Settings, images: Path, report: Path, kind: ExecutorKind, address: str) -> Settings:
    changed = settings.model_copy(
        update={
            "archive": settings.archive.model_copy(update={"uri": str(images), "template": _TEMPLATE}),
            "report": settings.report.model_copy(update={"uri": str(report)}),
        }
    )
    return changed.with_executor(kind, address if kind == "ray" else None)


def _inspected(settings: Settings, watch: _Watch) -> pl.DataFrame:
    """Inspect the night. Returns its rows in a fixed order, without the columns that tell one run from another."""
    result = inspect_night(settings, _NIGHT, progress=watch)
    if result.state != "complete":
        why = "; ".join(result.missing) or f"{len(result.failed_units)} units failed"
        raise ClusterError(f"benchmark: the night is {result.state}: {why}")
    frame = ReportReader(open_store(settings.report.uri, settings.store)).images([_NIGHT]).drop(_OF_A_RUN).collect()
    return frame.sort("object_key", "member", "ordinal", nulls_last=True)


def cluster_table(result: dict[str, Any]) -> str:
    """The figures for people, as a table in Markdown."""
    lines = [
        f"{result['images']:,} images in tars; rows equal; images/s from the first results to the last one",
        "",
        "| round | in process | on the cluster | ratio | in process, s in all | on the cluster, s in all |",
        "|------:|-----------:|---------------:|------:|---------------------:|-------------------------:|",
    ]
    local, ray = result["local"], result["ray"]
    for turn in range(result["rounds"]):
        here, there = local["images_per_second"][turn], ray["images_per_second"][turn]
        lines.append(
            f"| {turn + 1:>5} | {here:>10,.0f} | {there:>14,.0f} | {there / here:>5.2f} "
            f"| {local['seconds'][turn]:>20.1f} | {ray['seconds'][turn]:>24.1f} |"
        )
    return "\n".join([*lines, "", f"median of the ratios: {result['ratio']:.2f}"])
