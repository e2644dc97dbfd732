"""A version's manifest and its name."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from steelflow.errors import RegistryError
from steelflow.registry.version import MODEL, File, Version, is_version, number, parse_version

VERSION = Version(
    version="v3",
    name="net",
    arch="net",
    classes=("a", "b"),
    files={MODEL: File("d" * 64, 7)},
    data_hash=None,
    metrics={"accuracy": 0.9},
    code="0.1",
    created_at=dt.datetime(2026, 11, 18, 2, 30, tzinfo=dt.UTC),
    created_by="ann",
    reason="a test",
)


def test_a_manifest_is_read_back() -> None:
    assert parse_version(VERSION.to_bytes(), "here") == VERSION
    assert VERSION.digest == "d" * 64


@pytest.mark.parametrize(
    "change",
    [
        {"classes": None},
        {"classes": 7},
        {"files": None},
        {"files": [1]},
        {"files": {MODEL: {"size": 7}}},
        {"files": {MODEL: "x"}},
        {"created_at": "yesterday"},
        {"created_at": 7},
        {"more": 1},
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, Any]) -> None:
    fields = json.loads(VERSION.to_bytes())
    without = {name: value for name, value in fields.items() if name != "files"}
    for content in (json.dumps(fields | change), json.dumps(without), "[]", "7", "", "{half"):
        with pytest.raises(RegistryError, match=r"here: is not a manifest that this version of steelflow wrote"):
            parse_version(content.encode(), "here")


@pytest.mark.parametrize(
    ("name", "value"), [("v1", 1), ("v10", 10), ("v0", 0), ("v01", 0), ("v", 0), ("1", 0), ("v1/x", 0), ("V1", 0)]
)
def test_names_of_versions(name: str, value: int) -> None:
    assert number(name) == value
    assert is_version(name) == (value > 0)
