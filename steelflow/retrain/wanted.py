"""Which classes a new model has to know: those that the golden set, the champion or recent nights show.

A class that the labels lack would silently be judged as another one. So a retraining names it and stops, until it is
labelled, left out on purpose (``--without``), or retired.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from steelflow.errors import LabelError
from steelflow.labels.checks import similar
from steelflow.labels.classes import Classes
from steelflow.report.reader import ReportReader
from steelflow.report.runs import run_records
from steelflow.retrain.retraining import Retraining
from steelflow.store import open_store

NAMELESS = "begin"
"""The architecture of the model that is made without labels: its only defect class stands for all defects."""

LABELS = "the labels"
"""Who shows a class that only the labels have."""

_NIGHTS = 7


def wanted_classes(
    run: Retraining, meaning: Classes, golden: Collection[str], champion: Collection[str], good: Collection[str] = ()
) -> dict[str, str]:
    """The classes to be known, by today's names, each with who shows it.

    Args:
        golden: classes of the golden set.
        champion: classes of the champion that a new model has to know as well.
        good: classes that mean "no defect": they are no classes of defect.
    """
    name = "the champion" if run.champion is None else f"the champion {run.champion.version}"
    shown: dict[str, str] = {}
    for names, who in ((golden, "the golden set"), (champion, name), (_of_nights(run), "the latest nights")):
        for one in meaning.offered(names):
            shown.setdefault(one, who)
    return {one: who for one, who in shown.items() if one not in good}


def _of_nights(run: Retraining) -> list[str]:
    """The classes that the latest nights show: images that are like the training images, and no good surface."""
    store = open_store(run.settings.report.uri, run.settings.store, create=True)
    reader = ReportReader(store)
    rows = reader.summary(reader.nights()[-_NIGHTS:]).filter(
        pl.col("status") == "ok", pl.col("label").is_not_null(), ~pl.col("good").fill_null(False)
    )
    counts = rows.group_by("label").agg(pl.col("images").sum(), pl.col("novel").sum())
    nameless = {
        name
        for record in run_records(store, _NIGHTS)
        if getattr(record.model, "arch", None) == NAMELESS
        for name in getattr(record.model, "classes", ())
    }
    return sorted(set(counts.filter(pl.col("images") > pl.col("novel"))["label"]) - nameless)


def left_out(run: Retraining, meaning: Classes, known: Collection[str]) -> frozenset[str]:
    """The classes that are left out on purpose, by today's names. Raises ``LabelError`` if one is none of ``known``."""
    names = [meaning.now(name) for name in run.request.without]
    for name in names:
        if name not in known:
            raise LabelError(f"--without {name}: is not a known class; {similar(name, known)} Nothing was changed")
    if names:
        run.details.without = tuple(names)
    return frozenset(names)


def too_few(run: Retraining, wanted: Mapping[str, str], counts: Mapping[str, int], fewest: int) -> str:
    """The classes with fewer than ``fewest`` labels, with their number."""
    lacking = [name for name in sorted(wanted) if counts.get(name, 0) < fewest]
    if lacking:
        run.details.lacking = tuple(lacking)
    return ", ".join(f"{name} ({counts.get(name, 0)})" for name in lacking)


def ways_out(run: Retraining, wanted: Mapping[str, str]) -> str:
    """Who shows the classes that lack labels, and how to go on without them."""
    names = run.details.lacking
    if not names:
        return ""
    who = [one for one in dict.fromkeys(wanted[name] for name in names) if one != LABELS]
    shown = (f"; shown by {one}: {', '.join(name for name in names if wanted[name] == one)}" for one in who)
    options = " ".join(f"--without {_quoted(name)}" for name in names)
    return (
        f"{''.join(shown)}; train without them this once: `steelflow retrain {options}`; or retire them for good: "
        f"`steelflow labels retire {_quoted(names[0])} --reason …`"
    )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name
