"""The regions of a chunk as rows beside the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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

    def known(values: Sequence[float], kind: pa.DataType) -> pa.Array:
        numbers = pa.array(np.array(values, np.float64), pa.float64())
        return pc.if_else(pc.is_nan(numbers), None, numbers).cast(kind)

    f32, i32, text = pa.float32(), pa.int32(), pa.string()
    return {
        "object_key": pa.array([place.key for place in places], text),
        "member": pa.array([place.member for place in places], text),
        "ordinal": pa.array([place.ordinal for place in places], i32),
        "region": pa.array([one.number for one in found], i32),
        "line": pa.repeat(pa.scalar(origin.unit.partition.line, text), count),
        "date": pa.repeat(pa.scalar(origin.unit.partition.date, pa.date32()), count),
        "coil": pa.array([place.coil for place in places], text),
        "camera": pa.array([place.camera for place in places], text),
        "side": pa.array([place.side for place in places], text),
        "label": pa.array([origin.spec.classes[region.label] for region in regions], text),
        "score": pa.array([region.score for region in regions], f32),
        "severity": pa.nulls(count, text),
        **{name: pa.array([getattr(region, name) for region in regions], i32) for name in _PIXELS},
        "along": known([one.along for one in found], pa.float64()),
        **{name: known([getattr(one, name) for one in found], f32) for name in _MILLIMETRES},
        "model_name": pa.repeat(origin.spec.name, count),
        "model_version": pa.repeat(origin.spec.version, count),
        "model_digest": pa.repeat(origin.model_digest, count),
        "unit_id": pa.repeat(origin.unit.id, count),
        "run_id": pa.repeat(origin.run_id, count),
    }


_PIXELS = ("x", "y", "width", "height", "area", "views")
_MILLIMETRES = ("across_mm", "length_mm", "width_mm", "area_mm2")
