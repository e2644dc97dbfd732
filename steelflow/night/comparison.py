"""Compare any images or reports with a reference: by default the last night with the reference of the model."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from steelflow.archive.fetch import fetch_image
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings, Settings
from steelflow.drift.check import judge_nights, night_samples
from steelflow.drift.explain import Fetch, page
from steelflow.drift.reading import Reading
from steelflow.drift.reference_profile import Profile, is_profile, parse_profile
from steelflow.drift.references import Fixed, References
from steelflow.drift.sources import Samples, nights_in, profile_from
from steelflow.drift.verdict import WORST_FIRST, NightVerdict, Verdict
from steelflow.errors import ConfigError, DriftError
from steelflow.inspection.infer import inspect_source
from steelflow.inspection.pipeline import Done
from steelflow.night.dates import night_of
from steelflow.night.drift import look
from steelflow.night.reference import brought_by
from steelflow.records import Failure
from steelflow.registry import resolved
from steelflow.report.reader import ReportReader
from steelflow.store import Store, open_store
from steelflow.store.embedded import folder_of

Nights = list[tuple[dt.date | None, Samples]]
Progress = Callable[[Done], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``compare`` found.

    Attributes:
        chosen: the verdict on the worst night; of equal ones, the earliest.
        nights: the verdict on every night, oldest first.
        before, after: rows of the chosen night's lines that moved, from the reference and from the night; columns
            ``drift.sample.COLUMNS``.
        fetch_before, fetch_after: read an image of either side by key, member and ordinal.
        limits: on the images that ``explanation`` decodes.
    """

    chosen: NightVerdict
    nights: tuple[NightVerdict, ...]
    before: Mapping[str | None, pl.DataFrame]
    after: Mapping[str | None, pl.DataFrame]
    fetch_before: Fetch
    fetch_after: Fetch
    limits: LimitSettings

    @property
    def verdict(self) -> Verdict:
        """``none``, ``warn``, ``alarm`` or ``insufficient`` (too few images), of the chosen night."""
        return self.chosen.verdict

    @property
    def signals(self) -> list[Reading]:
        """The readings of all lines of the chosen night, largest share of the threshold first."""
        return self.chosen.signals

    @property
    def reasons(self) -> list[str]:
        """The verdict on the chosen night in sentences."""
        return self.chosen.reasons

    def explanation(self) -> str:
        """One HTML page: what moved on the chosen night, with charts and images. It reads images from the stores."""
        return page(self.chosen, self.before, self.after, self.fetch_before, self.fetch_after, self.limits)

    def to_dict(self) -> dict[str, Any]:
        """The chosen verdict as JSON values, and under ``nights`` the date and verdict of every night."""
        nights = [{"date": one.to_dict()["date"], "verdict": one.verdict} for one in self.nights]
        return {**self.chosen.to_dict(), "nights": nights}


def compare(
    settings: Settings,
    reference: str | None = None,
    current: str | None = None,
    progress: Progress = lambda _: None,
) -> Comparison:
    """Compare a night, or every night of ``current`` in order, with a reference.

    Args:
        settings: with stores that can be reached: if a place is in the embedded one, call this within
            ``store.embedded.serving``.
        reference: images, reports or a profile (.parquet): a folder, a tar or zip, or s3://bucket/prefix. By default
            the reference of the configured model, see ``drift.references``.
        current: images or reports. By default the reports of the last night.
        progress: called with each work unit when images have to be classified first.

    Raises:
        DriftError: there is no reference, there are no reports, or they come from different models.
        ConfigError, StoreError, ModelError, RegistryError: a place or the model cannot be read.
    """
    known, fetch_before = _reference(reference, settings, progress)
    nights, fetch_after = _current(current, settings, known.model_digest, progress)
    _refuse_other_models(nights, known.model_digest)
    if reference is None and current is None:  # the verdict that the night has in the drift table
        model = resolved(settings)
        verdicts = tuple(look(settings, date, model.digest, model.version) for date, _ in nights if date)
    else:
        verdicts = tuple(judge_nights(nights, Fixed(known).find, known.model_digest, settings.drift))
    chosen = min(verdicts, key=lambda one: (WORST_FIRST.index(one.verdict), str(one.date)))
    samples = dict(nights)[chosen.date]
    moved = [one.line for one in chosen.lines if one.breaches]
    return Comparison(
        chosen=chosen,
        nights=verdicts,
        before={line: rows for line in moved if (rows := known.line(line)) is not None},
        after={line: samples[line].rows for line in moved},
        fetch_before=fetch_before,
        fetch_after=fetch_after,
        limits=settings.limits,
    )


def _refuse_other_models(nights: Nights, digest: str) -> None:
    for _, samples in nights:
        for line, one in samples.items():
            if strange := sorted(set(one.rows["model_digest"]) - {digest}):
                raise DriftError(
                    f"{line or 'the images'}: judged by model {strange[0][:12]}, the reference by {digest[:12]}: their "
                    "figures cannot be compared; judge both with one model"
                )


def _reference(place: str | None, settings: Settings, progress: Progress) -> tuple[Profile | References, Fetch]:
    if place is None:
        return _of_the_model(settings), _fetch_from_archive(settings)
    if place.endswith(".parquet"):
        folder, _, name = place.rpartition("/")
        content = open_store(folder or ".", settings.store).get(name)
        if is_profile(content):
            return parse_profile(content, place), _fetch_from_archive(settings)
    nights, fetch = _nights(place, settings, progress)
    return profile_from(nights, place), fetch


def _of_the_model(settings: Settings) -> References:
    model = resolved(settings)
    report = open_store(settings.report.uri, settings.store, create=True)
    references = References(report, model.digest, brought_by(model.version, settings), settings.drift.max_novel)
    if not references.exist():
        raise DriftError(
            f"{settings.report.uri}: no reference of model {model.digest[:12]} yet; give one (--reference), or inspect "
            "its first nights (`steelflow nightly`), which become its reference"
        )
    return references


def _current(place: str | None, settings: Settings, digest: str, progress: Progress) -> tuple[Nights, Fetch]:
    if place is not None:
        return _nights(place, settings, progress)
    report = open_store(settings.report.uri, settings.store, create=True)
    nights = ReportReader(report).nights()
    night = nights[-1] if nights else night_of(dt.datetime.now(dt.UTC), ZoneInfo(settings.night.timezone))
    samples = night_samples(report, night, digest)
    if not samples:
        raise DriftError(f"{report.uri}: no report of the night of {night}; run `steelflow nightly`, or give --current")
    return [(night, samples)], _fetch_from_archive(settings)


def _nights(place: str, settings: Settings, progress: Progress) -> tuple[Nights, Fetch]:
    """The nights of a place, and how to read its images. Images are classified first, into a temporary report."""
    if place.endswith(".parquet"):
        raise ConfigError(f"{place}: no drift profile; give the folder that holds the reports")
    template = KeyTemplate(settings.archive.template, settings.night.timezone)
    is_file = "://" not in place and Path(place).expanduser().is_file()
    store = None if is_file else open_store(place, settings.store)
    if store is not None and any(info.key.endswith(".parquet") for info in store.list()):
        return list(nights_in(store, template)), _fetch_from_archive(settings)
    with tempfile.TemporaryDirectory(prefix="steelflow-drift-") as folder:
        inspect_source(place, folder, settings, progress)
        nights = list(nights_in(open_store(folder, settings.store), template))
    images = store or open_store(str(Path(place).expanduser().absolute().parent), settings.store)
    return nights, _fetch_from(images, settings)


def _fetch_from_archive(settings: Settings) -> Fetch:
    """Reads the images behind reports. The archive is opened for the first image: the verdict does not need it.

    If it is in the embedded store, and ``settings`` do not point to a running server, the server's files are read.
    """
    uri = settings.archive.uri
    archive = cache(lambda: open_store(str(folder_of(settings, uri) or uri), settings.store))

    def fetch(key: str, member: str | None, ordinal: int | None) -> bytes | Failure:
        try:
            store = archive()
        except ConfigError as exc:
            return Failure("unreachable", str(exc))
        return fetch_image(store, key, member, ordinal, settings.limits)

    return fetch


def _fetch_from(images: Store, settings: Settings) -> Fetch:
    return lambda key, member, ordinal: fetch_image(images, key, member, ordinal, settings.limits)
