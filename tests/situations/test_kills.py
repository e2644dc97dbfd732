"""kill -9 at random moments of what changes labels, models and the champion: the next run ends it, and nothing is half
or twice. ``tests/night/test_crash.py`` does the same to a night, ``tests/retrain/test_retrain.py`` to a retraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kills import kill, seconds_of

from steelflow.labels import LabelStore
from steelflow.registry import Registry
from steelflow.store.local import LocalStore
from steelflow.synth import surface
from steelflow.synth.files import jpeg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MOMENTS = 20
IMAGES = 40

IMPORTS = """
import sys
from pathlib import Path
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings
from steelflow.labels import LabelStore
from steelflow.labels.intake import Intake, import_labels
from steelflow.store.local import LocalStore
given, store = map(Path, sys.argv[1:])
labels = LabelStore(LocalStore(store, create=True))
print("ready", flush=True)
taken = Intake(given, LocalStore(given.parent / "images"), KeyTemplate("{name}"), LimitSettings(), {"scratches"}, ())
import_labels(labels, taken, "ann")
"""

PROMOTES = """
import sys
from pathlib import Path
from steelflow.registry import Registry
from steelflow.store.local import LocalStore
registry = Registry(LocalStore(Path(sys.argv[1])), wait=60.0)
print("ready", flush=True)
for version in ("v1", "v2", "v1", "v2"):
    registry.promote(version, who="ann", reason="a test")
"""


def test_labels_import(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(IMAGES):
        (images / f"{number}.jpg").write_bytes(jpeg(surface("scratches", np.random.default_rng(number), 32), 90))
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "".join(f"images/{number}.jpg,scratches\n" for number in range(IMAGES)))
    within = seconds_of(IMPORTS, table, tmp_path / "whole")
    for seed in range(MOMENTS):
        place = tmp_path / f"labels-{seed}"
        kill(IMPORTS, table, place, within=within, seed=seed)
        labels = LabelStore(LocalStore(place, create=True))
        assert labels.history().height in (0, IMAGES), f"seed {seed}"
        if seed % 5 == 0:
            seconds_of(IMPORTS, table, place)
            assert labels.history().height == labels.current().height == IMAGES, f"seed {seed}"


def test_promote(tmp_path: Path) -> None:
    registry = Registry(LocalStore(tmp_path / "registry", create=True), wait=60.0)
    for name in ("steelnet", "ssdc_mininet"):
        registry.register(name, who="ann", reason="a test")
    within = seconds_of(PROMOTES, tmp_path / "registry")
    for seed in range(MOMENTS):
        kill(PROMOTES, tmp_path / "registry", within=within, seed=seed)
        log = registry.log()  # raises if its chain is broken
        champion = registry.champion()
        assert champion is not None
        assert champion.version == log[-1].version
    entries, champion = len(registry.log()), registry.champion()
    assert champion is not None
    registry.promote("v1" if champion.version == "v2" else "v2", who="ann", reason="after all kills")
    assert len(registry.log()) == entries + 1
    assert [version.version for version in registry.versions()] == ["v1", "v2"]
