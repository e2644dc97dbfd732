"""What each line's night is compared with: what was accepted as normal since, else the profile that the model
brought, else the line's own first nights.

drift/accepted/<model>/line=L1.parquet     a person, or a retraining that found nothing to mend, said: this is normal
drift/references/<model>/line=L1.parquet   the first nights, where the model brings no profile or it lacks the line

A first night cannot be compared with itself: it has no verdict.
"""

from __future__ import annotations

import datetime as dt
import math

import polars as pl

from steelflow.config import DriftSettings
from steelflow.drift.compare import LineReference
from steelflow.drift.reference_profile import MOST_ROWS, Profile, parse_profile, profile_of
from steelflow.drift.sample import Sample, thinned
from steelflow.errors import DriftError, ObjectNotFound
from steelflow.records import Partition
from steelflow.report.layout import folder
from steelflow.store.base import Store

REFERENCES = "drift/references/"
ACCEPTED = "drift/accepted/"


class Given:
    """The references of one profile; it is not added to."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._ready: dict[str | None, LineReference] = {}

    def find(self, line: str | None, sample: Sample) -> LineReference | str:  # noqa: ARG002  as ``Kept.find``
        """What to compare the line with, or why there is nothing."""
        rows = self._profile.line(line)
        if rows is None:
            return "the reference does not know this line"
        if line not in self._ready:
            self._ready[line] = LineReference(rows)
        return self._ready[line]


class Kept:
    """The references of one model below a report's root: the profile it brought (``given``), else first nights.

    Raises:
        DriftError: the profile is damaged, or was made with another model.
    """

    def __init__(
        self, report: Store, model_digest: str, date: dt.date, settings: DriftSettings, given: bytes | None
    ) -> None:
        self._report, self._digest, self._date, self._settings = report, model_digest, date, settings
        self._given = None if given is None else parse_profile(given, f"the reference of model {model_digest[:12]}")
        if self._given and self._given.model_digest != model_digest:
            raise DriftError(
                f"the reference was made with model {self._given.model_digest[:12]}, the night with "
                f"{model_digest[:12]}: their figures cannot be compared; build the reference with that model"
            )

    def rows(self, line: str | None) -> pl.DataFrame | None:
        """The rows of the line's reference as it stands."""
        settled = self._settled(line)
        return settled if settled is not None else _read(self._report, reference_key(REFERENCES, self._digest, line))

    def _settled(self, line: str | None) -> pl.DataFrame | None:
        """A reference that is not added to."""
        accepted = _read(self._report, reference_key(ACCEPTED, self._digest, line))
        if accepted is not None:
            return accepted
        return self._given.line(line) if self._given else None

    def find(self, line: str | None, sample: Sample) -> LineReference | str:
        """What to compare the line's night with, or why there is nothing: the night then becomes part of the reference.

        Running a night again replaces its part as long as the reference grows; after that it stays as it is.
        """
        if (settled := self._settled(line)) is not None:
            return LineReference(settled)
        rows = self.rows(line)
        nights = set() if rows is None else set(rows["date"])
        of = max(self._settings.reference_nights, len(nights))
        grown = rows is not None and self._complete(rows)
        if rows is not None and grown and self._date not in nights:
            return LineReference(rows)
        if not grown and sample.images:
            nights.add(self._date)
            share = math.ceil(MOST_ROWS / self._settings.reference_nights)
            tonight = thinned(sample.rows, share)
            others = tonight.clear() if rows is None else rows.filter(pl.col("date") != self._date)
            merged = profile_of(pl.concat([others, tonight]), self._digest, share * len(nights))
            self._report.put(reference_key(REFERENCES, self._digest, line), merged.to_bytes())
        number = sorted(nights).index(self._date) + 1 if self._date in nights else len(nights)
        unknown = "the model's reference does not know this line" if self._given else "no reference yet"
        return f"{unknown}: this night is part of it, {number} of {of}"

    def _complete(self, rows: pl.DataFrame) -> bool:
        """Nights enough, and images enough in all."""
        enough = min(self._settings.min_images, MOST_ROWS)
        return rows["date"].n_unique() >= self._settings.reference_nights and rows.height >= enough


def reference_key(root: str, model_digest: str, line: str | None) -> str:
    name = folder(Partition(line, None)).split("/")[1]
    return f"{root}{model_digest[:16]}/{name}.parquet"


def _read(report: Store, key: str) -> pl.DataFrame | None:
    try:
        content = report.get(key)
    except ObjectNotFound:
        return None
    return parse_profile(content, f"{report.uri}/{key}").rows
