"""A store that takes its time holds up neither the inspection nor the reports of other units."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from plants import local_settings

from steelflow.inspection.infer import inspect_source
from steelflow.inspection.pipeline import Done, Inspection, inspect_units
from steelflow.records import ObjectInfo, Unit
from steelflow.store.local import LocalStore
from steelflow.synth import CLASSES, surface

PATIENCE = 60  # seconds; without it a failure would be a hang


class Waiting(LocalStore):
    """A store in which the first report is not put until another one is there."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, create=True)
        self._first = threading.Lock()
        self._other = threading.Event()

    def put(self, key: str, data: bytes | Path) -> ObjectInfo:
        if self._first.acquire(blocking=False):
            assert self._other.wait(PATIENCE), "no other report was put meanwhile"
        info = super().put(key, data)
        self._other.set()
        return info


def shard(path: Path, seed: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(surface(CLASSES[seed], np.random.default_rng(seed))).save(buffer, "JPEG")
    with tarfile.open(path, "w") as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = len(buffer.getvalue())
            tar.addfile(member, io.BytesIO(buffer.getvalue()))


def test_other_reports_are_put_while_one_waits(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for seed in range(5):
        shard(source / f"{seed}.tar", seed)
    order: list[str] = []

    def inspect(units: Iterable[Unit], job: Inspection) -> Iterator[Done]:
        planned = list(units)
        for done, unit in zip(inspect_units(planned, replace(job, report=Waiting(out))), planned, strict=True):
            assert done.unit.id == unit.id
            order.append(done.key)
            yield done

    result = inspect_source(str(source), str(out), local_settings(tmp_path, tmp_path), inspect=inspect)
    assert (result.images, result.failed_units) == (15, ())
    assert sorted(order) == sorted(path.name for path in out.glob("*.parquet"))
