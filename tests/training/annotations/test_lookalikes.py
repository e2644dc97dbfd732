"""Pictures of the same piece of steel share a group."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from steelflow.training.annotations import load_annotations
from steelflow.training.annotations.lookalikes import lookalikes, thumbnail

Picture = npt.NDArray[np.uint8]


def tile(seed: int, height: int = 300, width: int = 200) -> Picture:
    """A surface with its own structure: spots and rolling lines."""
    rng = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), 3)
    lines = cv2.GaussianBlur(rng.normal(size=(1, width)), (0, 0), 2)
    mixed = coarse / coarse.std() + 0.5 * lines / lines.std()
    return np.asarray((128 + 25 * mixed).clip(0, 255), np.uint8)


def other_light(picture: Picture) -> Picture:
    shade = np.linspace(0.5, 1.0, picture.shape[1])
    return np.asarray((picture * shade * 0.8 + 10).clip(0, 255), np.uint8)


@pytest.mark.parametrize(
    "changed",
    [
        lambda p: other_light(p),
        lambda p: p[::-1],
        lambda p: np.rot90(p, 2),
        lambda p: np.rot90(p),
        lambda p: cv2.resize(p, (160, 240), interpolation=cv2.INTER_AREA),
        lambda p: other_light(p)[4:, 3:],
    ],
)
def test_the_same_tile_is_found(changed: object) -> None:
    assert callable(changed)
    pictures = [tile(0), tile(1), np.ascontiguousarray(changed(tile(0)))]
    assert lookalikes(map(thumbnail, pictures)) == [(0, 2)]


def test_other_tiles_and_plain_pictures_are_not_alike() -> None:
    plain = np.full((50, 50), 128, np.uint8)
    assert lookalikes(map(thumbnail, [*(tile(seed) for seed in range(30)), plain, plain, plain[:1, :1]])) == []


def test_lookalikes_are_never_split(tmp_path: Path) -> None:
    for label, seeds in (("good", range(12)), ("crack", range(12, 20))):
        (tmp_path / label).mkdir()
        for seed in seeds:
            cv2.imwrite(str(tmp_path / label / f"exp1_num_{100 + seed}.png"), tile(seed))
            cv2.imwrite(str(tmp_path / label / f"exp4_num_{900 + seed}.png"), other_light(tile(seed)))
    annotations = load_annotations(tmp_path)
    assert len({item.group for item in annotations.items}) == 20
    training, held_out = annotations.split(0)
    assert held_out
    assert not {annotations.items[i].group for i in training} & {annotations.items[i].group for i in held_out}
    given = load_annotations(tmp_path, group_by=r"num_\d+")  # somebody said what the groups are
    assert len({item.group for item in given.items}) == 40
