"""``steelflow simulate``: a month in fast-forward."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from steelflow.cli.output import Json, counting, emit, settings, stderr, stdout
from steelflow.config import ArchiveSettings, ReportSettings, RetrainSettings, Settings
from steelflow.errors import ConfigError
from steelflow.synth import TEMPLATE
from steelflow.synth.month import KNOWN, Entry, Person, first_model, make_archive, month, simulate

_MARK = "simulation.txt"


def simulate_month(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything that is made.")] = Path(".simulation"),
    nights: Annotated[int, typer.Option("--nights", min=4, help="How many.")] = 30,
    coils: Annotated[int, typer.Option("--coils", min=1, help="Coils per line and night, of 55 images.")] = 10,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Of each training from scratch.")] = 40,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another plant.")] = 5,
    as_json: Json = False,
) -> None:
    """Live through a month of a synthetic plant with drift in it: every night, alarm, retraining and promotion, and the
    accuracy against truth beside that of the first model left alone."""
    _fresh(out)
    spec = month(nights, coils, seed=seed)
    base = settings()
    closed = base.model_copy(
        update={
            "home": out / "home",
            "archive": ArchiveSettings(uri=str(out / "images"), template=TEMPLATE),
            "report": ReportSettings(uri=str(out / "reports")),
            "retrain": RetrainSettings(epochs=epochs, cooldown_hours=0),
        }
    )
    started = time.perf_counter()
    with counting("photographing") as tick:
        make_archive(spec, out / "images", tick)
    person = Person(closed, spec)
    with stderr.status("training the first model") as status:
        first = first_model(closed, spec, person, status.update)
        alone = _alone(closed, out, first)
        entries = []
        for entry in simulate(closed, alone, spec, person, status.update):
            entries.append(entry)
            if not as_json:
                status.stop()
                _tell(entry)
                status.start()
    _report(entries, as_json, time.perf_counter() - started)


def _fresh(out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).is_file():
            raise ConfigError(f"{out}: is not empty and not made by a simulation; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).write_text("Made by `steelflow simulate`, which deletes this folder when it runs again.\n")


def _alone(closed: Settings, out: Path, first: str) -> Settings:
    """The same plant with the first model for good."""
    return closed.model_copy(
        update={
            "report": ReportSettings(uri=str(out / "reports-alone")),
            "registry": closed.registry.model_copy(update={"uri": closed.registry_uri}),
            "model": closed.model.model_copy(update={"ref": first}),
        }
    )


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


def _report(entries: list[Entry], as_json: bool, seconds: float) -> None:
    alarms = [entry for entry in entries if entry.verdict == "alarm"]
    promoted = [one for one in entries if one.retraining is not None and one.retraining.state == "promoted"]
    closed, alone = ([getattr(one, name) for one in entries] for name in ("accuracy", "alone"))
    rows: list[dict[str, Any]] = [
        {
            "date": entry.date.isoformat(),
            "events": entry.events,
            "images": entry.images,
            "model": entry.model,
            "verdict": entry.verdict,
            "reasons": entry.reasons,
            "accuracy": entry.accuracy,
            "accuracy_alone": entry.alone,
            "labels": entry.labels,
            "retraining": None if entry.retraining is None else entry.retraining.to_dict(),
        }
        for entry in entries
    ]
    result = {
        "nights": rows,
        "alarms": len(alarms),
        "retrainings": sum(entry.retraining is not None for entry in entries),
        "promotions": len(promoted),
        "labels": sum(entry.labels for entry in entries),
        "mean_accuracy": sum(closed) / len(closed),
        "mean_accuracy_alone": sum(alone) / len(alone),
        "known_classes": [name for name, weight in KNOWN.items() if weight],
        "seconds": seconds,
    }
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for heading in ("", "loop closed", "first model left alone"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("mean accuracy", f"{result['mean_accuracy']:.2%}", f"{result['mean_accuracy_alone']:.2%}")
    table.add_row("worst night", f"{min(closed):.2%}", f"{min(alone):.2%}")
    table.add_row("last night", f"{closed[-1]:.2%}", f"{alone[-1]:.2%}")
    if as_json:
        emit(result, True, "")
        return
    stdout.print()
    stdout.print(table)
    stdout.print(
        f"{len(entries)} nights, {result['alarms']} alarms, {result['labels']} images labelled, "
        f"{result['retrainings']} retrainings, {result['promotions']} promotions, in {seconds:.0f} s"
    )
