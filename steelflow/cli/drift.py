"""``steelflow drift`` and ``steelflow drift-bench``."""

from __future__ import annotations

import datetime as dt
import getpass
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import polars as pl
import typer

from steelflow.archive.fetch import fetch_image
from steelflow.archive.template import KeyTemplate
from steelflow.cli.inspection import Model
from steelflow.cli.output import Json, counting, emit, settings, stderr
from steelflow.config import Settings
from steelflow.drift.accept import accept
from steelflow.drift.check import judge_night, night_samples
from steelflow.drift.explain import Fetch, page
from steelflow.drift.reference_profile import Profile, is_profile, parse_profile, profile_of
from steelflow.drift.references import ACCEPTED, REFERENCES, Given
from steelflow.drift.sources import Samples, nights_in, profile_from
from steelflow.drift.verdict import NightVerdict
from steelflow.errors import ConfigError, DriftError
from steelflow.inspection.infer import infer
from steelflow.night.dates import night_of
from steelflow.registry import open_registry, resolved
from steelflow.registry.version import REFERENCE
from steelflow.report.reader import ReportReader
from steelflow.store import Store, open_store
from steelflow.store.embedded import serving

_WORST = ("alarm", "warn", "none", "insufficient")

Nights = list[tuple[dt.date | None, Samples]]


def drift(
    reference: Annotated[
        str | None,
        typer.Option(help="Images, reports, or a profile (.parquet) of when all was well; the champion's by default."),
    ] = None,
    current: Annotated[
        str | None, typer.Option(help="Images or reports to be compared; the last night by default.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write what moved as a page with pictures.")] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Compare a night, or every night of CURRENT in order, with how the images looked while all was well."""
    base = settings().with_model(model)
    places = [base.report.uri if place is None else place for place in (reference, current)]
    with serving(base, *places, base.archive.uri) as reached:
        profile, fetch_before = _reference(reference, reached)
        nights, fetch_after = _current(current, reached, profile.model_digest)
        verdicts = _judged(nights, profile, reached)
        chosen = min(verdicts, key=lambda one: (_WORST.index(one.verdict), str(one.date)))
        if html is not None:
            samples = dict(nights)[chosen.date]
            lines = [one.line for one in chosen.lines if one.breaches]
            before = {line: rows for line in lines if (rows := profile.line(line)) is not None}
            after = {line: samples[line].rows for line in lines}
            text = page(chosen, before, after, fetch_before, fetch_after, reached.limits)
            html.write_bytes(text.encode("utf-8", "backslashreplace"))
    result = chosen.to_dict()
    result["nights"] = [{"date": one.to_dict()["date"], "verdict": one.verdict} for one in verdicts]
    emit(result, as_json, _table(chosen, verdicts))


def _judged(nights: Nights, profile: Profile, current: Settings) -> list[NightVerdict]:
    """Each night in order; what the ones before it said counts, as it does in the drift table."""
    given = Given(profile)
    breaches: dict[str | None, list[bool]] = {}
    verdicts = []
    for date, samples in nights:
        for line, one in samples.items():
            if strange := set(one.rows["model_digest"]) - {profile.model_digest}:
                raise DriftError(
                    f"{line or 'the images'}: judged by model {sorted(strange)[0][:12]}, the reference by "
                    f"{profile.model_digest[:12]}: their figures cannot be compared; judge both with one model"
                )
        verdict = judge_night(date, samples, given.find, profile.model_digest, breaches, current.drift)
        verdicts.append(verdict)
        for stands in verdict.lines:
            breaches.setdefault(stands.line, []).append(bool(stands.breaches))
    return verdicts


def _reference(place: str | None, current: Settings) -> tuple[Profile, Fetch]:
    if place is None:
        return _champions(current), _fetcher(open_store(current.archive.uri, current.store), current)
    if place.endswith(".parquet"):
        folder, _, name = place.rpartition("/")
        content = open_store(folder or ".", current.store).get(name)
        if is_profile(content):
            archive = open_store(current.archive.uri, current.store)
            return parse_profile(content, place), _fetcher(archive, current)
    nights, fetch = _nights(place, current)
    return profile_from(nights, place), fetch


def _champions(current: Settings) -> Profile:
    """Of the model that inspects: what was accepted since, else what it brought, else its first nights, by line."""
    path, version = resolved(current)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    report = open_store(current.report.uri, current.store, create=True)
    lines: dict[str | None, pl.DataFrame] = {}
    for root in (REFERENCES, None, ACCEPTED):
        if root is None:
            if version is not None:
                registry = open_registry(current)
                if REFERENCE in registry.version(version).files:
                    brought = parse_profile(registry.read(version, REFERENCE), f"{version}/{REFERENCE}")
                    lines |= {line: part for line in brought.images if (part := brought.line(line)) is not None}
            continue
        for info in report.list(f"{root}{digest[:16]}/"):
            if info.key.endswith(".parquet"):
                found = parse_profile(report.get(info.key), f"{report.uri}/{info.key}").rows
                lines |= {line: part for (line,), part in found.partition_by("line", as_dict=True).items()}
    if not lines:
        raise DriftError(
            f"{current.report.uri}: no reference of model {digest[:12]} yet; name one with --reference, or let its "
            "first nights become it (`steelflow nightly`)"
        )
    return profile_of(pl.concat(lines.values()), digest)


def _current(place: str | None, current: Settings, digest: str) -> tuple[Nights, Fetch]:
    if place is not None:
        return _nights(place, current)
    report = open_store(current.report.uri, current.store, create=True)
    nights = ReportReader(report).nights()
    night = nights[-1] if nights else night_of(dt.datetime.now(dt.UTC), ZoneInfo(current.night.timezone))
    samples = night_samples(report, night, digest)
    if not samples:
        raise DriftError(f"{report.uri}: no report of the night of {night}; run `steelflow nightly`, or give --current")
    return [(night, samples)], _fetcher(open_store(current.archive.uri, current.store), current)


def _nights(place: str, current: Settings) -> tuple[Nights, Fetch]:
    """The nights of a place, and where its pictures are. Images are classified first, into a report that is thrown
    away."""
    template = KeyTemplate(current.archive.template)
    is_file = "://" not in place and Path(place).expanduser().is_file()
    if place.endswith(".parquet"):
        raise ConfigError(f"{place}: no drift profile; give the folder that holds the reports")
    store = None if is_file else open_store(place, current.store)
    if store is not None and any(info.key.endswith(".parquet") for info in store.list()):
        return list(nights_in(store, template)), _fetcher(open_store(current.archive.uri, current.store), current)
    with tempfile.TemporaryDirectory(prefix="steelflow-drift-") as folder, counting(f"inspecting {place}") as tick:
        infer(place, folder, current, lambda done: tick(done.counts.found))
        nights = list(nights_in(open_store(folder, current.store), template))
    root = store or open_store(str(Path(place).expanduser().absolute().parent), current.store)
    return nights, _fetcher(root, current)


def _fetcher(archive: Store, current: Settings) -> Fetch:
    return lambda key, member, ordinal: fetch_image(archive, key, member, ordinal, current.limits)


def _table(chosen: NightVerdict, verdicts: list[NightVerdict]) -> str:
    lines = []
    if len(verdicts) > 1:
        lines += [f"{one.date}: {one.verdict}" for one in verdicts] + [""]
    night = f"night of {chosen.date}: " if chosen.date else ""
    lines += [f"{night}{chosen.verdict}", *chosen.reasons, ""]
    lines.append(f"{'line':<12} {'signal':<12} {'family':<10} {'value':>8} {'threshold':>9} {'share':>6}")
    for one in chosen.signals:
        mark = "severe" if one.severe else "over" if one.breach else ""
        name = (one.line or "-")[:12]
        lines.append(
            f"{name:<12} {one.signal:<12} {one.family:<10} {one.value:>8.3f} {one.threshold:>9.3f} {one.share:>6.2f} "
            f"{mark}".rstrip()
        )
    for line in chosen.lines:
        if line.estimated_accuracy is not None and line.reference_estimate is not None:
            lines.append(
                f"{line.line or 'all images'}: estimated accuracy {line.estimated_accuracy:.1%} "
                f"(reference {line.reference_estimate:.1%}), without labels"
            )
    return "\n".join(lines)


def accept_drift(
    reason: Annotated[str, typer.Option("--reason", help="Why it is normal; it stays beside the reference.")],
    line: Annotated[list[str] | None, typer.Option("--line", help="Only this line; may be repeated.")] = None,
    date: Annotated[
        list[dt.datetime] | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="A night that was normal; the last one when not given."),
    ] = None,
    who: Annotated[str | None, typer.Option("--who", help="Who says so; the login name when not given.")] = None,
    as_json: Json = False,
) -> None:
    """Say that what moved is normal from now on: the last night becomes the reference of the model that inspects."""
    base = settings()
    with serving(base, base.report.uri) as reached:
        report = open_store(reached.report.uri, reached.store, create=True)
        nights = sorted(one.date() for one in date) if date else ReportReader(report).nights()[-1:]
        digest = hashlib.sha256(resolved(reached).path.read_bytes()).hexdigest()
        known = accept(
            report,
            digest,
            nights,
            reached.drift.min_images,
            who=who or getpass.getuser(),
            reason=reason,
            lines=line,
        )
    names = [one or "all images" for one in known]
    emit(
        {"lines": known, "nights": [str(night) for night in nights], "model": digest},
        as_json,
        f"{', '.join(names)}: compared with {', '.join(map(str, nights))} from now on",
    )


def drift_bench(
    data: Annotated[
        Path | None, typer.Option(help="Folder with a folder of images for each class; $STEELFLOW_NEU_DIR by default.")
    ] = None,
    models: Annotated[
        Path, typer.Option(help="Where models that have not seen a class are kept, or put when they are not there.")
    ] = Path(".steelflow/drift-bench"),
    nights: Annotated[int, typer.Option(min=10, help="Nights without drift for each number of images.")] = 204,
    trials: Annotated[int, typer.Option(min=5, help="Pairs of nights for each kind of drift.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure false alarms and power on real images: nights resampled with and without drift in them."""
    from steelflow.bench.drift import run_drift_bench, table  # here: it needs torch where a model is to be trained

    known = os.environ.get("STEELFLOW_NEU_DIR")
    folder = data or (Path(known) if known else None)
    if folder is None:
        raise ConfigError("no labelled images: give --data FOLDER, with a folder for each class")
    with stderr.status("benchmark") as status:
        result = run_drift_bench(folder, models, settings().drift, nights, trials, lambda text: status.update(text))
    emit(result, as_json, table(result))
