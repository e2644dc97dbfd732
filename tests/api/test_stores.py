"""``steelflow.open_labels`` and ``steelflow.open_registry``."""

from __future__ import annotations

from pathlib import Path

import steelflow
from steelflow.labels import Label, LabelStore
from steelflow.labels import open_labels as open_configured_labels
from steelflow.registry import open_registry as open_configured_registry


def add(store: LabelStore, photos: Path) -> LabelStore:
    for file in photos.rglob("*.jpg"):
        image = store.images.put(file.read_bytes())
        store.add([Label(image, file.parent.name, "ann", "test")], new_classes=[file.parent.name])
    return store


def test_labels_are_read_from_a_place_or_from_the_settings(photos: Path, tmp_path: Path) -> None:
    settings = steelflow.Settings(report={"uri": str(tmp_path / "reports")})
    add(open_configured_labels(settings), photos)
    for labels in (steelflow.open_labels(settings=settings), steelflow.open_labels(tmp_path / "reports" / "labels")):
        current = labels.current()
        assert current.height == 18
        assert current.group_by("label").len()["len"].to_list() == [3] * 6


def test_a_registry_is_read_from_a_place_or_from_the_settings(tmp_path: Path) -> None:
    settings = steelflow.Settings(report={"uri": str(tmp_path / "reports")})
    registry = open_configured_registry(settings)
    version = registry.register("steelnet", who="ann", reason="first")
    registry.promote(version, who="ann", reason="first")
    for found in (
        steelflow.open_registry(settings=settings),
        steelflow.open_registry(tmp_path / "reports" / "registry"),
    ):
        assert found.champion() == version
        assert [one.version for one in found.versions()] == ["v1"]
