"""A model version: its manifest, which names every file with its digest."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from steelflow.errors import RegistryError

VERSIONS = "versions/"
MANIFEST = "manifest.json"
MODEL = "model.onnx"
WEIGHTS = "model.safetensors"
CARD = "card.md"
METRICS = "metrics.json"
CURVES = "curves.png"
REFERENCE = "reference.parquet"

_OF_VIEWS = ("good", "operating_point", "view")
_NAME = re.compile(r"v([1-9]\d{0,8})")


@dataclass(frozen=True, slots=True)
class File:
    """``sha256`` in hex, ``size`` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Version:
    """The manifest of a version. ``classes`` are in the order of the spec. ``metrics`` are the figures given at
    registration. ``data_hash`` identifies the training data, None if it is not known. ``code`` is the version of
    steelflow at registration. ``good``, ``operating_point`` and ``view`` are those of the spec; a model of whole
    images without good classes has none of them."""

    version: str
    name: str
    arch: str
    classes: tuple[str, ...]
    files: Mapping[str, File]
    data_hash: str | None
    metrics: Mapping[str, Any]
    code: str
    created_at: dt.datetime
    created_by: str
    reason: str
    good: tuple[str, ...] = ()
    operating_point: float | None = None
    view: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the ONNX file, the column ``model_digest`` of a report."""
        return self.files[MODEL].sha256

    def to_dict(self) -> dict[str, Any]:
        found = {**asdict(self), "created_at": self.created_at.isoformat()}
        return {name: value for name, value in found.items() if name not in _OF_VIEWS or value not in (None, ())}

    def to_bytes(self) -> bytes:
        return (json.dumps(self.to_dict(), indent=1, sort_keys=True) + "\n").encode()


def parse_version(data: bytes, where: str) -> Version:
    """Read what ``Version.to_bytes`` wrote. Raises ``RegistryError`` with ``where`` for anything else."""
    try:
        fields = json.loads(data)
        return Version(
            **{
                **fields,
                "classes": tuple(fields["classes"]),
                "good": tuple(fields.get("good", ())),
                "files": {name: File(**file) for name, file in fields["files"].items()},
                "created_at": dt.datetime.fromisoformat(fields["created_at"]),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise RegistryError(f"{where}: is not a manifest that this version of steelflow wrote; was it edited?") from exc


def is_version(text: str) -> bool:
    """Whether ``text`` has the form of a version's name: ``v1``, ``v2``, …"""
    return _NAME.fullmatch(text) is not None


def number(version: str) -> int:
    """The number in a version's name; 0 for anything else."""
    found = _NAME.fullmatch(version)
    return int(found.group(1)) if found else 0


def key(version: str, file: str) -> str:
    return f"{VERSIONS}{version}/{file}"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
