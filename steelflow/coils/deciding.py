"""A person decides about coils of a night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from steelflow.coils.decisions import Decision, Decisions
from steelflow.coils.listing import CoilState, coil_list
from steelflow.coils.proposal import Coil
from steelflow.config import Disposition, Settings
from steelflow.errors import CoilError
from steelflow.store.base import Store

_SHOWN = 8
_LONGEST = 2000  # characters of a reason


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that stands. ``fresh``: it was stored now; otherwise the same was decided before."""

    decision: Decision
    fresh: bool


def find(coils: Sequence[CoilState], names: Collection[str], date: dt.date) -> list[CoilState]:
    """The coils with these names, each once. Raises ``CoilError`` for a name that none or several of them have."""
    found = []
    for name in dict.fromkeys(names):
        same = [one for one in coils if one.coil == name]
        if not same:
            there = ", ".join(sorted({one.coil for one in coils})[:_SHOWN]) or "none"
            raise CoilError(f"no coil {name!r} on {date}; nothing was changed; coils of that night: {there}")
        if len(same) > 1:
            lines = ", ".join(str(one.line) for one in same)
            raise CoilError(
                f"the lines {lines} have a coil {name!r} on {date}; name one with --line; nothing was changed"
            )
        found.append(same[0])
    return found


def decide(
    settings: Settings,
    report: Store,
    decisions: Decisions,
    date: dt.date,
    coils: Collection[Coil],
    disposition: Disposition,
    *,
    who: str,
    reason: str,
    seen: Mapping[Coil, int] | None = None,
) -> list[Decided]:
    """Store what a person decided about coils of a night. The same decision on the same figures is stored once.

    Args:
        coils: line and name of each.
        seen: the number of decisions about a coil that the person has seen; another number refuses the decision.

    Raises:
        CoilError: no name or reason, no such coil, or another person has decided since; nothing was changed.
        LockHeld: another person decides about the same night for too long.
        ReportError, StoreError: see ``coil_list``.
    """
    who, reason = who.strip(), " ".join(reason.split())
    if not who or not reason:
        raise CoilError("a decision about a coil needs a name and a reason; nothing was changed")
    if len(reason) > _LONGEST:
        raise CoilError(f"the reason has {len(reason):,} characters, the limit is {_LONGEST:,}; nothing was changed")
    wanted = list(dict.fromkeys(coils))
    with decisions.adding(date):
        there = {(one.line, one.coil): one for one in coil_list(settings, report, decisions, date)}
        for coil in wanted:
            _refuse(there, coil, date, seen)
        now, made = decisions.now(), []
        for coil in wanted:
            state = there[coil]
            decision = _decision(state, disposition, who, reason, now)
            same = state.decision is not None and state.decision.says(decision)
            stands = state.decision if same and state.decision is not None else decisions.add(decision, state.history)
            made.append(Decided(stands, not same))
    return made


def _refuse(there: Mapping[Coil, CoilState], coil: Coil, date: dt.date, seen: Mapping[Coil, int] | None) -> None:
    state = there.get(coil)
    if state is None:
        raise CoilError(f"no coil {coil[1]!r} of line {coil[0]} on {date}; nothing was changed")
    if seen is not None and seen.get(coil, 0) != len(state.history) and state.decision is not None:
        last = state.decision
        raise CoilError(
            f"coil {coil[1]}: {last.who} has decided in the meantime: {last.disposition} ({last.reason}); nothing was "
            "changed, look at the coil again"
        )


def _decision(state: CoilState, disposition: Disposition, who: str, reason: str, now: dt.datetime) -> Decision:
    return Decision(
        number=0,
        at=now,
        who=who,
        disposition=disposition,
        reason=reason,
        date=state.date,
        line=state.line,
        coil=state.coil,
        proposed=state.proposed,
        reasons=() if state.proposal is None else state.proposal.reasons,
        basis=state.basis,
    )
