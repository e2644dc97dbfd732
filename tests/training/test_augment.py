"""Disturbances and mixtures, as defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steelflow.training import augment, mixing


def batch(count: int = 64, side: int = 24) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_all_disturbances_together_keep_shape_range_and_seed() -> None:
    disturb = augment.Augmentation()
    x = batch()
    y = disturb(x.clone(), rng())
    assert y.shape == x.shape
    assert y.min() >= 0
    assert y.max() <= 1
    assert not torch.equal(x, y)
    assert torch.equal(y, disturb(x.clone(), rng()))


def test_flips_are_the_symmetries_that_keep_the_rolling_direction() -> None:
    x = batch()
    ways = [x, x.flip(3), x.flip(2), x.flip(2, 3)]
    seen = set()
    for i, y in enumerate(augment.flip(x, rng())):
        fits = [way for way, candidate in enumerate(ways) if torch.equal(candidate[i], y)]
        assert len(fits) == 1
        seen.add(fits[0])
    assert seen == {0, 1, 2, 3}


def test_shift_moves_whole_pixels_and_mirrors_the_edge() -> None:
    x = torch.arange(20.0).expand(8, 1, 20, 20).contiguous()
    mirrored = {
        tuple(np.abs(np.arange(20) + d)) if d < 0 else tuple(19 - np.abs(19 - np.arange(20) - d)) for d in range(-3, 4)
    }
    rows = {tuple(int(v) for v in y[0, 0]) for y in augment.shift(x, 0.15, rng())}
    assert rows <= mirrored
    assert len(rows) > 2


def test_noise_has_the_ratio_it_promises() -> None:
    x = batch(8, 200)
    y = augment.noise(x, 20, torch.ones(8, 1, 1, 1), rng(), best_db=20)
    snr = 10 * torch.log10(x.square().mean((2, 3)) / (y - x).square().mean((2, 3)))
    assert (snr - 20).abs().max() < 0.1
    assert torch.equal(x, augment.noise(x, 20, torch.zeros(8, 1, 1, 1), rng()))


def test_blur_of_nothing_is_the_picture_itself_and_blur_keeps_the_mean() -> None:
    x = batch()
    torch.testing.assert_close(augment.blur(x, torch.zeros(64, 1, 1, 1), rng()), x)
    y = augment.blur(x, torch.full((64, 1, 1, 1), 2.0), rng())
    assert (y.mean((2, 3)) - x.mean((2, 3))).abs().max() < 0.02
    assert y.std((2, 3)).mean() < 0.8 * x.std((2, 3)).mean()


def test_light_is_affine_about_the_mean() -> None:
    x = batch()
    y = augment.light(x, 0.0, 0.0, 0.3, rng())
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)))
    ratio = y.std((2, 3)) / x.std((2, 3))
    assert ratio.min() >= 0.7
    assert ratio.max() <= 1.3


def test_flips_can_be_limited_to_one_axis_or_none() -> None:
    x = batch()
    for axes, ways in (("horizontal", [x, x.flip(3)]), ("none", [x])):
        y = augment.flip(x, rng(), axes)
        assert all(any(torch.equal(way[i], y[i]) for way in ways) for i in range(len(x)))


def test_quarter_turns_are_all_four_and_off_by_default() -> None:
    x = batch()
    y = augment.quarter_turn(x, rng())
    turns = [[k for k in range(4) if torch.equal(y[i], x[i].rot90(k, (1, 2)))] for i in range(len(x))]
    assert {turn for (turn,) in turns} == {0, 1, 2, 3}
    assert not augment.Augmentation().quarter_turns


def test_rotation_and_zoom_about_the_centre() -> None:
    x = batch()
    one, right = torch.ones(64), torch.full((64,), 90.0)
    torch.testing.assert_close(augment.rotate_and_zoom(x, torch.zeros(64), one), x)
    torch.testing.assert_close(augment.rotate_and_zoom(x, right, one), x.rot90(1, (2, 3)), atol=1e-4, rtol=0)
    dot = torch.zeros(1, 1, 33, 33)
    dot[0, 0, 16, 20] = 1  # four to the right of the centre
    for factor, place in ((2.0, (16, 24)), (0.5, (16, 18))):
        y = augment.rotate_and_zoom(dot, torch.zeros(1), torch.tensor([factor]))[0, 0]
        assert divmod(int(y.argmax()), 33) == place
    up = augment.rotate_and_zoom(dot, torch.tensor([90.0]), torch.ones(1))[0, 0]
    assert divmod(int(up.argmax()), 33) == (12, 16)  # counterclockwise


def test_every_option_together_keeps_shape_and_range() -> None:
    disturb = augment.Augmentation(flips="horizontal", quarter_turns=True, rotation=30, zoom=0.4)
    y = disturb(batch(), rng())
    assert y.shape == (64, 1, 24, 24)
    assert y.min() >= 0
    assert y.max() <= 1
    assert torch.equal(y, disturb(batch(), rng()))


# mixing


def test_mixup_is_the_stated_mean_of_two() -> None:
    x = batch()
    y, mixed = mixing.mixup(x, 0.4, rng())
    assert sorted(mixed.partner.tolist()) == list(range(64))
    part = mixed.share[:, None, None, None]
    torch.testing.assert_close(y, part * x + (1 - part) * x[mixed.partner])


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_shares_follow_the_beta_distribution(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4·(2α + 1)), over 20,000 shares."""
    _, mixed = mixing.mixup(torch.zeros(20_000, 1, 1, 1), alpha, rng())
    assert mixed.share.mean().item() == pytest.approx(0.5, abs=0.02)
    assert mixed.share.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_cutmix_puts_a_box_of_the_other_into_each_and_counts_its_pixels() -> None:
    x = torch.arange(64.0)[:, None, None, None].expand(64, 1, 24, 24)
    y, mixed = mixing.cutmix(x, 1.0, rng())
    kinds = 0
    for i in range(64):
        own, other = y[i, 0] == i, y[i, 0] == mixed.partner[i]
        assert (own | other).all()
        if mixed.partner[i] == i:
            continue
        assert own.float().mean().item() == pytest.approx(mixed.share[i].item(), abs=1e-6)
        rows, columns = other.any(1).nonzero().flatten(), other.any(0).nonzero().flatten()
        if len(rows):  # a full rectangle
            kinds += 1
            assert other.sum() == (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
    assert kinds > 32
    assert mixed.share.mean().item() == pytest.approx(0.6, abs=0.15)  # a box is cut at the edges


def test_mixing_is_off_one_or_the_other() -> None:
    x = batch(8)
    same, nothing = mixing.mix(x, 0, 0, rng())
    assert same is x
    assert nothing is None
    generator = rng()
    boxes = 0
    for _ in range(20):
        y, _ = mixing.mix(x, 0.5, 0.5, generator)
        boxes += bool(torch.isin(y, x).all())
    assert 3 < boxes < 17
    one, other = mixing.mix(x, 1, 0, rng())[0], mixing.mix(x, 1, 0, rng())[0]
    assert torch.equal(one, other)
