"""The models that ship with steelflow, and the file for a model's name or path."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from steelflow.errors import ModelError

SELECTED = "steelnet"
"""The model that inspects until a model is promoted."""

WEIGHTS = Path(__file__).parent.parent / "weights"

SHIPPED: dict[str, str] = {
    "steelnet": "6b5e304addf8e50e0aa99397cc2d088e8baeef2ed53aa1671b7747ff009629ce",
    "ssdc_mininet": "a5fe233fda2847f2440dc62ed3f32a4362a660ed5cb2589b0e6d838439d2eee0",
    "strip": "9fcadd92ea2aa45eafbd95dacb391960ce78eb97da7ef437dc4c82817d3d6914",
    "strip_accurate": "1b9f7dc801b140d68b05c21ea881d6a4997da4c823a3d527892c89d8adfb8d2f",
}
"""Name to the SHA-256 of ``weights/<name>.onnx``."""

_NEU = "six hot-rolled defects on 200×200 pictures"
_TILES = "five defects of ground magnetic tiles, in views at native scale"


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a model that ships is for: ``purpose`` in words, and its ``accuracy`` on held-out images as its card has it;
    None if the card has other figures. ``weights/<name>.seen`` has the digests of its training images (``seen``)."""

    name: str
    purpose: str
    accuracy: float | None


_KNOWN = (
    Shipped("steelnet", _NEU, 0.9965),
    Shipped("ssdc_mininet", _NEU, 0.9965),
    Shipped("strip", _TILES, None),
    Shipped("strip_accurate", _TILES, None),
)


def shipped(digest: str) -> Shipped | None:
    """The model that ships whose file has this SHA-256; None for any other model."""
    return next((one for one in _KNOWN if SHIPPED[one.name] == digest), None)


def resolve(ref: str) -> Path:
    """The ONNX file for ``ref``: the name of a shipped model, or the path of a file.

    Raises:
        ModelError: it is neither; or a shipped file is missing or was changed.
    """
    if ref in SHIPPED:
        path = WEIGHTS / f"{ref}.onnx"
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as exc:
            raise ModelError(f"{path}: cannot be read: {exc.strerror}; install steelflow again") from exc
        if digest != SHIPPED[ref]:
            raise ModelError(f"{path}: was changed since it was shipped (SHA-256 {digest}); install steelflow again")
        return path
    path = Path(ref)
    if path.suffix == ".onnx" and path.is_file():
        return path
    raise ModelError(f"{ref!r}: no such model; name a shipped one ({', '.join(SHIPPED)}) or the path of an .onnx file")
