"""What the nights of each line are compared with.

A model's reference for a line is the first of these that exists:

1. *accepted*: nights that a person, or a retraining that found no loss of accuracy, declared normal;
2. *brought*: the profile that the model's version brings, ``reference.parquet`` in the registry;
3. *first nights*: the first sound nights of the line that this model inspected.

A wrong model must not become normal. So a night becomes part of the first nights only if at most ``drift.max_novel`` of
its images are unlike the training images, and the caller has no doubts about the night (``night.soundness``: coverage
and golden accuracy). A person can accept any night.

``References`` is the one place that applies this order. It reads and writes below the report's root:

drift/accepted/<model>/line=L1.parquet     accepted
drift/references/<model>/line=L1.parquet   first nights
"""

from __future__ import annotations

import datetime as dt
import math
import shlex
from collections.abc import Callable
from functools import cache

import polars as pl

from steelflow.config import DriftSettings
from steelflow.drift.compare import LineReference
from steelflow.drift.estimate import novel_share, sound_nights
from steelflow.drift.reference_profile import MOST_ROWS, Profile, parse_profile, profile_of
from steelflow.drift.sample import Sample, thinned
from steelflow.errors import DriftError, ObjectNotFound
from steelflow.records import Partition
from steelflow.report.layout import folder
from steelflow.store.base import Store

FIRST_NIGHTS = "drift/references/"
ACCEPTED = "drift/accepted/"

Doubts = Callable[[], tuple[str, ...]]
"""The reasons why a night as a whole must not become part of a reference."""


PART_OF_IT = "this night is part of the reference, so it has no verdict; the nights after it have one"


def no_doubts() -> tuple[str, ...]:
    return ()


class References:
    """The references of one model, by line.

    Args:
        report: the root of the reports.
        model_digest: SHA-256 of the model's file.
        brought: the profile that the model's version brings; None if it brings none.
        most_novel: share of novel images above which a stored first night does not count.

    Raises:
        DriftError: the profile is damaged, or was made with another model.
    """

    def __init__(self, report: Store, model_digest: str, brought: bytes | None, most_novel: float = 1.0) -> None:
        self._report, self.model_digest, self._most_novel = report, model_digest, most_novel
        name = f"the reference of model {model_digest[:12]}"
        self.brought = None if brought is None else parse_profile(brought, name)
        if self.brought and self.brought.model_digest != model_digest:
            raise DriftError(
                f"the reference was made with model {self.brought.model_digest[:12]}, the night with "
                f"{model_digest[:12]}: their figures cannot be compared; build the reference with that model"
            )

    def line(self, name: str | None) -> pl.DataFrame | None:
        """The reference rows of a line, columns ``sample.COLUMNS``; None if it has none yet."""
        settled = self.settled(name)
        return settled if settled is not None else self.first_nights(name)

    def settled(self, name: str | None) -> pl.DataFrame | None:
        """A reference that does not grow: accepted, else brought."""
        accepted = self._read(ACCEPTED, name)
        if accepted is not None:
            return accepted
        return self.brought.line(name) if self.brought else None

    def first_nights(self, name: str | None) -> pl.DataFrame | None:
        rows = self._read(FIRST_NIGHTS, name)
        sound = None if rows is None else sound_nights(rows, self._most_novel)
        return None if sound is None or sound.is_empty() else sound

    def put_first_nights(self, name: str | None, rows: pl.DataFrame, most: int) -> None:
        """Replace the first nights of a line by at most ``most`` of these rows; without rows it has none."""
        if rows.is_empty():
            self._report.delete(reference_key(FIRST_NIGHTS, self.model_digest, name))
            return
        content = profile_of(rows, self.model_digest, most).to_bytes()
        self._report.put(reference_key(FIRST_NIGHTS, self.model_digest, name), content)

    def exist(self) -> bool:
        """Whether any line has a reference."""
        roots = (f"{root}{self.model_digest[:16]}/" for root in (ACCEPTED, FIRST_NIGHTS))
        kept = (info.key.endswith(".parquet") for root in roots for info in self._report.list(root))
        return self.brought is not None or any(kept)

    def _read(self, root: str, line: str | None) -> pl.DataFrame | None:
        key = reference_key(root, self.model_digest, line)
        try:
            content = self._report.get(key)
        except ObjectNotFound:
            return None
        return parse_profile(content, f"{self._report.uri}/{key}").rows


class Fixed:
    """References as they are now; the nights that are compared with them are not added."""

    def __init__(self, reference: Profile | References) -> None:
        self._reference = reference
        self._ready: dict[str | None, tuple[LineReference, frozenset[dt.date]]] = {}

    def find(self, line: str | None, sample: Sample) -> LineReference | str:
        """What to compare the line with, or why there is nothing.

        The nights of a model's own reference have no verdict. A profile may be of other images of the same dates.
        """
        if line not in self._ready:
            rows = self._reference.line(line)
            if rows is None:
                return "the reference does not know this line; give a reference that has images of it"
            own = isinstance(self._reference, References)
            self._ready[line] = LineReference(rows), frozenset(rows["date"].drop_nulls() if own else ())
        ready, nights = self._ready[line]
        return PART_OF_IT if nights & set(sample.rows["date"]) else ready


class Growing:
    """References to which the night of ``date`` is added if it is sound, for lines whose only reference is their first
    nights. Without ``keep`` nothing is added: the answers are the same, and the stored reference stays as it is."""

    def __init__(
        self,
        references: References,
        date: dt.date,
        settings: DriftSettings,
        doubts: Doubts = no_doubts,
        *,
        keep: bool = True,
    ) -> None:
        self._references, self._date, self._settings, self._keep = references, date, settings, keep
        self._doubts = cache(doubts)

    def find(self, line: str | None, sample: Sample) -> LineReference | str:
        """What to compare the line's night with, or why there is nothing: the night then becomes part of the reference.

        A night that becomes part of the reference has no verdict, because it cannot be compared with itself. Checking
        it again replaces its part while the reference grows. A complete reference does not change any more.
        """
        if (settled := self._references.settled(line)) is not None:
            return PART_OF_IT if self._is_in(settled, line) else LineReference(settled)
        rows = self._references.first_nights(line)
        nights = set() if rows is None else set(rows["date"])
        of = max(self._settings.reference_nights, len(nights))
        grown = rows is not None and self._complete(rows)
        unknown = "the model's reference does not know this line" if self._references.brought else "no reference yet"
        if rows is not None and grown and self._date not in nights:
            return LineReference(rows)
        if not grown and sample.images and (reasons := self._reasons_against(sample)):
            if self._keep and rows is not None and self._date in nights:
                self._references.put_first_nights(line, rows.filter(pl.col("date") != self._date), MOST_ROWS)
            return f"{unknown}, and this night does not become part of it: {'; '.join(reasons)}; {self._advice(line)}"
        if not grown and sample.images:
            nights.add(self._date)
            share = math.ceil(MOST_ROWS / self._settings.reference_nights)
            tonight = thinned(sample.rows, share)
            others = tonight.clear() if rows is None else rows.filter(pl.col("date") != self._date)
            if self._keep:
                self._references.put_first_nights(line, pl.concat([others, tonight]), share * len(nights))
        number = sorted(nights).index(self._date) + 1 if self._date in nights else len(nights)
        return f"{unknown}{_more(of - len(nights))}: this night is part of it, {number} of {of}"

    def _is_in(self, settled: pl.DataFrame, line: str | None) -> bool:
        """Whether this line's images of the night are in the reference. A row without a line is of any line."""
        same = (pl.col("date") == self._date) & (pl.col("line").eq_missing(line) | pl.col("line").is_null())
        return not settled.filter(same).is_empty()

    def _reasons_against(self, sample: Sample) -> list[str]:
        share, most = novel_share(sample.rows), self._settings.max_novel
        reasons = list(self._doubts())
        if share is not None and share > most:
            novel = f"{share:.0%} of its images are unlike the training images"
            reasons.insert(0, f"{novel}, at most {most:.0%} may be (drift.max_novel)")
        return reasons

    def _advice(self, line: str | None) -> str:
        of = "" if line is None else f" --line {shlex.quote(line)}"
        return f'if the night is normal: steelflow accept-drift --date {self._date}{of} --reason "…"'

    def _complete(self, rows: pl.DataFrame) -> bool:
        """Whether the reference has enough nights, and enough images in all."""
        enough = min(self._settings.min_images, MOST_ROWS)
        return rows["date"].n_unique() >= self._settings.reference_nights and rows.height >= enough


def forget_night(report: Store, date: dt.date, line: str | None) -> int:
    """Take a line's night out of all references below the root of the reports, whatever the model: its reports were
    dropped. A reference that has nothing else is deleted, and the next one in the order counts. Profiles that versions
    of a registry bring do not change. Returns the number of images that were taken out.

    Raises:
        DriftError: a reference is damaged.
    """
    gone = 0
    for root in (FIRST_NIGHTS, ACCEPTED):
        for info in [one for one in report.list(root) if one.key.endswith(".parquet")]:
            profile = parse_profile(report.get(info.key), f"{report.uri}/{info.key}")
            kept = profile.rows.filter(~_of_night(date, line))
            if kept.is_empty():
                report.delete(info.key)
            elif kept.height < profile.rows.height:
                report.put(info.key, profile_of(kept, profile.model_digest).to_bytes())
            gone += profile.rows.height - kept.height
    return gone


def brought_rows(brought: bytes | None, date: dt.date, line: str | None) -> int:
    """How many images of a line's night the profile has that a version brings."""
    if brought is None:
        return 0
    return parse_profile(brought, "the reference of the model").rows.filter(_of_night(date, line)).height


def _of_night(date: dt.date, line: str | None) -> pl.Expr:
    return (pl.col("date") == date).fill_null(False) & pl.col("line").eq_missing(pl.lit(line, pl.String()))


def _more(nights: int) -> str:
    """How many nights must be inspected until there are verdicts."""
    if nights < 1:
        return ""
    return f" (run `steelflow nightly` for {nights} more night{'s' if nights > 1 else ''})"


def reference_key(root: str, model_digest: str, line: str | None) -> str:
    """The key of a line's reference below ``root``, ``ACCEPTED`` or ``FIRST_NIGHTS``."""
    name = folder(Partition(line, None)).split("/")[1]
    return f"{root}{model_digest[:16]}/{name}.parquet"
