"""``steelflow backfill`` and ``steelflow housekeeping``, without the service."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from steelflow.cli.options import Address, ExecutorOption
from steelflow.cli.output import Json, counting, emit, settings, stderr
from steelflow.night.backfill import Again
from steelflow.night.backfill import backfill as run_backfill
from steelflow.night.housekeeping import tidy
from steelflow.store.embedded import serving


def backfill(
    first: Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first night.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last night.")],
    line: Annotated[list[str] | None, typer.Option("--line", help="Only this line; may be repeated.")] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for another run of a night.")] = 0.0,
    executor: ExecutorOption = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Inspect past nights again with the current champion.

    Reports that are up to date are kept, so an interrupted backfill resumes. If the images of a line have left the
    archive, its report is kept.
    """

    def tell(night: Again) -> None:
        stderr.print(night.text)

    with serving(settings().with_executor(executor, address)) as current, counting("backfill") as tick:
        result = run_backfill(
            current, first.date(), last.date(), line or (), wait, tell, lambda done: tick(done.counts.found)
        )
    emit(result.to_dict(), as_json, result.text)
    if result.failed_units:
        count, some = len(result.failed_units), result.failed_units[0]
        typer.echo(f"steelflow: {count} units failed, run again; first: {some}", err=True)
        raise typer.Exit(1)


def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted; delete nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Delete data by the retention settings. The champion and the previous champion are never deleted."""
    current = settings()
    uris = (current.report.uri, current.registry_uri)
    with serving(current, *uris) as reached:
        tidied = tidy(reached, dt.datetime.now(ZoneInfo(current.night.timezone)).date(), dry_run)
    emit(tidied.to_dict(), as_json, tidied.text)
