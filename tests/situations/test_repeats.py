"""Errors about a file repeat short values of it, so that a person finds the place, and nothing that may be a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from memory import MemoryStore

from steelflow.archive.described import Described, SidecarErrors
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings, load_settings
from steelflow.errors import SteelflowError
from steelflow.labels.intake import Intake
from steelflow.training.annotations import list_annotations
from steelflow.training.annotations import load_annotations as load
from steelflow.training.manifest import list_manifest

SHORT, SECRET = "abc", "correct horse battery staple Tr0ub4dor three"


def sidecar_values(folder: Path, value: str) -> str:
    return _sidecar("frames.csv", f"name,position\na.jpg,{value}\n")


def sidecar_names(folder: Path, value: str) -> str:
    return _sidecar("frames.json", json.dumps([{"name": "a.jpg", value: 1}]).replace("1}", f'1, "{value}": 2}}'))


def _sidecar(name: str, text: str) -> str:
    errors = SidecarErrors()
    Described(errors).add("", [(name, text.encode())])
    return " ".join(errors.sample)


def sidecar_that_is_none(folder: Path, value: str) -> str:
    return _sidecar("frames.csv", f"{value.title()}!{value},\n1,2\n")


def label_times(folder: Path, value: str) -> str:
    return _labels(folder, f"path,label,at\na.jpg,scratches,{value}\n")


def label_places(folder: Path, value: str) -> str:
    return _labels(folder, f"path,label,ordinal\na.jpg,scratches,{value}\n")


def _labels(folder: Path, text: str) -> str:
    (folder / "labels.csv").write_text(text)
    template = KeyTemplate("{name}")
    return _error(lambda: Intake(folder / "labels.csv", MemoryStore({}), template, LimitSettings(), {"scratches"}))


def manifest_paths(folder: Path, value: str) -> str:
    (folder / "data.csv").write_text(f"path,label\n../{value * 2},a\n")
    return _error(lambda: list_manifest(folder / "data.csv"))


def coco_boxes(folder: Path, value: str) -> str:
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [value, 0, 1, 1]}]
    images, categories = [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}], [{"id": 1, "name": "pits"}]
    found = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "a.png").write_bytes(b"")
    (folder / "coco.json").write_text(json.dumps(found))
    return _error(lambda: load(folder)) + str(list_annotations(folder).found.skipped)


def settings_that_are_wrong(folder: Path, value: str) -> str:
    (folder / "steelflow.toml").write_text(f"[night]\ncron = '{value}'\n")
    return _error(lambda: load_settings(folder / "steelflow.toml"))


def _error(call: Callable[[], object]) -> str:
    with pytest.raises(SteelflowError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    "way",
    [
        sidecar_values,
        sidecar_names,
        sidecar_that_is_none,
        label_times,
        label_places,
        manifest_paths,
        coco_boxes,
        settings_that_are_wrong,
    ],
)
def test_what_a_file_contains_is_repeated_only_if_it_is_short(tmp_path: Path, way: Callable[[Path, str], str]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    if way is not sidecar_that_is_none:
        assert SHORT in way(tmp_path / "one", SHORT)
    told = way(tmp_path / "two", SECRET)
    assert told
    assert not any(word in told.lower() for word in SECRET.lower().split())
