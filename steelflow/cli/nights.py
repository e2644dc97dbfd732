"""``steelflow nights``."""

from __future__ import annotations

import datetime as dt
import shlex
from typing import Annotated

import typer

from steelflow.cli.output import Json, emit, settings, user
from steelflow.config import Settings
from steelflow.drift.references import brought_rows
from steelflow.errors import SteelflowError
from steelflow.night.drop import drop as drop_reports
from steelflow.night.drop import reports_of
from steelflow.night.reference import brought_by
from steelflow.registry import resolved
from steelflow.store import open_store
from steelflow.store.embedded import serving

app = typer.Typer(help="Nights that were inspected.", no_args_is_help=True)


@app.callback()
def nights() -> None:
    """Nights that were inspected."""


@app.command()
def drop(
    date: Annotated[dt.datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="The night.")],
    line: Annotated[str, typer.Option("--line", help="The line.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is stored.")] = "the images left the archive",
    who: Annotated[str | None, typer.Option("--who", help="Your name; the login name by default.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete the reports of a line's night: its images left the archive, or are in it under another line or date."""
    base = settings()
    with serving(base, base.report.uri) as reached:
        report = open_store(reached.report.uri, reached.store)
        count = len(reports_of(report, date.date(), line))
        if not yes:
            typer.confirm(f"Delete {count} reports of line {line} on {date.date()}?", abort=True, err=True)
        dropped = drop_reports(report, date.date(), line, who=user(who), reason=reason)
        left = _still_in_the_reference(reached, date.date(), line)
    text = f"{date.date()}, line {line}: {dropped} reports deleted"
    if left:
        text += (
            f"\n{left:,} images of that night are still in the drift reference that the champion brings; accept "
            f"another night of the line instead: steelflow accept-drift --date … --line {shlex.quote(line)}"
        )
    emit({"date": str(date.date()), "line": line, "reports": dropped, "still_in_reference": left}, as_json, text)


def _still_in_the_reference(current: Settings, date: dt.date, line: str) -> int:
    """Images of the night in the profile that the model of the nights brings, which nothing changes."""
    try:
        return brought_rows(brought_by(resolved(current)[1], current), date, line)
    except SteelflowError:  # no registry yet, or one that cannot be reached: the reports are dropped
        return 0
