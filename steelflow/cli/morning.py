"""``steelflow report``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from steelflow.cli.output import Json, emit, settings
from steelflow.errors import ReportError
from steelflow.morning.files import check_suffix, write_report
from steelflow.morning.gather import gather
from steelflow.morning.send import send
from steelflow.report.reader import ReportReader
from steelflow.store import open_store
from steelflow.store.embedded import serving


def report(
    date: Annotated[
        dt.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The night; by default the last one.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the report to this .pdf or .html file.")] = None,
    shift: Annotated[str | None, typer.Option("--shift", help="Only this shift of \\[night.shifts].")] = None,
    mail: Annotated[bool, typer.Option("--send", help="Send it to the webhook and the mail of the settings.")] = False,
    as_json: Json = False,
) -> None:
    """Write the morning report of a night: one page with what to act on."""
    if out is not None:
        check_suffix(out)
    with serving(settings()) as reached:
        nights = ReportReader(open_store(reached.report.uri, reached.store, create=True)).nights()
        if not nights:
            raise ReportError(f"{reached.report.uri}: no reports of any night; run `steelflow nightly` first")
        night = date.date() if date else nights[-1]
        found = gather(reached, night, shift)
        if out is not None:
            write_report(found, out)
        sent = send(reached, found) if mail else ()
    told = {**found.to_dict(), "out": None if out is None else str(out), "sent": list(sent)}
    lines = [found.text, *(f"report: {out}" for _ in range(out is not None))]
    lines += (
        [f"sent: {', '.join(sent) or 'nowhere: set morning.webhook and alerts.webhook, or mail.host and mail.to'}"]
        if mail
        else []
    )
    emit(told, as_json, "\n".join(lines))
