"""steelflow and other programs over the same pictures with the same model, in turns, each in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from steelflow.bench.child import Ran, ran
from steelflow.bench.peer_loops import PACKAGES, READS
from steelflow.config import Settings, StoreSettings
from steelflow.errors import DataError
from steelflow.models.spec import ModelSpec
from steelflow.registry import model_file
from steelflow.store.s3_clients import endpoint_url

OURS = "steelflow"
_CLUSTERS, _FEWEST = ("Daft", "Ray Data"), 1000
"""Programs that are left out with fewer pictures than this: they have hardly started when the pictures are done."""
_IN_S3 = " in S3"
_OUR_NAMES = ("STEELFLOW_STORE__ENDPOINT", "STEELFLOW_STORE__ACCESS_KEY", "STEELFLOW_STORE__SECRET_KEY")
_THEIR_NAMES = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_DIFFERENT = 1e-3  # share of pictures that rounding may give another class


def compare(
    settings: Settings,
    spec: ModelSpec,
    sources: dict[str, str],
    count: int,
    rounds: int,
    say: Callable[[str], None],
    server: StoreSettings | None = None,
) -> list[dict[str, Any]]:
    """One record per program and source, ours first.

    ``images_per_second`` is from the listing to the closed Parquet file, without start and loading; ``cpu_seconds`` and
    ``peak_mib`` are of the whole process with its children; each is the median of the rounds. ``ratio`` is the median
    of our rate over the program's, round by round. A program that cannot run here has its ``error`` instead.

    Args:
        sources: places of ``loose``, ``tars``, ``loose in S3`` and ``tars in S3``, each with ``count`` pictures.
        server: of the places in S3.

    Raises:
        DataError: a program has not as many rows as there are pictures, or other classes than we have.
    """
    installed = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package)]
    peers = [name for name in installed if count >= _FEWEST or name not in _CLUSTERS]
    runs: dict[tuple[str, str], list[tuple[float, Ran]]] = {}
    failed: dict[tuple[str, str], str] = {}
    for turn in range(rounds):
        for kind, source in sources.items():
            labels: dict[str, pl.DataFrame] = {}
            for name in [OURS, *(peer for peer in peers if kind.removesuffix(_IN_S3) in READS[peer])]:
                if (name, kind) in failed:
                    continue
                say(f"round {turn + 1} of {rounds}: {name}, {kind}")
                with tempfile.TemporaryDirectory(prefix="steelflow-peer-") as out:
                    try:
                        found = _run(name, source, settings, spec, Path(out), count, server)
                    except DataError as exc:
                        if name == OURS:
                            raise
                        failed[name, kind] = str(exc)
                        continue
                    runs.setdefault((name, kind), []).append(found)
                    labels[name] = _labels(name, Path(out), spec)
            _check(labels, count)
    complete = {key: found for key, found in runs.items() if key not in failed}
    return [
        *(_record(name, kind, found, runs[OURS, kind], count) for (name, kind), found in complete.items()),
        *({"program": name, "source": kind, "error": error} for (name, kind), error in failed.items()),
    ]


def _run(
    name: str, source: str, settings: Settings, spec: ModelSpec, out: Path, count: int, server: StoreSettings | None
) -> tuple[float, Ran]:
    if name == OURS:
        how = settings.model_dump_json(include={"model"})
        found = ran(["-m", "steelflow.bench.compare", source, str(out), how], _keys(server, *_OUR_NAMES))
    else:
        arguments = [name, source, str(model_file(settings)), str(spec.input_size), str(out / "peer.parquet")]
        found = ran(["-m", "steelflow.bench.peer_loops", *arguments], _keys(server, *_THEIR_NAMES))
    return count / float(found.said.split()[-1]), found


def _keys(server: StoreSettings | None, endpoint: str, access: str, secret: str) -> dict[str, str]:
    """The server's address and keys as environment variables with these names: arguments are seen by others."""
    if server is None or server.access_key is None or server.secret_key is None:
        return {}
    return {
        endpoint: endpoint_url(server.endpoint),
        access: server.access_key,
        secret: server.secret_key.get_secret_value(),
    }


def _labels(name: str, out: Path, spec: ModelSpec) -> pl.DataFrame:
    """``name`` of each picture and the index of its class, in order of the names."""
    if name == OURS:
        frame = pl.read_parquet(sorted(out.glob("*.parquet")), columns=["object_key", "member", "label"])
        names = pl.coalesce("member", "object_key").str.extract(r"([^/]*?)(?:\.[^./]*)?$", 1)
        classes = pl.Enum(list(spec.classes))
        found = frame.select(name=names, label=pl.col("label").cast(classes).to_physical().cast(pl.Int64))
    else:
        frame = pl.read_parquet(out / "peer.parquet")
        logits = [column for column in frame.columns if column != "name"]
        found = frame.select("name", label=pl.concat_list(logits).list.arg_max().cast(pl.Int64))
    return found.sort("name")


def _check(labels: dict[str, pl.DataFrame], count: int) -> None:
    ours = labels[OURS]
    for name, found in labels.items():
        if found.height != count or not found["name"].equals(ours["name"]):
            raise DataError(f"benchmark: {name} has {found.height:,} rows of other pictures, {count:,} were given")
        different = (found["label"] != ours["label"]).sum() / count
        if different > _DIFFERENT:
            raise DataError(f"benchmark: {name} gives {different:.1%} of the pictures another class")


def _record(
    name: str, kind: str, found: list[tuple[float, Ran]], ours: list[tuple[float, Ran]], count: int
) -> dict[str, Any]:
    middle = statistics.median
    return {
        "program": name,
        "source": kind,
        "images_per_second": middle(rate for rate, _ in found),
        "ratio": middle(own / rate for (own, _), (rate, _) in zip(ours, found, strict=True)),
        "cpu_seconds": middle(one.cpu for _, one in found),
        "cpu_microseconds_per_image": middle(one.cpu for _, one in found) / count * 1e6,
        "peak_mib": middle(one.peak_mib for _, one in found),
        "rates": [rate for rate, _ in found],
    }


def _inspect(source: str, out: str, how: str) -> None:
    """Our own run: inspects and prints the seconds from the listing to the last report."""
    from steelflow.inspection.infer import inspect_source
    from steelflow.inspection.pipeline import load_model
    from steelflow.inspection.runtime import prepare

    prepare()
    with tempfile.TemporaryDirectory(prefix="steelflow-home-") as home:
        settings = Settings(home=Path(home), **json.loads(how))
        load_model(settings)  # measured and remembered before, as the others load their model before
        started = time.perf_counter()
        inspect_source(source, out, settings)
        sys.stdout.write(str(time.perf_counter() - started))


if __name__ == "__main__":
    _inspect(*sys.argv[1:])
