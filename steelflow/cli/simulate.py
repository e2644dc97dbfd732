"""``steelflow simulate``: simulate a month of a synthetic plant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from steelflow.cli.output import Json, counting, emit, settings, stderr, stdout
from steelflow.synth.ledger import Entry, Summary, summary
from steelflow.synth.month import (
    KNOWN,
    begin,
    closed_loop,
    first_model,
    images_folder,
    left_alone,
    make_archive,
    month,
    simulate,
)
from steelflow.synth.person import Person


def simulate_month(
    out: Annotated[Path, typer.Option("--out", help="Folder for all output.")] = Path(".simulation"),
    nights: Annotated[int, typer.Option("--nights", min=4, help="How many.")] = 30,
    coils: Annotated[int, typer.Option("--coils", min=1, help="Coils per line and night; 55 images each.")] = 10,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs of each training from scratch.")] = 40,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed gives another plant.")] = 5,
    as_json: Json = False,
) -> None:
    """Simulate a month of a synthetic plant with drift: nights, alarms, retrainings and promotions. Compare the
    accuracy with that of the first model without retraining."""
    begin(out)
    spec = month(nights, coils, seed=seed)
    closed = closed_loop(settings(), out, epochs)
    started = time.perf_counter()
    with counting("photographing") as tick:
        make_archive(spec, images_folder(out), tick)
    person = Person(closed, spec)
    entries = []
    with stderr.status("training the first model") as status:
        first = first_model(closed, person, status.update)
        for entry in simulate(closed, left_alone(closed, out, first), spec, person, status.update):
            entries.append(entry)
            if not as_json:
                status.stop()
                _tell(entry)
                status.start()
    seconds, figures = time.perf_counter() - started, summary(entries)
    if as_json:
        emit(_as_dict(entries, figures, seconds), True, "")
    else:
        _report(entries, figures, seconds)


def _tell(entry: Entry) -> None:
    for event in entry.events:
        stdout.print(f"            — {event} —")
    stdout.print(
        f"{entry.date}  {entry.images:,} images by {entry.model:<4} {entry.accuracy:6.1%} right "
        f"(first model {entry.alone:6.1%})  drift: {entry.verdict}"
    )
    for reason in entry.reasons[:2] if entry.verdict == "alarm" else ():
        stdout.print(f"            {reason}")
    if entry.retraining is not None:
        stdout.print(f"            {entry.labels} images labelled; {entry.retraining.state}: {entry.retraining.text}")


def _as_dict(entries: Sequence[Entry], figures: Summary, seconds: float) -> dict[str, Any]:
    return {
        "nights": [entry.to_dict() for entry in entries],
        "alarms": figures.alarms,
        "retrainings": figures.retrainings,
        "promotions": figures.promotions,
        "labels": figures.labels,
        "mean_accuracy": figures.closed.mean,
        "mean_accuracy_alone": figures.alone.mean,
        "known_classes": [name for name, weight in KNOWN.items() if weight],
        "seconds": seconds,
    }


def _report(entries: Sequence[Entry], figures: Summary, seconds: float) -> None:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for heading in ("", "with retraining", "first model only"):
        table.add_column(heading, justify="left" if not heading else "right")
    closed, alone = figures.closed, figures.alone
    table.add_row("mean accuracy", f"{closed.mean:.2%}", f"{alone.mean:.2%}")
    table.add_row("worst night", f"{closed.worst:.2%}", f"{alone.worst:.2%}")
    table.add_row("last night", f"{closed.last:.2%}", f"{alone.last:.2%}")
    stdout.print()
    stdout.print(table)
    stdout.print(
        f"{len(entries)} nights, {figures.alarms} alarms, {figures.labels} images labelled, "
        f"{figures.retrainings} retrainings, {figures.promotions} promotions, in {seconds:.0f} s"
    )
