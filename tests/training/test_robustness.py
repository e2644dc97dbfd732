"""Disturbances by their formulas, and what is left of a model under them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from plants import copied, local_settings
from typer.testing import CliRunner

from steelflow.cli.main import app
from steelflow.config import Settings
from steelflow.errors import DataError
from steelflow.synth import CLASSES, surface
from steelflow.synth.files import jpeg as encoded
from steelflow.training import robustness
from steelflow.training.data import load_folder, split
from steelflow.training.evaluate import Disturbed, evaluate_folder

GREY = np.full((1, 200, 200), 128, np.uint8)


def disturbed(condition: robustness.Condition, pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    return condition(pictures, np.random.default_rng(seed))


# the formulas


def test_uneven_light_is_a_ramp_from_one_of_the_four_sides() -> None:
    picture = np.full((1, 3, 5), 100, np.uint8)
    across = np.array([0, 50, 100, 150, 200])  # 100 · (1 + t), t = -1, -½, 0, ½, 1
    down = np.array([0, 100, 200])[:, None]
    expected = [np.broadcast_to(ramp, (3, 5)) for ramp in (across, across[::-1], down, down[::-1])]
    seen = [disturbed(robustness.uneven_light(1), picture, seed)[0] for seed in range(40)]
    which = {next(i for i, ramp in enumerate(expected) if np.array_equal(ramp, picture)) for picture in seen}
    assert which == {0, 1, 2, 3}
    weak = disturbed(robustness.uneven_light(0.4), picture)[0]
    assert (weak.min(), weak.max(), weak[1, 2]) == (60, 140, 100)


def test_each_picture_draws_its_own_side() -> None:
    many = disturbed(robustness.uneven_light(0.4), np.repeat(GREY, 30, axis=0))
    assert len({picture.tobytes() for picture in many}) == 4


@pytest.mark.parametrize("snr", [20, 35])
def test_noise_has_the_ratio_that_it_is_called_by(snr: float) -> None:
    x = GREY.astype(float)
    n = disturbed(robustness.gaussian_noise(snr), GREY) - x
    assert abs(10 * np.log10((x**2).mean() / (n**2).mean()) - snr) < 0.2
    assert abs(n.mean()) < 0.3


def test_motion_blur_is_a_mean_along_the_row() -> None:
    point = np.zeros((1, 5, 11), np.uint8)
    point[0, 2, 5] = 200
    two, five = (disturbed(robustness.motion_blur(length), point)[0] for length in (2, 5))
    assert sorted(two[2].tolist())[-3:] == [0, 100, 100]
    assert five[2].tolist() == [0, 0, 0, 40, 40, 40, 40, 40, 0, 0, 0]
    assert two[[0, 1, 3, 4]].max() == five[[0, 1, 3, 4]].max() == 0


def test_luminance_is_a_factor_and_clips() -> None:
    picture = np.array([[[0, 10, 200]]], np.uint8)
    assert disturbed(robustness.luminance(0.6), picture).tolist() == [[[0, 6, 120]]]
    assert disturbed(robustness.luminance(1.4), picture).tolist() == [[[0, 14, 255]]]


def test_defocus_is_a_gaussian() -> None:
    point = np.zeros((1, 21, 21), np.uint8)
    point[0, 10, 10] = 255
    blurred = disturbed(robustness.defocus(1.5), point)[0].astype(float)
    assert abs(blurred[10, 10] - 255 / (2 * np.pi * 1.5**2)) < 1
    assert abs(blurred[10, 13] / blurred[10, 10] - np.exp(-(3**2) / (2 * 1.5**2))) < 0.05


def test_jpeg_loses_more_at_lower_quality() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 40, 48), dtype=np.uint8)
    lost = [np.abs(disturbed(robustness.jpeg(q), picture) - picture.astype(float)).mean() for q in (90, 30, 10)]
    assert lost == sorted(lost)
    assert lost[0] > 0
    assert np.array_equal(disturbed(robustness.jpeg(10), GREY), GREY)


def test_scale_enlarges_what_is_in_the_middle() -> None:
    square = np.zeros((1, 201, 201), np.uint8)
    square[0, 80:121, 60:141] = 255  # 41 high, 81 wide
    for factor in (0.8, 1.25):
        seen = disturbed(robustness.scale(factor), square)[0] > 127
        assert abs(seen[100].sum() - 81 * factor) <= 1
        assert abs(seen[:, 100].sum() - 41 * factor) <= 1


def test_rotation_turns_either_way() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 9, 9), dtype=np.uint8)
    seen = {disturbed(robustness.rotation(90), picture, seed).tobytes() for seed in range(20)}
    assert seen == {np.rot90(picture[0], turns).tobytes() for turns in (1, 3)}


def test_every_condition_keeps_the_shape_and_is_reproducible() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (3, 33, 47), dtype=np.uint8)
    for name, condition in robustness.CONDITIONS.items():
        once, again = disturbed(condition, pictures), disturbed(condition, pictures)
        assert once.shape == pictures.shape, name
        assert once.dtype == np.uint8, name
        assert np.array_equal(once, again), name
        assert not np.array_equal(once, pictures), name
    assert robustness.CASI_NET.keys() <= robustness.CONDITIONS.keys()


# the evaluation


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six synthetic surfaces of each class, and a file that is none."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir()
        for i in range(6):
            (root / name / f"{i}.jpg").write_bytes(encoded(surface(name, rng), 90))
    (root / CLASSES[0] / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    return root


def settings(folder: Path, **model: object) -> Settings:
    return local_settings(folder, folder, **model)


def test_the_result_depends_neither_on_batches_nor_on_threads(images: Path) -> None:
    found = [
        evaluate_folder(images, settings(images, batch_size=size, workers=workers), conditions=robustness.CONDITIONS)
        for size, workers in ((5, 1), (64, 3))
    ]
    assert found[0].disturbed == found[1].disturbed
    assert found[0].figures.confusion == found[1].figures.confusion
    assert found[0].figures.images == 6 * len(CLASSES)
    assert [item.path for item in found[0].skipped] == [f"{CLASSES[0]}/broken.jpg"]


def test_the_held_out_fifth_is_that_of_training(images: Path) -> None:
    counted: list[int] = []
    found = evaluate_folder(images, settings(images), held_out=3, progress=counted.append)
    whole = load_folder(images, 100)
    _, held_out = split(whole, 0.2, seed=3)
    assert found.figures.images == sum(counted) == len(held_out) == len(CLASSES)
    assert found.data_hash == whole.hash
    assert found.to_dict()["held_out"] == 3
    assert "robustness" not in found.to_dict()


def test_a_manifest_gives_the_same_figures_as_its_folder(images: Path) -> None:
    rows = [f"{path.relative_to(images)},{path.parent.name}" for path in sorted(images.glob("*/*.jpg"))]
    manifest = images / "labels.csv"
    manifest.write_text("\n".join(["path,label", *rows]))
    try:
        by_file = evaluate_folder(manifest, settings(images))
    finally:
        manifest.unlink()
    assert by_file.figures == evaluate_folder(images, settings(images)).figures


def test_figures_under_a_condition_by_hand() -> None:
    matrix = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])  # the third class has no images
    found = Disturbed.of(matrix)
    assert found.accuracy == pytest.approx(5 / 6)
    assert found.macro_f1 == pytest.approx((6 / 7 + 4 / 5) / 2)


def test_black_pictures_are_all_one_class(images: Path) -> None:
    found = evaluate_folder(images, settings(images), conditions={"dark": robustness.luminance(0.0)})
    assert found.disturbed["dark"].accuracy == pytest.approx(1 / len(CLASSES))
    assert found.worst == ("dark", found.mean)


@pytest.mark.parametrize("becomes", [None, b"nothing"])
def test_a_picture_that_changes_meanwhile_is_an_error(images: Path, tmp_path: Path, becomes: bytes | None) -> None:
    copy = copied(images, tmp_path / "copy")
    last = copy / CLASSES[-1] / "5.jpg"

    def change(pictures: np.ndarray, _: np.random.Generator) -> np.ndarray:
        last.unlink(missing_ok=True)
        if becomes is not None:
            last.write_bytes(becomes)
        return pictures

    with pytest.raises(DataError, match=r"5\.jpg.*run the command again"):
        evaluate_folder(copy, settings(images, batch_size=4, workers=1), conditions={"gone": change})


def test_the_command(images: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "--model", "ssdc_mininet", "--data", str(images), "--held-out", "0", "--robustness"]
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    conditions = found["robustness"]["conditions"]
    assert conditions.keys() == robustness.CONDITIONS.keys()
    assert conditions["motion blur 5"]["casi_net"] == 0.9162
    assert conditions["defocus 1.5"]["casi_net"] is None
    accuracies = [condition["accuracy"] for condition in conditions.values()]
    assert found["robustness"]["mean_accuracy"] == pytest.approx(np.mean(accuracies))
    assert found["robustness"]["worst"]["accuracy"] == min(accuracies)
    text = CliRunner().invoke(app, arguments).stdout
    assert "6 images held out by seed 0" in text
    assert "91.62%" in text
