"""Images that look like none of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from steelflow.drift.appearance import Appearance


def looks(count: int, seed: int = 0) -> np.ndarray:
    """Brightness, log contrast and log sharpness of so many pictures."""
    rng = np.random.default_rng(seed)
    return rng.normal([100, 3, 5], [20, 0.3, 0.4], (count, 3))


def test_a_picture_of_the_reference_that_comes_again_is_judged_as_it_was() -> None:
    """A copy of a picture must not vouch for it: the third nearest image is the third nearest other one."""
    trio = np.array(
        [[250, 6, 9], [250.1, 6, 9], [250, 6.001, 9]]
    )  # far from all others: each has two near it, no third
    points = np.concatenate([looks(500), trio])
    known = Appearance(points, np.arange(len(points)))
    assert known.own[known.pictures][-3:].all()
    assert known.unfamiliar(trio).all()
    assert (known.unfamiliar(points) == known.own[known.pictures]).all()
    assert known.unfamiliar(points).sum() == 10, "2 of 100 are farther from the others than the rest"


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_of_one_picture_are_one_picture(copies: int) -> None:
    points = looks(400)
    once = Appearance(points, np.arange(400))
    often = Appearance(np.repeat(points, copies, axis=0), np.arange(400 * copies))
    assert often.distinct == once.distinct == 400
    tonight = looks(400, seed=1)
    assert (often.unfamiliar(tonight) == once.unfamiliar(tonight)).all()
    assert (often.own[often.pictures] == np.repeat(once.own[once.pictures], copies)).all()


def test_images_of_the_same_coil_do_not_vouch_for_each_other() -> None:
    cloud, odd = looks(500), np.array([250, 6, 9]) + 0.01 * looks(10, seed=2)
    points = np.concatenate([cloud, odd])
    alone = np.arange(510)
    one_coil = np.concatenate([np.arange(500), np.full(10, 500)])
    assert not Appearance(points, alone).own[Appearance(points, alone).pictures][-10:].all()
    assert Appearance(points, one_coil).own[Appearance(points, one_coil).pictures][-10:].all()
