"""What moved is normal from now on: a new reference for the model that inspects, from its own reports.

Drift that costs no accuracy is no reason for another model, and would alarm for ever: a grade that is rolled from now
on, a lamp that was replaced by a brighter one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence

import polars as pl

from steelflow.drift.check import night_samples
from steelflow.drift.reference_profile import profile_of
from steelflow.drift.references import ACCEPTED, reference_key
from steelflow.errors import DriftError
from steelflow.store.base import Store


def accept(
    report: Store,
    model_digest: str,
    dates: Sequence[dt.date],
    min_images: int,
    *,
    who: str,
    reason: str,
    lines: Collection[str | None] | None = None,
) -> list[str | None]:
    """Make the nights ``dates`` the reference of ``lines`` (all that have reports of theirs, when not given).

    Who said so and why stands beside each line's reference, as JSON.

    Returns:
        The lines that have a new reference; one with fewer than ``min_images`` readable images keeps its own.

    Raises:
        DriftError: none of the lines has images enough; nothing is changed.
    """
    if not who.strip() or not reason.strip():
        raise DriftError("accepting drift as normal needs a name and a reason; give --who and --reason")
    rows: dict[str | None, list[pl.DataFrame]] = {}
    for date in dates:
        for line, sample in night_samples(report, date, model_digest).items():
            if lines is None or line in lines:
                rows.setdefault(line, []).append(sample.rows)
    whole = {line: pl.concat(parts) for line, parts in rows.items()}
    enough = sorted((line for line, part in whole.items() if part.height >= min_images), key=str)
    if not enough:
        nights = ", ".join(map(str, dates)) or "no nights"
        raise DriftError(
            f"{report.uri}: {nights}: no line has {min_images} images judged by model {model_digest[:12]}, as one"
            " reference takes; run `steelflow nightly` first, or name more nights"
        )
    for line in enough:
        key = reference_key(ACCEPTED, model_digest, line)
        about = {"who": who, "reason": reason, "nights": [str(date) for date in dates]}
        about["at"] = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        report.put(key.removesuffix(".parquet") + ".json", json.dumps(about, indent=1).encode())
        report.put(key, profile_of(whole[line], model_digest).to_bytes())
    return enough
