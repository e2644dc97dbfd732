"""Whether a night can be trusted: one plain sentence with its reasons.

The reasons come from six questions: is the night complete, did a line drift, are the images like the training images,
how old is the model that judged, how many images of the golden set does it get right, and do the rules of the settings
name what there is. The worst of them is the answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

import polars as pl

from steelflow.coils.unfit import unfit
from steelflow.config import Settings
from steelflow.drift.check import drift_table
from steelflow.errors import SteelflowError
from steelflow.models.shipped import shipped
from steelflow.morning.summary import night_summary
from steelflow.registry import Registry, Version, open_registry
from steelflow.report.notes import novel_share
from steelflow.report.record import RunRecord
from steelflow.report.runs import night_record
from steelflow.store import Store, open_store

Answer = Literal["yes", "with care", "no"]
WORST_FIRST: tuple[Answer, ...] = ("no", "with care", "yes")

_LOOKED_BACK = 28  # nights for the beginning of a drift
_MOSTLY = 0.5  # share of images unlike the training images, from which the labels mean nothing
_OLD = 180  # days since the promotion
_GOOD, _POOR = 0.95, 0.80  # golden accuracy
_TOLD = 3  # reasons in the sentence


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. ``about`` is coverage, drift, novelty, model or rules; ``text`` is part of a sentence."""

    about: str
    answer: Answer
    text: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The answer to "can I trust this night?". ``sentence`` tells it with the reasons that decide; ``reasons`` has all
    of them, the worst first."""

    answer: Answer
    sentence: str
    reasons: tuple[Reason, ...]

    def to_dict(self) -> dict[str, Any]:
        reasons = [{"about": one.about, "answer": one.answer, "text": one.text} for one in self.reasons]
        return {"answer": self.answer, "sentence": self.sentence, "reasons": reasons}


def trust(report: Store, registry: Registry, date: dt.date, settings: Settings) -> Trust:
    """Whether the reports of a night can be trusted.

    Args:
        report: the root of the reports.
        registry: knows the age and the golden accuracy of the model that judged.

    Raises:
        RegistryError: the registry is damaged.
        StoreError: a store cannot be read.
    """
    record = night_record(report, date)
    summary = night_summary(report, date)
    limits = settings.coils
    found = [
        *_coverage(record, summary, date, limits.max_unreadable),
        *_drift(report, date, summary),
        *_novelty(summary, limits.max_novel),
        *_mixture(summary),
        *_rules(settings, report, date, summary),
        *(() if record is None else _model(record, registry, date, ZoneInfo(settings.night.timezone))),
    ]
    return answered(found)


def trust_of(settings: Settings, date: dt.date) -> Trust:
    """The same with the stores of the settings. Whatever cannot be read is the reason of a no: no error is raised."""
    try:
        report = open_store(settings.report.uri, settings.store, create=True)
        return trust(report, open_registry(settings), date, settings)
    except SteelflowError as exc:
        return answered([Reason("coverage", "no", str(exc))])


def answered(reasons: Iterable[Reason]) -> Trust:
    """The worst answer, and its sentence."""
    found = sorted(reasons, key=lambda one: WORST_FIRST.index(one.answer))  # stable: keeps the order of the questions
    answer = found[0].answer if found else "no"
    texts = [one.text for one in found if one.answer == answer] or ["nothing is known of this night"]
    told = texts if answer == "yes" else texts[:_TOLD]
    more = len(texts) - len(told)
    rest = f", and {more} more {'reason' if more == 1 else 'reasons'}" if more else ""
    return Trust(answer, f"{answer.capitalize()}: {'; '.join(told)}{rest}.", tuple(found))


def _coverage(
    record: RunRecord | None, summary: pl.DataFrame, date: dt.date, max_unreadable: float
) -> Iterator[Reason]:
    if record is None:
        yield Reason("coverage", "no", f"the night of {date} has no record: it was not inspected to its end")
        return
    if record.state == "failed units":
        yield Reason("coverage", "no", f"{len(record.units.failed)} work units failed, their images were not judged")
    if record.state == "limited":
        yield Reason("coverage", "no", f"{record.units.pending} work units were left out by a limit")
    for missing in record.missing:
        yield Reason("coverage", "no", missing.partition(";")[0])
    lines = sorted(str(line or "all") for line in summary["line"].unique())
    images = int(summary["images"].sum())
    failed = int(summary.filter(pl.col("status") == "failed")["images"].sum())
    if images and failed / images > max_unreadable:
        yield Reason("coverage", "with care", f"{failed / images:.1%} of the images cannot be read")
    elif record.state == "complete":
        which = f"line {lines[0]} is complete" if len(lines) == 1 else f"all {len(lines)} lines are complete"
        yield Reason("coverage", "yes", f"{which} ({images:,} images, {failed:,} unreadable)")


def _drift(report: Store, date: dt.date, summary: pl.DataFrame) -> Iterator[Reason]:
    table = drift_table(report, {date - dt.timedelta(days=day) for day in range(_LOOKED_BACK)})
    tonight = table.filter(pl.col("date") == date).unique("line", keep="first", maintain_order=True)
    moved = tonight.filter(pl.col("verdict").is_in(["warn", "alarm"]))
    for row in moved.iter_rows(named=True):
        name = "the images" if row["line"] is None else f"line {row['line']}"
        since = _since(table, row["line"], date)
        text = f" ({row['text']})" if row["breach"] and row["text"] else ""
        if row["verdict"] == "alarm":
            yield Reason("drift", "no", f"{name} drifts since {since:%d %b}{text}")
        else:
            yield Reason("drift", "with care", f"{name} is over a threshold of drift since {since:%d %b}{text}")
    lines = {str(line) for line in summary["line"].unique()}
    known = {str(line) for line in tonight.filter(pl.col("verdict") != "insufficient")["line"]}
    if unknown := sorted(lines - known):
        which = "no line" if not known else ", ".join(unknown)
        text = "no line has a verdict on drift" if not known else f"drift is not known for {which}"
        yield Reason("drift", "with care", text)
    elif not moved.height:
        yield Reason("drift", "yes", "no line drifts")


def _since(table: pl.DataFrame, line: str | None, date: dt.date) -> dt.date:
    """The first night of the drift that the line has on ``date``: the nights before it with a verdict had it, too."""
    nights = table.filter(pl.col("line").eq_missing(pl.lit(line, pl.String)), pl.col("verdict") != "insufficient")
    since = date
    for night, verdict in nights.unique("date").sort("date", descending=True).select("date", "verdict").iter_rows():
        if verdict not in ("warn", "alarm"):
            break
        since = night
    return since


def _novelty(summary: pl.DataFrame, most: float) -> Iterator[Reason]:
    share = novel_share(summary)
    if share is None:
        yield Reason("novelty", "with care", "the model does not notice images that it was not trained for")
        return
    for (line,), rows in sorted(summary.group_by("line"), key=lambda item: str(item[0][0])):
        own = novel_share(rows)
        if own is not None and own > most:
            name = "" if line is None else f" of line {line}"
            answer: Answer = "no" if own > _MOSTLY else "with care"
            yield Reason("novelty", answer, f"{own:.0%} of the images{name} are unlike the training images")
    if share <= most:
        yield Reason("novelty", "yes", f"{share:.1%} of the images are unlike the training images")


def _model(record: RunRecord, registry: Registry, date: dt.date, zone: ZoneInfo) -> Iterator[Reason]:
    version = next((one for one in registry.versions() if one.digest == record.model.digest), None)
    name = record.model.name if version is None else version.version
    if version is None:
        ships = shipped(record.model.digest)
        made = f"the model {name}, which ships with steelflow," if ships else f"the model {name}"
        yield Reason("model", "with care", f"{made} was never measured on images of this plant")
        return
    days = (date - _promoted(registry, version, zone)).days
    accuracy = version.metrics.get("golden_accuracy")
    age = "new" if days < 1 else f"{days} {'day' if days == 1 else 'days'} old"
    if not isinstance(accuracy, int | float):
        yield Reason("model", "with care", f"the model {name} ({age}) was never measured on a golden set")
        return
    told = f"the model {name} ({age}) got {accuracy:.1%} of the golden set right"
    answer: Answer = "no" if accuracy < _POOR else "with care" if accuracy < _GOOD or days > _OLD else "yes"
    yield Reason("model", answer, told)


def _mixture(summary: pl.DataFrame) -> Iterator[Reason]:
    models = summary["model"].drop_nulls().unique().sort().to_list()
    if len(models) > 1:
        yield Reason("model", "with care", f"{len(models)} models judged this night: {', '.join(models)}")


def _rules(settings: Settings, report: Store, date: dt.date, summary: pl.DataFrame) -> Iterator[Reason]:
    """Rules about regions and coils that cannot hold: they release coils in silence."""
    for wrong in unfit(settings, report, date, set(summary["model"].drop_nulls()), set(summary["line"])):
        yield Reason("rules", "with care", wrong.text)


def _promoted(registry: Registry, version: Version, zone: ZoneInfo) -> dt.date:
    """The day on which the version became champion last, or was made if it never did."""
    made = (one.at for one in reversed(registry.log()) if one.alias == "champion" and one.version == version.version)
    return next(made, version.created_at).astimezone(zone).date()
