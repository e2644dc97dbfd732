"""Values of an augmentation, changed by name."""

from __future__ import annotations

import pytest

from steelflow.errors import ConfigError
from steelflow.training.augment import Augmentation
from steelflow.training.settable import with_values
from steelflow.training.strip.draw import StripAugmentation


def test_values_are_found_at_any_depth_and_the_others_stay() -> None:
    usual = StripAugmentation()
    found = with_values(usual, {"blur": "0.25", "quarter_turns": "on", "pasted": 0})
    assert (found.light.blur, found.geometry.quarter_turns, found.pasted) == (0.25, True, 0.0)
    assert (found.light.gain, found.geometry.scale, found.defects) == (
        usual.light.gain,
        usual.geometry.scale,
        usual.defects,
    )
    assert usual == StripAugmentation()
    assert with_values(usual, {}) == usual


def test_a_choice_is_one_of_its_words() -> None:
    assert with_values(Augmentation(), {"flips": "Horizontal"}).flips == "horizontal"
    with pytest.raises(ConfigError, match="flips=up: give one of both, horizontal, none"):
        with_values(Augmentation(), {"flips": "up"})


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much", "", "1e9"])
def test_a_number_out_of_range_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"augmentation gain=.*: give a number from 0, as the present value is 0\.4"):
        with_values(Augmentation(), {"gain": value})


def test_a_switch_is_on_or_off() -> None:
    assert with_values(Augmentation(), {"quarter_turns": True}).quarter_turns
    assert not with_values(Augmentation(quarter_turns=True), {"quarter_turns": "off"}).quarter_turns
    with pytest.raises(ConfigError, match=r"quarter_turns=0\.5: give on or off"):
        with_values(Augmentation(), {"quarter_turns": "0.5"})


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"no augmentation 'colour'; there are, .* gain=0\.4, .* quarter_turns=off"):
        with_values(Augmentation(), {"colour": 1})
