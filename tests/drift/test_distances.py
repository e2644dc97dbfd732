"""The statistics agree with scipy, or with their formula written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, special, stats
from scipy.spatial.distance import jensenshannon

from steelflow.drift.distances import (
    frechet_distance,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    population_stability_index,
    wasserstein,
)

# Few distinct values beside many: ties within a sample and between the two, and constants.
values = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-1e3, 1e3, allow_nan=False, allow_subnormal=False, width=32)
)
samples = st.one_of(st.lists(values, min_size=1, max_size=60), st.integers(1, 40).map(lambda n: [2.5] * n))
counts = st.integers(1, 8).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 50), min_size=k, max_size=k).filter(any)] * 2)
)


@given(samples, samples)
def test_wasserstein(a: list[float], b: list[float]) -> None:
    assert wasserstein(a, b) == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-9, rel=1e-12)


@given(samples, samples)
def test_kolmogorov_smirnov(a: list[float], b: list[float]) -> None:
    distance, p_value = kolmogorov_smirnov(a, b)
    with np.errstate(divide="ignore"):  # scipy's own p-value of two single values
        expected = stats.ks_2samp(a, b, method="asymp").statistic
    assert distance == pytest.approx(expected, abs=1e-9)
    scaled = distance * (len(a) * len(b) / (len(a) + len(b))) ** 0.5
    assert p_value == pytest.approx(special.kolmogorov(scaled), abs=1e-9)


@given(counts)
def test_jensen_shannon(pair: tuple[list[int], list[int]]) -> None:
    a, b = pair
    assert jensen_shannon_distance(a, b) == pytest.approx(jensenshannon(a, b), abs=1e-9)


@given(counts)
def test_population_stability_index(pair: tuple[list[int], list[int]]) -> None:
    a, b = pair
    expected = 0.0
    for n, m in zip(a, b, strict=True):
        p, q = (n + 0.5) / (sum(a) + len(a) / 2), (m + 0.5) / (sum(b) + len(b) / 2)
        expected += (q - p) * np.log(q / p)
    assert population_stability_index(a, b) == pytest.approx(expected, abs=1e-9)
    assert population_stability_index(a, a) == 0


@given(st.integers(1, 6), st.integers(0, 1000))
def test_frechet(dims: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(40, dims)), rng.normal(1, 2, size=(30, dims))
    one, two = (np.atleast_2d(np.cov(x.T)) for x in (a, b))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one + two - 2 * np.real(linalg.sqrtm(one @ two)))
    found = frechet_distance(
        np.stack([a.mean(0)] * 2), np.stack([one] * 2), np.stack([b.mean(0), a.mean(0)]), np.stack([two, one])
    )
    assert found[0] == pytest.approx(expected, rel=1e-6)
    assert found[1] == pytest.approx(0, abs=1e-9)


def test_frechet_of_constant_embeddings_is_the_shift() -> None:
    flat = np.zeros((3, 3))
    assert frechet_distance(np.zeros(3), flat, np.array([1.0, 2, 2]), flat) == pytest.approx(9)
