"""Accept drift as normal: make nights of the model that inspects its new reference.

Drift that costs no accuracy does not need another model, but it would alarm every night: a new steel grade, a lamp that
was replaced by a brighter one.
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
from steelflow.store.clock import store_time


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
    """Make nights the reference of lines. Who accepted them and why is stored as JSON beside each line's reference.

    Args:
        report: the root of the reports.
        model_digest: of the model that inspects; rows made by another model are left out.
        dates: the nights.
        min_images: a line with fewer readable images keeps its reference.
        lines: by default all lines that have reports of these nights.

    Returns:
        The lines that have a new reference.

    Raises:
        DriftError: no line has enough images, or ``who`` or ``reason`` is empty; nothing is changed.
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
            f"{report.uri}: {nights}: no line has {min_images} images judged by model {model_digest[:12]}, which a"
            " reference needs; run `steelflow nightly` first, or name more nights"
        )
    for line in enough:
        key = reference_key(ACCEPTED, model_digest, line)
        about = {"who": who, "reason": reason, "nights": [str(date) for date in dates]}
        about["at"] = store_time(report).isoformat(timespec="seconds")
        report.put(key.removesuffix(".parquet") + ".json", json.dumps(about, indent=1).encode())
        report.put(key, profile_of(whole[line], model_digest).to_bytes())
    return enough
