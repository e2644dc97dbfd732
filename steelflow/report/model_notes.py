"""What people should read about the models of a night: there are two, or another one has inspected it before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from steelflow.records import ObjectInfo
from steelflow.report.footer import each_footer
from steelflow.report.reader import files_of
from steelflow.report.record import RunRecord
from steelflow.report.scan import scan
from steelflow.store.base import Store

_NAMED = 5  # lines
_TOGETHER = 16  # files whose rows are in memory at a time


def models_note(report: Store, date: dt.date) -> tuple[str, ...]:
    """A sentence if the reports of a night are of several models, with their lines; nothing if they are of one."""
    lines: dict[tuple[str, str], set[str | None]] = {}
    for partition, infos in files_of(report, [date], None).items():
        for model in _models(report, infos):
            lines.setdefault(model, set()).add(partition.line)
    if len(lines) < 2:
        return ()
    told = "; ".join(f"{name} {digest[:8]}: {_named(lines[digest, name])}" for digest, name in sorted(lines))
    return (f"the night of {date} has rows of {len(lines)} models ({told}); run it without --line to have one",)


def _models(report: Store, files: Sequence[ObjectInfo]) -> set[tuple[str, str]]:
    """Digest and name of the models that judged these reports: from the footers, or from the rows of older versions."""
    found: set[tuple[str, str]] = set()
    unread: list[ObjectInfo] = []
    for info, footer in each_footer(report, files):
        if footer.model is None:
            unread.append(info)
        elif footer.counts.found:
            found.add((footer.model[2], footer.model[0]))
    for start in range(0, len(unread), _TOGETHER):
        rows = scan(report, unread[start : start + _TOGETHER])
        found |= set(rows.select("model_digest", "model_name").unique().collect(engine="streaming").rows())
    return found


def _named(lines: set[str | None]) -> str:
    names = sorted(map(str, lines))
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def replaced_note(before: RunRecord | None, digest: str) -> tuple[str, ...]:
    """A sentence if the night was inspected by another model before.

    Args:
        before: the record of the night until now.
        digest: of the model that inspected it now.
    """
    if before is None or not before.found or before.model.digest in ("", digest):
        return ()
    was = f"{before.model.name} {before.model.digest[:8]}"
    return (f"the night of {before.date} was inspected by {was} before; the new reports replace them",)
