"""The distances between two samples that measure drift, in numpy alone.

All except the p-value are effect sizes: they do not grow with the number of images.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SMOOTHING = 0.5  # images added to each bin: the prior of Jeffreys (1946)


def population_stability_index(reference: npt.ArrayLike, current: npt.ArrayLike) -> Floats:
    """PSI = Σ_k (q_k − p_k) · ln(q_k / p_k) of counts (…, K), with p_k = (n_k + ½) / (N + K/2) and q_k likewise.

    At least 0. Half an image is added to every bin, so that an empty bin gives a finite value. The index comes from
    credit scoring (Siddiqi 2006), where a shift above 0.25 counts as significant.
    """
    p, q = _smoothed(reference), _smoothed(current)
    return np.asarray(((q - p) * np.log(q / p)).sum(-1))


def jensen_shannon_distance(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """√(½ KL(p‖m) + ½ KL(q‖m)) with m = (p + q) / 2, in nats, of counts or weights (K,); 0 to √ln 2 = 0.83.

    Endres and Schindelin (2003). Empty bins need no smoothing.
    """
    p, q = (np.asarray(counts, float) / np.sum(counts) for counts in (reference, current))
    middle = (p + q) / 2
    divergence = (_kl(p, middle) + _kl(q, middle)) / 2
    return math.sqrt(max(divergence, 0.0))


def kolmogorov_smirnov(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[float, float]:
    """sup_x |F(x) − G(x)| of two samples (N,) and (M,), 0 to 1, and its asymptotic p-value.

    The p-value is that of Kolmogorov's distribution at √(NM / (N + M)) · D. It decides nothing: with enough images
    every difference is significant.
    """
    a, b = np.sort(np.asarray(reference, float)), np.sort(np.asarray(current, float))
    points = np.concatenate([a, b])
    distance = float(np.abs(_cdf(a, points) - _cdf(b, points)).max())
    scaled = math.sqrt(len(a) * len(b) / (len(a) + len(b))) * distance
    if scaled < 0.2:  # the series would need more terms, and the value is 1 to twelve digits
        return distance, 1.0
    terms = sum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return distance, min(max(2 * terms, 0.0), 1.0)


def wasserstein(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """∫ |F(x) − G(x)| dx of two samples (N,) and (M,), in their unit: how far the values moved on average."""
    a, b = np.sort(np.asarray(reference, float)), np.sort(np.asarray(current, float))
    points = np.sort(np.concatenate([a, b]))
    return float(np.abs(_cdf(a, points[:-1]) - _cdf(b, points[:-1])) @ np.diff(points))


def frechet_distance(mean_1: Floats, covariance_1: Floats, mean_2: Floats, covariance_2: Floats) -> Floats:
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½) of Gaussians with means (…, E) and covariances (…, E, E).

    The squared 2-Wasserstein distance between them (Dowson and Landau 1982); Heusel et al. (2017) call it FID.
    """
    values, vectors = np.linalg.eigh(covariance_1)
    root = (vectors * np.sqrt(values.clip(0))[..., None, :]) @ vectors.swapaxes(-1, -2)
    common = np.sqrt(np.linalg.eigvalsh(root @ covariance_2 @ root).clip(0)).sum(-1)
    traces = np.trace(covariance_1, axis1=-2, axis2=-1) + np.trace(covariance_2, axis1=-2, axis2=-1)
    return np.asarray((((mean_1 - mean_2) ** 2).sum(-1) + traces - 2 * common).clip(0))


def _smoothed(counts: npt.ArrayLike) -> Floats:
    full = np.asarray(counts, float) + _SMOOTHING
    return np.asarray(full / full.sum(-1, keepdims=True))


def _kl(p: Floats, q: Floats) -> float:
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def _cdf(ordered: Floats, points: Floats) -> Floats:
    return np.searchsorted(ordered, points, side="right") / len(ordered)
