"""Report rows with chosen figures, and reports of them: nights with a known drift."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from steelflow.drift.sample import COLUMNS
from steelflow.report.writer import COUNTS, FINGERPRINT
from steelflow.store.base import Store

DAY = dt.date(2026, 11, 1)
DIGEST = "d" * 64
CLASSES = ("crazing", "patches", "scratches")


def night_rows(
    images: int = 600,
    seed: int = 0,
    *,
    coils: int = 20,
    light: float = 1.0,
    mix: tuple[float, ...] = (1, 1, 1),
    strange: float = 0.0,
    digest: str = DIGEST,
) -> pl.DataFrame:
    """Rows of ``COLUMNS``: three classes that look different. ``light`` is a factor on the grey levels; a share
    ``strange`` of the images looks like none of the three. Columns that are not set here are null. Draw the figures of
    a new column last, so that those of the others stay what they were."""
    rng = np.random.default_rng(seed)
    label = rng.choice(len(CLASSES), images, p=np.array(mix) / sum(mix))
    odd = rng.random(images) < strange
    embedding = rng.normal(size=(images, 4)) + 3 * np.eye(4)[label]
    columns: dict[str, Any] = {
        "object_key": [f"{seed}/{i:06d}.jpg" for i in range(images)],
        "ordinal": [0] * images,
        "coil": [f"C{i}" for i in rng.integers(coils, size=images)] if coils else [None] * images,
        "label": [CLASSES[i] for i in label],
        "confidence": 1 - rng.beta(1, 60, images),
        "energy": rng.normal(-5, 1, images),
        "novel": rng.random(images) < 0.01,
        "brightness": light * np.where(odd, 30, rng.normal(100 + 20 * label, 12)),
        "contrast": light * np.where(odd, 5, rng.normal(30 + 3 * label, 4)).clip(1),
        "sharpness": light**2 * np.where(odd, 3000, rng.lognormal(5 + label / 2, 0.2)),
        "saturation": rng.beta(1, 200, images),
        "embedding": embedding.tolist(),
        "model_digest": [digest] * images,
    }
    return pl.DataFrame(dict.fromkeys(COLUMNS, [None] * images) | columns, schema=COLUMNS)


def put_report(store: Store, date: dt.date, line: str, rows: pl.DataFrame, unit: str = "unit") -> None:
    """A report file as the writer lays it out."""
    good = rows.drop("line", "date").with_columns(status=pl.lit("ok"))
    table = good.to_arrow()
    table = table.replace_schema_metadata({FINGERPRINT: b"f", COUNTS: b"[%d, %d, 0, 0]" % (rows.height, rows.height)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    store.put(f"reports/date={date.isoformat()}/line={line}/{unit}.parquet", buffer.getvalue())
