"""Reports of a night, written as inspection writes them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from plants import NIGHT

from steelflow.report.judged import verdicts
from steelflow.schema import report_schema

CLASSES = ("a", "b", "c")


DIMS = 8
NOW = dt.datetime(2026, 11, 18, 2, tzinfo=dt.UTC)


def night(
    root: Path,
    probabilities: npt.NDArray[np.float32],
    embedding: npt.NDArray[np.floating[Any]],
    novel: npt.NDArray[np.bool_] | None = None,
    date: dt.date = NIGHT,
    line: str = "L1",
    model: str = "m1",
    prefix: str = "x",
    old: bool = False,
) -> None:
    """A report of N images, as inspection would have written it; ``old``: before it had novelty."""
    count = len(probabilities)
    label, confidence, margin, entropy = verdicts(probabilities)
    schema = report_schema(CLASSES, DIMS)
    novel = np.zeros(count, bool) if novel is None else novel
    columns: dict[str, Any] = {name: pa.nulls(count, schema.field(name).type) for name in schema.names}
    columns |= {
        "object_key": pa.array([f"{prefix}{i:06d}.jpg" for i in range(count)]),
        "ordinal": pa.array([0] * count, pa.int32()),
        "status": pa.array(["ok"] * count),
        "label": pa.array(np.array(CLASSES, object)[label]),
        "confidence": pa.array(confidence),
        **{f"p_{name}": pa.array(probabilities[:, c]) for c, name in enumerate(CLASSES)},
        "margin": pa.array(margin),
        "entropy": pa.array(entropy),
        "energy": pa.array(np.zeros(count, np.float32)),
        "novelty": pa.array(np.where(novel, 2, 0.5).astype(np.float32)),
        "novel": pa.array(novel),
        "embedding": pa.FixedSizeListArray.from_arrays(
            pa.array(embedding.astype(np.float16).ravel()), type=schema.field("embedding").type
        ),
        **{name: pa.array([model] * count) for name in ("model_name", "model_version", "model_digest")},
        **{name: pa.array(["u"] * count) for name in ("unit_id", "run_id")},
        "inferred_at": pa.array([NOW] * count, schema.field("inferred_at").type),
    }
    drop = ["line", "date"] + (["novelty", "novel", "energy"] if old else [])
    file = root / f"reports/date={date}/line={line}/{prefix}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=schema).drop_columns(drop), file)
