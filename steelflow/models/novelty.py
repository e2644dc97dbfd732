"""Novelty: how unlike the training images an image is, in two measures.

- *Distance* of its embedding e to the nearest of P centres, √min_p (e − c_p)ᵀ Σ⁻¹ (e − c_p), the Mahalanobis distance
of
  Lee et al. (2018), "A simple unified framework for detecting out-of-distribution samples". Every class has several
  centres, because the images of a class can form several clusters.
- *Energy*: −log Σ_c exp z_c of its logits z (Liu et al. 2020, "Energy-based out-of-distribution detection"). It is high
if
  no class fits well.

The limits are quantiles of the values of the training images. Like the spec, they are stored in the model's file.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from steelflow.errors import ModelError

NOVELTY_KEY = "steelflow.novelty"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Novelty:
    """``centres`` (P, E) and ``whitening`` (E, E), W with W·Wᵀ = Σ⁻¹, both float32; limits of distance and energy."""

    centres: Floats
    whitening: Floats
    distance_limit: float
    energy_limit: float
    _placed: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_placed", self.centres @ self.whitening)

    def distance(self, embedding: Floats) -> Floats:
        """Distance of float32 (N, E) to the nearest centre, in multiples of the limit: (N,), novel above 1."""
        images, centres = embedding @ self.whitening, self._placed
        squared = (images**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * images @ centres.T
        return np.asarray(np.sqrt(squared.min(1).clip(0)) / np.float32(self.distance_limit), np.float32)

    def novel(self, distance: Floats, energy: Floats) -> npt.NDArray[np.bool_]:
        """(N,): whether the result of ``distance`` or ``energy`` (N,) is beyond its limit."""
        return np.asarray((distance > 1) | (energy > self.energy_limit))

    def to_text(self) -> str:
        """JSON with the arrays as base64 of little-endian float32."""
        arrays = {name: base64.b64encode(getattr(self, name).astype("<f4").tobytes()).decode() for name in _ARRAYS}
        return json.dumps({**arrays, "distance_limit": self.distance_limit, "energy_limit": self.energy_limit})


_ARRAYS = ("centres", "whitening")


def parse_novelty(text: str | None, dims: int, where: str) -> Novelty | None:
    """Read the text of ``to_text`` from a model's metadata. None for a model without it.

    Raises:
        ModelError: it is damaged, or the embedding does not have ``dims`` dimensions.
    """
    if text is None:
        return None
    try:
        found = json.loads(text)
        centres, whitening = (
            np.frombuffer(base64.b64decode(found[name], validate=True), "<f4").reshape(-1, dims) for name in _ARRAYS
        )
        novelty = Novelty(centres, whitening, float(found["distance_limit"]), float(found["energy_limit"]))
        fits = whitening.shape == (dims, dims) and len(centres) > 0 and novelty.distance_limit > 0
        if not fits or not all(np.isfinite(part).all() for part in (centres, whitening, novelty.energy_limit)):
            raise ValueError("the values do not fit the embedding of this model")
    except (ValueError, KeyError, TypeError) as exc:
        raise ModelError(f"{where}: damaged novelty in the model: {exc}; export the model again") from exc
    return novelty


def energy(logits: Floats) -> Floats:
    """−log Σ_c exp z_c, (N, C) to (N,)."""
    highest = logits.max(axis=1)
    return np.asarray(-highest - np.log(np.exp(logits - highest[:, None]).sum(axis=1)), np.float32)
