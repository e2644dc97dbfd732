"""``steelflow drift`` and ``steelflow drift-bench``."""

from __future__ import annotations

import datetime as dt
import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from steelflow.cli.options import Model
from steelflow.cli.output import Json, counting, emit, settings, stderr
from steelflow.drift.accept import accept
from steelflow.drift.signals import SIGNALS
from steelflow.errors import ConfigError
from steelflow.night.comparison import Comparison, compare
from steelflow.registry import resolved
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.store.embedded import serving


def drift(
    reference: Annotated[
        str | None,
        typer.Option(help="Reference: images, reports or a profile (.parquet); by default the model's reference."),
    ] = None,
    current: Annotated[
        str | None, typer.Option(help="Images or reports to check; by default the reports of the last night.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with charts and images.")] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Compare the last night, or every night of CURRENT in order, with a reference."""
    base = settings().with_model(model)
    configured = [base.report.uri, base.registry_uri]  # the reports, the references and the model that brings one
    places = [uri for place in (reference, current) for uri in (configured if place is None else [place])]
    with serving(base, *places) as reached, counting("comparing") as tick:
        found = compare(reached, reference, current, lambda done: tick(done.counts.found))
        if html is not None:
            html.write_bytes(found.explanation().encode("utf-8", "backslashreplace"))
    emit(found.to_dict(), as_json, _table(found))


def _table(found: Comparison) -> str:
    chosen = found.chosen
    lines = []
    if len(found.nights) > 1:
        lines += [f"{one.date}: {one.verdict}" for one in found.nights] + [""]
    night = f"night of {chosen.date}: " if chosen.date else ""
    lines += [f"{night}{chosen.verdict}", *chosen.reasons, ""]
    wide = max(len(name) for name in SIGNALS)
    lines.append(f"{'line':<12} {'signal':<{wide}} {'family':<10} {'value':>8} {'threshold':>9} {'share':>6}")
    for one in chosen.signals:
        mark = "severe" if one.severe else "over" if one.breach else ""
        name = (one.line or "-")[:12]
        lines.append(
            f"{name:<12} {one.signal:<{wide}} {one.family:<10} {one.value:>8.3f} {one.threshold:>9.3f} "
            f"{one.share:>6.2f} {mark}".rstrip()
        )
    for line in chosen.lines:
        if line.accuracy:
            lines.append(f"{line.line or 'all images'}: {line.accuracy}")
    return "\n".join(lines)


def accept_drift(
    reason: Annotated[str, typer.Option("--reason", help="Why it is normal; stored with the reference.")],
    line: Annotated[list[str] | None, typer.Option("--line", help="Only this line; may be repeated.")] = None,
    date: Annotated[
        list[dt.datetime] | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="A normal night; may be repeated; default: the last night."),
    ] = None,
    who: Annotated[str | None, typer.Option("--who", help="Your name; the login name by default.")] = None,
    as_json: Json = False,
) -> None:
    """Accept drift as normal: the last night becomes the reference of the current model."""
    base = settings()
    with serving(base, base.report.uri) as reached:
        report = open_store(reached.report.uri, reached.store, create=True)
        nights = sorted(one.date() for one in date) if date else ReportReader(report).nights()[-1:]
        digest = resolved(reached).digest
        known = accept(
            report,
            digest,
            nights,
            reached.drift.min_images,
            who=who or getpass.getuser(),
            reason=reason,
            lines=line,
        )
    names = [one or "all images" for one in known]
    emit(
        {"lines": known, "nights": [str(night) for night in nights], "model": digest},
        as_json,
        f"{', '.join(names)}: the reference is now {', '.join(map(str, nights))}",
    )


def drift_bench(
    data: Annotated[
        Path | None, typer.Option(help="Folder with one folder of images per class; by default $STEELFLOW_NEU_DIR.")
    ] = None,
    models: Annotated[
        Path, typer.Option(help="Folder of models trained without one class; missing models are trained.")
    ] = Path(".steelflow/drift-bench"),
    nights: Annotated[int, typer.Option(min=10, help="Nights without drift per number of images.")] = 204,
    trials: Annotated[int, typer.Option(min=5, help="Pairs of nights per kind of drift.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure false alarms and detection power on real images, with resampled nights."""
    from steelflow.bench.drift import run_drift_bench, table  # imported here because it may load torch

    known = os.environ.get("STEELFLOW_NEU_DIR")
    folder = data or (Path(known) if known else None)
    if folder is None:
        raise ConfigError("no labelled images; give --data FOLDER with one folder per class")
    with stderr.status("benchmark") as status:
        result = run_drift_bench(folder, models, settings().drift, nights, trials, lambda text: status.update(text))
    emit(result, as_json, table(result))
