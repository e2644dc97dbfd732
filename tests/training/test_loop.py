"""The loop and its parts: optimizers and schedules, the loss, early stop, teachers, two phases, learning curves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import centred, dark_and_bright, transfer
from safetensors.torch import load_file
from torch import Tensor, nn
from toys import PLAIN

from steelflow.errors import ConfigError, ModelError, TrainingError
from steelflow.models import architecture
from steelflow.models.deployable import Deployable
from steelflow.models.shipped import WEIGHTS
from steelflow.models.spec import ModelSpec
from steelflow.training import curves, loop, optimizer
from steelflow.training.augment import Augmentation
from steelflow.training.average import Average
from steelflow.training.distil import Ensemble, TeacherModel, load_teacher, resized
from steelflow.training.loss import Loss, class_weights
from steelflow.training.mixing import Mixed
from steelflow.training.recipe import Recipe
from steelflow.training.state import Progress
from steelflow.training.transfer import Phases, fit_in_phases

UNTOUCHED = Augmentation(shift=0, gain=0, brightness=0, contrast=0, unevenness=0, blur=0, share=0, flips="none")
TEXTBOOK = Recipe(warmup=0, schedule="constant", averaging=0, label_smoothing=0, augmentation=UNTOUCHED)


class Brightness(nn.Module):
    """A linear classifier of the mean pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layer(x.mean((2, 3)))
        return logits


# optimizers and schedules


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_without_our_additions_the_loop_is_the_textbooks(name: str) -> None:
    images, labels = dark_and_bright(24, 24)
    recipe = replace(TEXTBOOK, optimizer=name, epochs=3, batch_size=16, learning_rate=0.05, weight_decay=0.01)
    torch.manual_seed(0)
    ours, theirs = Brightness(), Brightness()
    theirs.load_state_dict(ours.state_dict())
    loop.fit(ours, centred, images, labels, recipe, seed=3)

    options = {"lr": 0.05, "weight_decay": 0.01}
    step = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
    plain = step(theirs.parameters(), **options, **({"momentum": 0.9} if name == "sgd" else {}))
    rng = torch.Generator().manual_seed(3)
    for _ in range(3):
        for chosen in torch.randperm(48, generator=rng).split(16):
            plain.zero_grad()
            F.cross_entropy(theirs(centred(images[chosen])), labels[chosen]).backward()
            plain.step()
            recipe.augmentation(images[chosen].float(), rng)  # draws, and changes nothing
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_only_adamw_spares_biases_and_scales_from_decay() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = optimizer.build_optimizer(network, Recipe(weight_decay=0.3)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.3, 1), (0.0, 3)]
    groups = optimizer.build_optimizer(network, Recipe(optimizer="sgd", weight_decay=0.3)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.3, 4)]
    network[0].requires_grad_(False)
    assert sum(len(g["params"]) for g in optimizer.build_optimizer(network, Recipe()).param_groups) == 2


def test_schedules_by_hand() -> None:
    def rates(recipe: Recipe, batches: int = 10) -> list[float]:
        return [optimizer.learning_rate(recipe, step, batches) for step in range(recipe.epochs * batches)]

    cosine = rates(Recipe(epochs=10, learning_rate=2.0, warmup=0.1))
    assert cosine[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert cosine[10] == pytest.approx(2.0)
    assert cosine[55] == pytest.approx(1.0)
    assert 0 < cosine[-1] < 0.001
    assert set(rates(Recipe(epochs=3, learning_rate=2.0, warmup=0, schedule="constant"))) == {2.0}
    step = rates(Recipe(epochs=7, learning_rate=2.0, warmup=0, schedule="step", step_epochs=3, step_factor=0.1))
    assert step == pytest.approx([2.0] * 30 + [0.2] * 30 + [0.02] * 10)


@pytest.mark.parametrize(
    "wrong", [{"learning_rate": 0}, {"epochs": 0}, {"label_smoothing": 1.5}, {"mixup": float("nan")}, {"patience": -1}]
)
def test_a_recipe_refuses_what_is_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(wrong))} is .*; it must be"):
        Recipe(**wrong)


def test_the_average_is_a_plain_mean_at_first_then_forgets() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Average(network, length=4)
    seen = []
    for value in (1.0, 2.0, 6.0, 7.0, 0.0):
        with torch.no_grad():
            network.weight.fill_(value)
        average.update()
        seen.append(average.mean["weight"].item())
    assert seen == pytest.approx([1, 1.5, 3, 4, 3])  # the last: 4 · 3/4 + 0 · 1/4


def test_dropout_draws_from_the_seed_and_leaves_torchs_generator_alone() -> None:
    images, labels = dark_and_bright(8, 8)
    found = []
    for elsewhere, seed in ((1, 0), (2, 0), (2, 1)):
        network = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(16, 2))
        nn.init.ones_(network[2].weight)
        nn.init.zeros_(network[2].bias)
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        loop.fit(network, centred, images, labels, replace(TEXTBOOK, epochs=1, batch_size=16), seed)
        assert torch.equal(torch.get_rng_state(), before)
        found.append(network[2].weight.clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


# the loss


def test_class_weights_by_hand() -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [2] * 1)
    weights = class_weights(labels)
    assert weights is not None
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3])
    assert weights[labels].mean().item() == pytest.approx(1)
    assert class_weights(torch.tensor([0, 1, 2, 2, 1, 0])) is None


def test_the_weighted_loss_is_the_stated_sum() -> None:
    logits, labels = (
        torch.randn(10, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0] * 6 + [1] * 3 + [2]),
    )
    weights = class_weights(labels)
    assert weights is not None
    epsilon = 0.1
    found = Loss(Recipe(label_smoothing=epsilon), weights)(logits, labels, torch.zeros(0))
    total = 0.0
    for z, y in zip(logits, labels, strict=True):
        target = torch.full((3,), epsilon / 3)
        target[y] += 1 - epsilon
        total += float(weights[y] * -(target * z.log_softmax(0)).sum())
    assert found.item() == pytest.approx(total / 10, rel=1e-5)
    assert found.item() != pytest.approx(F.cross_entropy(logits, labels, label_smoothing=epsilon).item(), rel=0.01)


def test_weighting_finds_more_of_the_rare_class() -> None:
    images, labels = dark_and_bright(400, 20)
    recall = {}
    for weighting in (True, False):
        recipe = replace(TEXTBOOK, epochs=20, learning_rate=0.05, weight_decay=0, class_weighting=weighting)
        torch.manual_seed(0)
        network = Brightness()
        loop.fit(network, centred, images, labels, recipe, 0)
        seen, truth = dark_and_bright(0, 500, seed=1)
        recall[weighting] = (network(centred(seen)).argmax(1) == truth).float().mean().item()
    assert recall[True] > 0.6
    assert recall[False] < 0.3


def test_the_loss_of_mixed_images_is_that_of_mixed_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(8, 3, generator=generator), torch.randint(3, (8,), generator=generator)
    mixed = Mixed(torch.randperm(8, generator=generator), torch.rand(8, generator=generator))
    one = F.one_hot(labels, 3).float()
    targets = mixed.share[:, None] * one + (1 - mixed.share[:, None]) * one[mixed.partner]
    expected = -(targets * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(Loss(Recipe(label_smoothing=0))(logits, labels, torch.zeros(0), mixed), expected)


def test_mixing_reaches_the_network_and_training_still_works() -> None:
    images, labels = dark_and_bright(64, 64, apart=150)
    recipe = replace(TEXTBOOK, epochs=15, learning_rate=0.05, mixup=0.5, cutmix=0.5)
    seen: list[Tensor] = []

    def prepare(pixels: Tensor) -> Tensor:
        seen.append(pixels)
        return centred(pixels)

    network = Brightness()
    loop.fit(network, prepare, images, labels, recipe, 0)
    known = images.unique().float()
    assert any(not torch.isin(pixels.round(decimals=2), known).all() for pixels in seen)  # mixup: values between
    assert any(pixels.std((2, 3)).max() > 10 for pixels in seen)  # cutmix: pictures that are no longer even
    assert (network(centred(images)).argmax(1) == labels).float().mean() > 0.95


# early stop


def test_it_stops_without_progress_and_keeps_the_best_weights() -> None:
    """The labels are noise: what is learnt of them is wrong elsewhere, sooner or later."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (48, 1, 4, 4), generator=rng, dtype=torch.uint8)
    labels = torch.randint(2, (48,), generator=rng)
    validation = images[32:], labels[32:]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    recipe = replace(TEXTBOOK, epochs=60, batch_size=8, averaging=0.03, patience=4, class_weighting=False)
    history = loop.fit(network, centred, images[:32], labels[:32], recipe, 0, validation=validation)
    losses = [p.validation_loss for p in history.curves]
    assert len(losses) < 60
    assert history.kept == int(np.argmin(losses)) + 1
    assert len(losses) == history.kept + 4
    logits = network(centred(validation[0]))
    found = F.cross_entropy(logits, validation[1])
    assert found.item() == pytest.approx(losses[history.kept - 1], rel=1e-4)
    right = (logits.argmax(1) == validation[1]).float().mean().item()
    assert right == pytest.approx(history.curves[history.kept - 1].validation_accuracy)


def test_patience_needs_something_to_judge_by() -> None:
    images, labels = dark_and_bright(4, 4)
    with pytest.raises(ConfigError, match="no validation part"):
        loop.fit(Brightness(), centred, images, labels, Recipe(patience=2), 0)


def test_judging_changes_nothing_of_the_training() -> None:
    images, labels = dark_and_bright(16, 16)
    found = []
    for validation in (None, dark_and_bright(8, 8, seed=1)):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(16, 2))
        loop.fit(network, centred, images, labels, PLAIN, 0, validation=validation)
        found.append(network.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


# a loss that breaks


class LossBreaks(nn.Module):
    """Its output is no longer finite from the fourth batch on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(x.mean((2, 3))) / (0.0 if self.calls > 3 else 1.0)


class GradientBreaks(nn.Module):
    """A finite loss whose gradient is not: the step ruins the weights before any loss shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.edge = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.mean((2, 3))) + 0 * self.edge.sqrt()


@pytest.mark.parametrize(("network", "epoch"), [(LossBreaks, 2), (GradientBreaks, 1)])
def test_a_broken_loss_stops_and_names_weights_that_are_good(
    network: type[nn.Module], epoch: int, tmp_path: Path
) -> None:
    images, labels = dark_and_bright(8, 8)
    rescue = tmp_path / "deep" / "last-good.safetensors"
    with pytest.raises(TrainingError, match=rf"epoch {epoch}: .*last good weights: .*last-good\.safetensors"):
        loop.fit(network(), Tensor.float, images, labels, PLAIN, 0, rescue=rescue)
    assert all(tensor.isfinite().all() for tensor in load_file(rescue).values())


def test_a_last_step_that_ruins_the_weights_is_noticed_where_nothing_averages_them(tmp_path: Path) -> None:
    images, labels = dark_and_bright(8, 8)
    recipe = replace(TEXTBOOK, epochs=1)  # one batch: no loss is computed after the step
    rescue = tmp_path / "last-good.safetensors"
    with pytest.raises(TrainingError, match="last good weights"):
        loop.fit(GradientBreaks(), Tensor.float, images, labels, recipe, 0, rescue=rescue)
    assert all(tensor.isfinite().all() for tensor in load_file(rescue).values())


# teachers


def test_the_loss_with_a_teacher_is_hintons() -> None:
    generator = torch.Generator().manual_seed(0)
    z, t = torch.randn(8, 3, generator=generator), torch.randn(8, 3, generator=generator)
    labels = torch.randint(3, (8,), generator=generator)
    recipe = Recipe(label_smoothing=0, distillation=0.7, distillation_temperature=3)
    found = Loss(recipe, teacher=lambda pixels: t + 0 * pixels.sum())(z, labels, torch.zeros(8, 1, 2, 2))
    p, q = (t / 3).softmax(1), (z / 3).softmax(1)
    divergence = (p * (p.log() - q.log())).sum(1).mean()
    torch.testing.assert_close(found, 0.3 * F.cross_entropy(z, labels) + 0.7 * 9 * divergence)


def test_a_student_believes_its_teacher_more_than_the_labels() -> None:
    images, labels = dark_and_bright(64, 64, apart=100)
    teacher = Brightness()
    with torch.no_grad():
        teacher.layer.weight.copy_(torch.tensor([[-2.0], [2.0]]))
        teacher.layer.bias.zero_()
    for share, expected in ((0.9, 1.0), (0.0, 0.0)):
        student = Brightness()
        recipe = replace(TEXTBOOK, epochs=20, learning_rate=0.05, distillation=share)
        loop.fit(student, centred, images, 1 - labels, recipe, 0, teacher=lambda pixels: teacher(centred(pixels)))
        same = (student(centred(images)).argmax(1) == teacher(centred(images)).argmax(1)).float().mean()
        assert same == pytest.approx(expected, abs=0.1)


def test_several_teachers_are_the_mean_of_their_probabilities_at_their_own_sizes() -> None:
    teachers = []
    for seed, (size, classes) in enumerate([(32, ("a", "b", "c")), (48, ("c", "a", "b"))]):
        torch.manual_seed(seed)
        spec = ModelSpec(name="t", arch="ssdc_mininet", classes=classes, input_size=size, embedding_dims=32)
        teachers.append(TeacherModel(Deployable(architecture("ssdc_mininet").build(3), spec).eval(), spec, ""))
    pixels = 255 * torch.rand(4, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    small = teachers[0].model(resized(pixels, 32))[0].softmax(1)
    large = teachers[1].model(resized(pixels, 48))[0].softmax(1)[:, [1, 2, 0]]
    found = Ensemble(teachers, ("a", "b", "c"))(pixels).softmax(1)
    torch.testing.assert_close(found, (small + large) / 2)
    assert not found.requires_grad
    with pytest.raises(ModelError, match="does not know d, e; it knows a, b, c"):
        Ensemble(teachers, ("a", "d", "e"))


def test_a_teachers_pictures_are_resized_by_area_or_interpolated() -> None:
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(resized(x, 4), F.avg_pool2d(x, 2))
    assert resized(x, 8) is x
    assert resized(x, 12).shape == (2, 1, 12, 12)


def test_the_shipped_model_can_teach_and_others_are_told_what_they_lack(tmp_path: Path) -> None:
    classes = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
    teacher = load_teacher("ssdc_mininet")
    assert Ensemble([teacher], classes)(torch.rand(2, 1, 64, 64)).shape == (2, 6)
    assert len(teacher.digest) == 64
    lonely = tmp_path / "lonely.onnx"
    lonely.write_bytes((WEIGHTS / "ssdc_mininet.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"needs lonely\.safetensors in the same folder"):
        load_teacher(str(lonely))


# two phases


def test_phases_train_the_head_then_the_end_of_the_backbone() -> None:
    images, labels = dark_and_bright(16, 16)
    network = transfer()
    snapshots = [{name: tensor.clone() for name, tensor in network.state_dict().items()}]
    seen: list[Progress] = []

    def remember(progress: Progress) -> None:
        seen.append(progress)
        snapshots.append({name: tensor.clone() for name, tensor in network.state_dict().items()})

    phases = Phases(head_epochs=2, head_rate=0.01, tail_epochs=3, tail_rate=0.001, tail_layers=2)
    recipe = replace(PLAIN, warmup=0, schedule="constant")
    history = fit_in_phases(network, centred, images, labels, recipe, 0, phases, on_epoch=remember)

    def changed(before: int, after: int) -> set[str]:
        pairs = snapshots[before], snapshots[after]
        return {name.rsplit(".", 1)[0] for name in pairs[0] if not torch.equal(pairs[0][name], pairs[1][name])}

    assert changed(0, 2) == {"head"}
    assert changed(3, 5) == {"backbone.3", "backbone.4", "head"}
    assert [(p.epoch, p.epochs, p.learning_rate) for p in history.curves] == [
        (epoch, 5, 0.01 if epoch < 3 else 0.001) for epoch in range(1, 6)
    ]
    assert list(history.curves) == seen
    assert history.kept == 5
    assert all(p.requires_grad for p in network.parameters())
    with pytest.raises(ModelError, match="Brightness has no backbone"):
        fit_in_phases(Brightness(), centred, images, labels, recipe, 0, phases)


def test_epochs_are_divided_among_the_phases() -> None:
    divided = [Phases().within(epochs) for epochs in (2, 3, 40)]
    assert [(p.head_epochs, p.tail_epochs) for p in divided] == [(1, 1), (1, 2), (10, 30)]


# learning curves


def test_the_picture_shows_a_panel_for_each_curve_and_where_it_goes(tmp_path: Path) -> None:
    epochs = [Progress(i, 30, 2 - i / 20, i, 1e-3, 1 - i / 40, i / 30) for i in range(1, 31)]
    for points, panels in (
        (epochs, 3),
        ([replace(p, validation_loss=None, validation_accuracy=None) for p in epochs], 2),
    ):
        curves.draw_curves(points, tmp_path / "curves.png", kept=20)
        picture = cv2.imread(str(tmp_path / "curves.png")).astype(int)
        assert picture.shape == (panels * curves.HEIGHT, curves.WIDTH, 3)
        blue = picture[: curves.HEIGHT, :, 0] - picture[: curves.HEIGHT, :, 2] > 60
        blue[: curves.TOP] = False  # the legend
        columns = np.flatnonzero(blue.any(0))
        heights = [np.flatnonzero(blue[:, column]).mean() for column in (columns[0], columns[-1])]
        assert heights[1] - heights[0] > 80  # a loss that falls
    curves.draw_curves(epochs[:1], tmp_path / "one.png")  # one epoch is a picture, too
    assert cv2.imread(str(tmp_path / "one.png")).shape[0] == 3 * curves.HEIGHT


@pytest.mark.parametrize("high", [0, 1e-7, 0.006, 0.99, 1.0, 1.01, 7.3, 160, 1e6])
def test_ticks_are_few_even_and_reach_the_top(high: float) -> None:
    ticks = curves.ticks(high)
    assert ticks[0] == 0
    assert ticks[-1] >= high * (1 - 1e-6)
    assert 3 <= len(ticks) <= 7
    assert np.allclose(np.diff(ticks), ticks[1])
