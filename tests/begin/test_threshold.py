"""The threshold for a share of false alarms, where some of the scores are of defects."""

from __future__ import annotations

import numpy as np
import pytest

from steelflow.begin.threshold import threshold


@pytest.mark.parametrize("wanted", [0.002, 0.005, 0.02, 0.05, 0.2])
@pytest.mark.parametrize("defective", [0.0, 0.03])
@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_the_share_of_good_views_above_it_is_about_the_one_asked_for(
    kind: str, defective: float, wanted: float
) -> None:
    rng = np.random.default_rng(0)
    draw = rng.normal if kind == "normal" else rng.exponential
    scores = draw(size=4000)
    scores[: round(defective * len(scores))] = 30  # defects, far above
    limit = threshold(scores.astype(np.float32), wanted)
    assert 0.02 * wanted <= (draw(size=200_000) > limit).mean() <= 2.5 * wanted


def test_it_rises_as_fewer_false_alarms_are_wanted() -> None:
    scores = np.random.default_rng(1).normal(size=300).astype(np.float32)
    limits = [threshold(scores, share) for share in (0.3, 0.1, 0.05, 0.02, 0.005, 0.001)]
    assert limits == sorted(limits)
    assert len(set(limits)) == len(limits)
