"""What the pages of the dashboard show beside a year of reports: verdicts on drift, two versions of a model, the images
of one line and night, and labels of a person."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from pathlib import Path

import cv2
import numpy as np

from steelflow.bench.year import CLASSES, DIGEST, YearSpec
from steelflow.config import Settings
from steelflow.drift.check import check_night
from steelflow.labels import Label, open_labels
from steelflow.registry import open_registry
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

_LABELS = 400
_PLACE = ("object_key", "member", "ordinal", "line", "date", "coil")


def stand_around(settings: Settings, spec: YearSpec) -> None:
    """Write all of it, below the reports, the archive and the home of ``settings``. What is there is kept."""
    last = spec.start + dt.timedelta(days=spec.nights - 1)
    report = open_store(settings.report.uri, settings.store)
    if not any(report.folders("drift/")):
        for back in reversed(range(min(settings.drift.reference_nights + 1, spec.nights))):
            check_night(report, last - dt.timedelta(days=back), settings.drift, DIGEST)
    registry = open_registry(settings)
    if not registry.versions():
        for number, name in enumerate(("steelnet", "ssdc_mininet"), 1):
            registry.register(name, who="bench", reason="to compare", metrics={"accuracy": 0.9 + number / 100})
    reader = ReportReader(report)
    rows = reader.images([last], [spec.lines[0]]).filter(status="ok").select(*_PLACE).collect()
    archive = Path(settings.archive.uri)
    _picture(archive, rows["object_key"].to_list())
    labels = open_labels(settings)
    if labels.history().is_empty():
        chosen = rows.sample(min(_LABELS, rows.height), seed=0)
        images = labels.images.put_many(b"image %d" % number for number in range(chosen.height))
        said = [
            Label(
                image,
                CLASSES[int(hashlib.sha256(image.encode()).hexdigest(), 16) % len(CLASSES)],
                "ben",
                "review",
                **row,
            )
            for image, row in zip(images, chosen.iter_rows(named=True), strict=True)
        ]
        labels.add(said, classes=CLASSES)


def _picture(archive: Path, keys: list[str]) -> None:
    """One picture under all of these keys, as hard links: the disk holds it once."""
    first = archive / keys[0]
    if first.exists():
        return
    first.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", np.random.default_rng(0).integers(60, 190, (200, 200), np.uint8))
    assert done
    first.write_bytes(data.tobytes())
    for key in keys[1:]:
        os.link(first, archive / key)
