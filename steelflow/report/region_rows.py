"""The regions of a chunk as rows beside the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from steelflow.report.columns import known_numbers, same_day, same_text, some_numbers, texts
from steelflow.report.judged import Found, ImagePlace, Judged, Origin
from steelflow.schema import region_schema
from steelflow.strip.severity import severity_column


def region_rows(judged: Judged, origin: Origin) -> pa.Table:
    """A table of ``region_schema``: the regions of all images, in the order of the images."""
    found = judged.framed.found if judged.framed is not None and judged.framed.found is not None else []
    table = pa.table(_columns(found, [judged.places[one.image] for one in found], origin), schema=region_schema())
    if not origin.severity or not table.num_rows:
        return table
    severity = severity_column(table, origin.severity, origin.unit.partition.line)
    return table.set_column(table.column_names.index("severity"), table.schema.field("severity"), severity)


def _columns(found: Sequence[Found], places: Sequence[ImagePlace], origin: Origin) -> dict[str, pa.Array]:
    regions, count = [one.region for one in found], len(found)
    partition, spec = origin.unit.partition, origin.spec
    f32, i32 = pa.float32(), pa.int32()
    return {
        "object_key": texts([place.key for place in places]),
        "member": texts([place.member for place in places]),
        "ordinal": some_numbers([place.ordinal for place in places], i32),
        "region": some_numbers([one.number for one in found], i32),
        "line": same_text(partition.line, count),
        "date": same_day(partition.date, count),
        "coil": texts([place.coil for place in places]),
        "camera": texts([place.camera for place in places]),
        "side": texts([place.side for place in places]),
        "label": texts([spec.classes[region.label] for region in regions]),
        "score": some_numbers([region.score for region in regions], f32),
        "severity": pa.nulls(count, pa.string()),
        **{name: some_numbers([getattr(region, name) for region in regions], i32) for name in _PIXELS},
        "along": known_numbers(np.array([one.along for one in found]), pa.float64()),
        **{name: known_numbers(np.array([getattr(one, name) for one in found]), f32) for name in _MILLIMETRES},
        "model_name": same_text(spec.name, count),
        "model_version": same_text(spec.version, count),
        "model_digest": same_text(origin.model_digest, count),
        "unit_id": same_text(origin.unit.id, count),
        "run_id": same_text(origin.run_id, count),
    }


_PIXELS = ("x", "y", "width", "height", "area", "views")
_MILLIMETRES = ("across_mm", "length_mm", "width_mm", "area_mm2")
