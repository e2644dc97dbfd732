"""``steelflow coils``: the coils of a night, what is proposed for them, and what people decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from steelflow.cli.output import Json, emit, settings, user
from steelflow.coils.deciding import decide, find
from steelflow.coils.decisions import Decisions, open_decisions
from steelflow.coils.export import write_list
from steelflow.coils.listing import CoilState, coil_list, table
from steelflow.config import Disposition, Settings
from steelflow.errors import ReportError
from steelflow.report.reader import ReportReader
from steelflow.service.coil_decided import alert_of_decision
from steelflow.store import Store, open_store
from steelflow.store.embedded import serving

app = typer.Typer(help="Coils of a night: released, held, or to be graded.", no_args_is_help=True)

Date = Annotated[
    dt.datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="The night; by default the last one.")
]
Lines = Annotated[list[str] | None, typer.Option("--line", help="Only this line; may be repeated.")]
OneLine = Annotated[str | None, typer.Option("--line", help="The line, if several have a coil of that name.")]
Coils = Annotated[list[str], typer.Argument(metavar="COIL…", help="Names of coils.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is stored.")]
Who = Annotated[str | None, typer.Option("--who", help="Who decides; by default your login name.")]


@dataclass(frozen=True, slots=True)
class _Night:
    settings: Settings
    report: Store
    decisions: Decisions
    date: dt.date

    def coils(self, lines: list[str] | None) -> list[CoilState]:
        return coil_list(self.settings, self.report, self.decisions, self.date, lines or None)


@contextmanager
def _night(date: dt.datetime | None) -> Iterator[_Night]:
    base = settings()
    with serving(base, base.report.uri, base.coils_uri) as reached:
        report = open_store(reached.report.uri, reached.store)
        nights = ReportReader(report).nights()
        night = date.date() if date else max(nights, default=None)
        if night is None or night not in nights:
            raise ReportError(
                f"{report.uri}: no reports of {night or 'any night'}; run `steelflow nightly`"
                + (f", or take one of {nights[0]} to {nights[-1]}" if nights else "")
            )
        yield _Night(reached, report, open_decisions(reached), night)


@app.command("list")
def list_command(
    date: Date = None,
    line: Lines = None,
    disposition: Annotated[Disposition | None, typer.Option("--disposition", help="Only these coils.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the list to this .csv or .parquet file.")] = None,
    as_json: Json = False,
) -> None:
    """List the coils of a night: what is proposed for each, and what a person has decided."""
    with _night(date) as night:
        coils = night.coils(line)
        if disposition:
            coils = [one for one in coils if one.disposition == disposition]
        if out is not None:
            write_list(table(coils), out)
    found = {"date": night.date.isoformat(), "coils": [one.to_dict() for one in coils]}
    emit(found, as_json, _listed(night.date, coils) + (f"\nlist: {out}" if out is not None else ""))


@app.command()
def hold(
    coil: Coils, reason: Reason, date: Date = None, line: OneLine = None, who: Who = None, as_json: Json = False
) -> None:
    """Hold coils."""
    _decide("held", coil, reason, date, line, who, as_json)


@app.command()
def release(
    coil: Coils, reason: Reason, date: Date = None, line: OneLine = None, who: Who = None, as_json: Json = False
) -> None:
    """Release coils."""
    _decide("released", coil, reason, date, line, who, as_json)


@app.command()
def grade(
    coil: Coils, reason: Reason, date: Date = None, line: OneLine = None, who: Who = None, as_json: Json = False
) -> None:
    """Say that coils are to be graded."""
    _decide("to be graded", coil, reason, date, line, who, as_json)


@app.command()
def history(
    coil: Annotated[str, typer.Argument(metavar="COIL", help="Name of the coil.")],
    date: Date = None,
    line: OneLine = None,
    as_json: Json = False,
) -> None:
    """Show every decision about a coil, the first one first."""
    with _night(date) as night:
        (state,) = find(night.coils([line] if line else None), [coil], night.date)
    told = [one.to_dict() for one in state.history]
    found = {"date": night.date.isoformat(), "line": state.line, "coil": coil, "decisions": told}
    lines = [f"coil {coil} of {night.date}: {len(told)} decisions; proposed now: {state.proposed or 'nothing'}"]
    lines += [
        f"{one.number:>3}  {one.at:%Y-%m-%d %H:%M} UTC  {one.disposition:<12}  {one.who}: {one.reason} "
        f"(proposed: {one.proposed or 'nothing'})"
        for one in state.history
    ]
    emit(found, as_json, "\n".join(lines + _changed(state)))


def _decide(
    disposition: Disposition,
    names: list[str],
    reason: str,
    date: dt.datetime | None,
    line: str | None,
    who: str | None,
    as_json: bool,
) -> None:
    with _night(date) as night:
        chosen = find(night.coils([line] if line else None), names, night.date)
        made = decide(
            night.settings,
            night.report,
            night.decisions,
            night.date,
            [(one.line, one.coil) for one in chosen],
            disposition,
            who=user(who),
            reason=reason,
        )
        for one in made:
            if one.fresh:
                alert_of_decision(night.settings, one.decision)
    told = [{**one.decision.to_dict(), "unchanged": not one.fresh} for one in made]
    text = "\n".join(
        f"coil {one.decision.coil} of {night.date}: {one.decision.disposition} by {one.decision.who}"
        + ("" if one.fresh else ", as before: nothing was stored")
        for one in made
    )
    emit({"date": night.date.isoformat(), "disposition": disposition, "decisions": told}, as_json, text)


def _listed(date: dt.date, coils: list[CoilState]) -> str:
    if not coils:
        return f"night of {date}: no such coils"
    names = max(len(one.coil) for one in coils)
    lines = [f"night of {date}: {len(coils)} coils", ""]
    lines.append(f"{'line':<8} {'coil':<{names}}  {'disposition':<12}  {'proposed':<12}  reasons, decision")
    for one in coils:
        reasons = "; ".join(one.proposal.reasons) if one.proposal is not None else "its images left the reports"
        shown = one.disposition if one.decision is not None else "–"
        lines.append(f"{one.line or '-':<8} {one.coil:<{names}}  {shown:<12}  {one.proposed or '–':<12}  {reasons}")
        indent = " " * (names + 11)
        if one.decision is not None:
            lines.append(f"{indent}{one.decision.disposition} by {one.decision.who}: {one.decision.reason}")
        lines += [f"{indent}{each}" for each in _changed(one)]
    return "\n".join(lines)


def _changed(state: CoilState) -> list[str]:
    return [f"changed since the decision: {'; '.join(state.changed)}"] if state.changed else []
