"""The declared schema of a defect report: one row per image found, always.

Raise ``SCHEMA_VERSION`` with every change that a reader can see. It is stored in each file's metadata.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

SCHEMA_VERSION = 3  # of reports with frames; reports of whole images are as in version 2
PIPELINE_VERSION = "3"  # part of every unit's fingerprint: raise it if the same image gives a different row
FRAMES_VERSION = "2"  # the same for units that are judged in views
PIXELS_VERSION = "2"  # the same for units that may hold other images than JPEG

PROBABILITY = "p_"
STAMP = pa.timestamp("us", tz="UTC")

QUALITY = (
    "brightness",  # mean grey level, 0 to 255
    "contrast",  # standard deviation of the grey level
    "sharpness",  # mean squared difference of neighbouring pixels
    "saturation",  # share of pixels at 250 or above
)
"""Figures of how a picture was taken, in the order of ``images.quality.measure``; each is a column."""


_FRAMED = (
    pa.field("camera", pa.string()),
    pa.field("side", pa.string()),  # of the strip
    pa.field("frame", pa.int32()),  # its number
    pa.field("length", pa.float32()),  # metres of strip that it shows; null if its scale is not known
    pa.field("regions", pa.int32()),  # of defect; null for a model without good classes
    pa.field("defect_area", pa.int64()),  # pixels of all regions
)
"""The columns that a frame has beside those of every image."""


def schema_version(framed: bool) -> int:
    return SCHEMA_VERSION if framed else 2


def report_schema(classes: Sequence[str], embedding_dims: int, framed: bool = False) -> pa.Schema:
    """Columns of a report for a model with these classes and this number of embedding dimensions.

    If ``status`` is ``failed``, the probabilities and everything derived from them are null. If it is ``ok``, ``error``
    is null. In a hive-partitioned report ``line`` and ``date`` are in the path, not in the file. ``framed`` reports are
    of frames that were judged in views: the model's results of a frame are those of its worst view.
    """
    return pa.schema(
        [
            pa.field("object_key", pa.string(), nullable=False),  # below `archive.uri`
            pa.field("member", pa.string()),  # name inside the shard; null for a loose object
            pa.field("ordinal", pa.int32(), nullable=False),  # place in the object: shards may repeat a name
            pa.field("line", pa.string()),
            pa.field("date", pa.date32()),
            pa.field("coil", pa.string()),
            pa.field("position", pa.float64()),  # metres from the coil's head
            pa.field("captured_at", STAMP),
            pa.field("width", pa.int32()),  # pixels
            pa.field("height", pa.int32()),
            *(_FRAMED if framed else ()),
            pa.field("status", pa.string(), nullable=False),  # ok | failed
            pa.field("error", pa.string()),  # code: detail
            pa.field("label", pa.string()),
            pa.field("confidence", pa.float32()),  # of the label
            *(pa.field(PROBABILITY + name, pa.float32()) for name in classes),
            pa.field("margin", pa.float32()),  # between the two most probable classes
            pa.field("entropy", pa.float32()),  # nats
            pa.field("energy", pa.float32()),  # −log Σ exp of the logits: high if no class fits well
            pa.field("novelty", pa.float32()),  # distance in embedding space from the training images; 1 is the limit
            pa.field("novel", pa.bool_()),  # beyond the limit of distance or of energy; null for a model without limits
            *(pa.field(name, pa.float32()) for name in QUALITY),
            pa.field("embedding", pa.list_(pa.field("item", pa.float16(), nullable=False), embedding_dims)),
            pa.field("model_name", pa.string(), nullable=False),
            pa.field("model_version", pa.string(), nullable=False),
            pa.field("model_digest", pa.string(), nullable=False),  # sha256 of the ONNX file
            pa.field("unit_id", pa.string(), nullable=False),
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("inferred_at", STAMP, nullable=False),
        ]
    )


def region_schema() -> pa.Schema:
    """Columns of the regions of a report: one row per region of defect, in the order of the report's images.

    ``object_key``, ``member`` and ``ordinal`` name the image. Boxes are in pixels of that image. What needs a scale or
    a position is null where the settings, the template and the sidecars do not give one.
    """
    return pa.schema(
        [
            pa.field("object_key", pa.string(), nullable=False),
            pa.field("member", pa.string()),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("region", pa.int32(), nullable=False),  # number in the image, from 0, the worst first
            pa.field("line", pa.string()),
            pa.field("date", pa.date32()),
            pa.field("coil", pa.string()),
            pa.field("camera", pa.string()),
            pa.field("side", pa.string()),
            pa.field("label", pa.string(), nullable=False),
            pa.field("score", pa.float32(), nullable=False),  # 1 − Σ p(good) of its strongest view, or cell
            pa.field("severity", pa.string()),  # by the rules of the settings; null if none fits
            pa.field("x", pa.int32(), nullable=False),  # left, pixels
            pa.field("y", pa.int32(), nullable=False),  # top, pixels
            pa.field("width", pa.int32(), nullable=False),  # pixels
            pa.field("height", pa.int32(), nullable=False),  # pixels
            pa.field("area", pa.int32(), nullable=False),  # pixels that the region covers of its box
            pa.field("views", pa.int32(), nullable=False),  # views that show it
            pa.field("along", pa.float64()),  # metres from the coil's head to its centre
            pa.field("across_mm", pa.float32()),  # from the strip's edge to its centre
            pa.field("length_mm", pa.float32()),  # along the strip
            pa.field("width_mm", pa.float32()),  # across the strip
            pa.field("area_mm2", pa.float32()),
            pa.field("model_name", pa.string(), nullable=False),
            pa.field("model_version", pa.string(), nullable=False),
            pa.field("model_digest", pa.string(), nullable=False),
            pa.field("unit_id", pa.string(), nullable=False),
            pa.field("run_id", pa.string(), nullable=False),
        ]
    )
