"""Training: data at its edges, disturbances as defined, figures against hand-worked values, and a loop that learns."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from steelflow.errors import ConfigError, DataError, ModelError, TrainingError
from steelflow.models.deployable import load_torch
from steelflow.training import augment, loop, metrics, robustness, sweep
from steelflow.training.data import load_folder, split
from steelflow.training.train import train

PLAIN = loop.Recipe(epochs=6, batch_size=8, augmentation=augment.Augmentation(shift=0, blur=0, share=0))


def stripes(vertical: bool, rng: np.random.Generator, height: int = 40, width: int = 40) -> np.ndarray:
    """A picture a child could sort: stripes one way or the other, with a phase, a period and noise of their own."""
    along = np.arange(width)[None, :] if vertical else np.arange(height)[:, None]
    wave = 128 + 60 * np.sin(along / rng.uniform(1.0, 1.6) + rng.uniform(0, 6)) + rng.normal(0, 10, (height, width))
    return wave.clip(0, 255).astype(np.uint8)


def write(root: Path, per_class: int = 16, sizes: tuple[int, ...] = (40,)) -> Path:
    rng = np.random.default_rng(0)
    for name in ("across", "along"):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            side = sizes[i % len(sizes)]
            cv2.imwrite(str(root / name / f"{i:03}.png"), stripes(name == "along", rng, side, side + 3 * (i % 2)))
    return root


# data


def test_folder_is_read_resized_and_its_oddities_are_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "data", 4, sizes=(40, 90, 17))
    (root / "along" / "broken.png").write_bytes(b"no picture")
    (root / "along" / "empty.jpg").write_bytes(b"")
    (root / "along" / ".hidden.png").write_bytes(b"x")
    (root / "along" / "folder").mkdir()
    (root / ".cache").mkdir()
    (root / "notes.txt").write_text("not a class")
    data = load_folder(root, 32)
    assert data.classes == ("across", "along")
    assert data.images.shape == (8, 32, 32)
    assert data.labels.tolist() == [0] * 4 + [1] * 4
    assert [(item.path, item.failure.code) for item in data.skipped] == [
        ("along/broken.png", "not_an_image"),
        ("along/empty.jpg", "empty"),
    ]
    assert data.hash == load_folder(root, 48).hash
    (root / "across" / "000.png").rename(root / "along" / "moved.png")
    assert data.hash != load_folder(root, 32).hash


def test_unusable_folders_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        load_folder(tmp_path / "absent", 32)
    with pytest.raises(DataError, match="0 class folders; at least 2 needed"):
        load_folder(tmp_path, 32)
    root = write(tmp_path / "data", 2)
    (root / "along" / "000.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"along: 1 readable images \(1 unreadable\)"):
        load_folder(root, 32)


def test_split_is_stratified_seeded_and_stable_under_growth(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 20), 16)
    training, held_out = split(data, 0.2, seed=0)
    assert sorted([*training, *held_out]) == list(range(40))
    assert np.bincount(data.labels[held_out]).tolist() == [4, 4]
    assert np.array_equal(held_out, split(data, 0.2, seed=0)[1])
    assert not np.array_equal(held_out, split(data, 0.2, seed=1)[1])
    held_names = {data.paths[i] for i in held_out}
    (tmp_path / "data" / "along" / "010.png").unlink()
    smaller = load_folder(tmp_path / "data", 16)
    assert len(held_names - {smaller.paths[i] for i in split(smaller, 0.2, seed=0)[1]}) <= 1


def test_split_leaves_both_sides_something_of_every_class(tmp_path: Path) -> None:
    data = load_folder(write(tmp_path / "data", 2), 16)
    for part in split(data, 0.2, seed=3):
        assert data.labels[part].tolist() == [0, 1]


# augmentation


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


# robustness and the choice of the input size


def test_conditions_do_what_they_are_called() -> None:
    pictures = np.stack([stripes(i % 2 == 1, np.random.default_rng(i), 60, 60) for i in range(4)])
    x = pictures.astype(float)
    seen = {name: c(pictures, np.random.default_rng(0)) for name, c in robustness.CONDITIONS.items()}
    assert all(y.shape == pictures.shape and y.dtype == np.uint8 for y in seen.values())
    np.testing.assert_allclose(seen["luminance -40 %"], 0.6 * x, atol=0.51)
    np.testing.assert_allclose(seen["luminance +40 %"], (1.4 * x).clip(0, 255), atol=0.51)
    snr = 10 * np.log10((x**2).mean() / ((seen["noise 35 dB"] - x) ** 2).mean())
    assert abs(snr - 35) < 1
    # A blur along the rows leaves stripes alone that run along the rows, and wipes out those across them.
    spread = seen["motion blur 5"].std((1, 2)) / pictures.std((1, 2))
    assert spread[0] > 0.9
    assert spread[1] < 0.8


def test_a_sweep_records_every_run_and_continues_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "images_per_second", lambda *_: 1)
    data, out = write(tmp_path / "data", 4), tmp_path / "results" / "sweep.json"
    for seeds in ("0", "0,1"):
        sweep.main(data, out, sizes="32", seeds=seeds, epochs=1, native=40)
    runs = json.loads(out.read_text())["runs"]
    assert [(r["size"], r["seed"]) for r in runs] == [(32, 0), (32, 1)]
    assert runs[0]["under_disturbance"].keys() == robustness.CONDITIONS.keys()


# metrics


def test_figures_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    decided = np.array([0, 0, 1, 1, 1, 0])
    p = np.full((6, 3), 0.1)
    p[np.arange(6), decided] = 0.8
    found = metrics.evaluate(truth, p, ["x", "y", "z"])
    assert found.confusion == ((2, 1, 0), (0, 2, 0), (1, 0, 0))
    assert found.accuracy == pytest.approx(4 / 6)
    x, y, z = found.classes
    assert (x.precision, x.recall, x.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (y.precision, y.recall, y.f1) == pytest.approx((2 / 3, 1, 0.8))
    assert (z.precision, z.recall, z.f1) == (None, 0, 0)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0.8) / 3)
    assert found.ece == pytest.approx(abs(4 / 6 - 0.8))
    assert json.loads(json.dumps(found.to_dict()))["per_class"][found.classes[2].name]["support"] == 1


def test_a_class_without_images_has_no_figures_and_does_not_count() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]])
    found = metrics.evaluate(np.array([0, 1]), p, ["x", "y", "absent"])
    absent = found.classes[2]
    assert (absent.support, absent.recall, absent.f1, absent.auc) == (0, None, None, None)
    assert (found.accuracy, found.macro_f1) == (1, 1)


def test_auc_is_the_share_of_ordered_pairs() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        positive = generator.random(30) < 0.4
        score = generator.integers(0, 8, 30) / 8
        pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
        assert metrics.auc(positive, score) == pytest.approx(np.mean(pairs))
    assert metrics.auc(np.zeros(3, dtype=bool), np.arange(3.0)) is None


def test_ece_against_brute_force() -> None:
    generator = np.random.default_rng(0)
    p = metrics.softmax(generator.normal(0, 2, (500, 4)))
    truth = generator.integers(0, 4, 500)
    confidence, right = p.max(1), p.argmax(1) == truth
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            total += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert metrics.ece(truth, p) == pytest.approx(total)


def test_temperature_undoes_a_scale() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 3))
    truth = np.array([generator.choice(3, p=row) for row in metrics.softmax(logits)])
    assert metrics.fit_temperature(logits * 2.5, truth) == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize(
    ("truth", "p", "says"),
    [
        ([], np.zeros((0, 2)), "no images"),
        ([0], np.zeros((1, 3)), "shape"),
        ([2], np.ones((1, 2)), "labels go from 2 to 2"),
        ([0], np.full((1, 2), np.nan), "not finite"),
    ],
)
def test_unfit_arrays_are_data_errors(truth: list[int], p: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        metrics.evaluate(np.array(truth, dtype=np.int64), p, ["x", "y"])


# the loop and the whole


def test_training_on_toys_learns_and_writes_everything(tmp_path: Path) -> None:
    epochs: list[loop.Progress] = []
    data, out = write(tmp_path / "data", 40), tmp_path / "out"
    result = train(
        data, "ssdc_mininet", out, epochs=12, input_size=32, name="toy", recipe=PLAIN, on_epoch=epochs.append
    )
    assert result.evaluation.accuracy >= 0.9
    assert [p.epoch for p in epochs] == list(range(1, 13))
    assert epochs[-1].loss < epochs[0].loss
    assert sorted(f.name for f in out.iterdir()) == ["metrics.json", "toy.md", "toy.onnx", "toy.safetensors"]
    record = json.loads(result.metrics.read_text())
    assert record["held_out"]["images"] == 16
    assert record["images"] == {"training": 64, "held_out": 16}
    assert record["parity"] <= 1e-4
    model, spec = load_torch(result.weights)
    assert spec == result.spec
    assert "toy" in result.card.read_text()
    whole = load_folder(data, 32)
    _, held_out = split(whole, 0.2, seed=0)
    with torch.no_grad():
        decided = model(torch.from_numpy(whole.images[held_out])[:, None])[0].argmax(1).numpy()
    assert (decided == whole.labels[held_out]).mean() == result.evaluation.accuracy


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_generator_alone(tmp_path: Path) -> None:
    data = write(tmp_path / "data", 6)
    state = torch.get_rng_state()
    files = [
        train(data, "ssdc_mininet", tmp_path / f"{i}", epochs=2, seed=seed, input_size=32, recipe=PLAIN).weights
        for i, seed in enumerate((0, 0, 1))
    ]
    assert torch.equal(state, torch.get_rng_state())
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other


def test_two_images_a_class_are_enough_to_run(tmp_path: Path) -> None:
    result = train(write(tmp_path / "data", 2), "ssdc_mininet", tmp_path / "out", epochs=1, input_size=32, recipe=PLAIN)
    assert result.trained_on == 2


class LossBreaks(nn.Module):
    """Its output is no longer finite from the fourth batch on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.layer(x.mean((2, 3))) / (0.0 if self.calls > 3 else 1.0)


class GradientBreaks(nn.Module):
    """A finite loss whose gradient is not: the step ruins the weights before any loss shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.edge = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.mean((2, 3))) + 0 * self.edge.sqrt()


@pytest.mark.parametrize(("network", "epoch"), [(LossBreaks, 2), (GradientBreaks, 1)])
def test_a_broken_loss_stops_and_names_weights_that_are_good(
    network: type[nn.Module], epoch: int, tmp_path: Path
) -> None:
    images = torch.zeros(16, 1, 8, 8, dtype=torch.uint8)
    images[8:] = 200
    labels = torch.tensor([0] * 8 + [1] * 8)
    rescue = tmp_path / "deep" / "last-good.safetensors"
    with pytest.raises(TrainingError, match=rf"epoch {epoch}: .*last good weights: .*last-good\.safetensors"):
        loop.fit(network(), torch.Tensor.float, images, labels, PLAIN, 0, rescue=rescue)
    assert all(tensor.isfinite().all() for tensor in load_file(rescue).values())


def test_bad_arguments_are_refused_before_work_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epochs is 0"):
        train(tmp_path, "ssdc_mininet", tmp_path / "out", epochs=0)
    with pytest.raises(ConfigError, match="input size is 8"):
        train(tmp_path, "ssdc_mininet", tmp_path / "out", input_size=8)
    data = write(tmp_path / "data", 2)
    with pytest.raises(ModelError, match="no architecture 'nope'"):
        train(data, "nope", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steelflow.training.export.parity", lambda *_: 1.0)
    out = tmp_path / "out"
    with pytest.raises(ModelError, match="differ by"):
        train(write(tmp_path / "data", 2), "ssdc_mininet", out, epochs=1, input_size=32, recipe=PLAIN)
    assert not list(out.iterdir())
