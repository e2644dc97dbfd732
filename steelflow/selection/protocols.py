"""The papers' protocols by name: split, schedule, input size and the figure that each paper reports under it.

All of them are about the six classes of NEU with 300 images each. Over another number of images a class, the counts
are scaled. None of our figures is chosen on test images, whatever the paper did. Our networks take one grey channel
where the papers give the same one three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from steelflow.errors import ConfigError, DataError
from steelflow.training.augment import Augmentation
from steelflow.training.data import Dataset, split
from steelflow.training.recipe import Recipe
from steelflow.training.transfer import Phases

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Images of one class in each part."""

    training: int
    validation: int
    test: int

    def __str__(self) -> str:
        return f"{self.training}/{self.validation}/{self.test}"

    @property
    def total(self) -> int:
        return self.training + self.validation + self.test

    def scaled(self, images: int) -> Counts:
        """The same shares of another number of images, rounded; what rounding leaves goes to training."""
        validation, test = (round(images * part / self.total) for part in (self.validation, self.test))
        return Counts(images - validation - test, validation, test)

    def labelled(self, training: int, images: int) -> Counts:
        """So many for training, as many for validation where there is one, and the others for the test."""
        validation = training if self.validation else 0
        return Counts(training, validation, images - training - validation)


@dataclass(frozen=True, slots=True)
class Parts:
    """Indices into the data, and how many of each class they are."""

    training: Indices
    validation: Indices
    test: Indices
    counts: dict[str, Counts]


@dataclass(frozen=True, slots=True)
class Protocol:
    """``figures`` are the paper's, by architecture of the catalogue, its own model first; ``phases`` are for pretrained
    weights. ``caveats`` say in what our figure is another than the paper's, with any recipe; ``open_points`` what the
    paper leaves open of its own recipe, and what we took."""

    paper: str
    counts: Counts
    input_size: int
    recipe: Recipe
    figures: dict[str, float]
    caveats: tuple[str, ...]
    open_points: tuple[str, ...]
    measure: Literal["accuracy", "macro_f1"] = "accuracy"
    phases: Phases | None = None

    @property
    def arch(self) -> str:
        """The paper's own architecture."""
        return next(iter(self.figures))

    def divide(self, data: Dataset, seed: int, per_class: int | None = None) -> Parts:
        """Training, validation and test, stratified: disjoint, and together the whole.

        Of each class, the images whose SHA-256 over seed and bytes is smallest are the test, those that follow are the
        validation (``training.data.split``): equal images on any machine, whatever the files are called.

        Args:
            per_class: so many training images of each class, instead of the paper's share.

        Raises:
            DataError: a class is too small to have an image in each part.
        """
        training, validation, test = (np.zeros(len(data.labels), dtype=bool) for _ in range(3))
        counts = {}
        for label, name in enumerate(data.classes):
            members = np.flatnonzero(data.labels == label)
            size = len(members)
            count = self.counts.labelled(per_class, size) if per_class else self.counts.scaled(size)
            if min(count.training, count.test) < 1 or (self.counts.validation and count.validation < 1):
                raise DataError(
                    f"class {name}: {size} images do not make a protocol of {self.counts} "
                    f"(training/validation/test) with {count}; add images"
                    f"{' or ask for fewer a class' if per_class else ''}"
                )
            rest, tested = split(data, count.test / size, seed, among=members)
            if count.validation:
                rest, validated = split(data, count.validation / len(rest), seed, among=rest)
                validation[validated] = True
            training[rest] = True
            test[tested] = True
            counts[name] = count
        return Parts(np.flatnonzero(training), np.flatnonzero(validation), np.flatnonzero(test), counts)


_AS_THEY_ARE = Augmentation(shift=0, gain=0, brightness=0, contrast=0, unevenness=0, blur=0, share=0, flips="none")


def _recipe(
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    optimizer: Literal["adam", "sgd"] = "adam",
    schedule: Literal["cosine", "constant", "step"] = "constant",
    weight_decay: float = 0.0,
    augmentation: Augmentation = _AS_THEY_ARE,
    step_epochs: int = 30,
    step_factor: float = 0.1,
    patience: int = 0,
) -> Recipe:
    """What a paper says, and nothing of ours."""
    return Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=0,
        label_smoothing=0,
        averaging=0,
        augmentation=augmentation,
        optimizer=optimizer,
        schedule=schedule,
        step_epochs=step_epochs,
        step_factor=step_factor,
        class_weighting=False,
        patience=patience,
    )


_CASI_RECIPE = _recipe(
    epochs=60, batch_size=16, learning_rate=0.01, optimizer="sgd", schedule="cosine", weight_decay=1e-3
)
_CASI_OPEN = (
    "the paper gives no learning rate, schedule or number of epochs: ours are 0.01, cosine, 60",
    "it names no augmentation: there is none",
)
_LAST_WEIGHTS = "the paper does not say which epoch's weights it reports: ours are the last ones"

PROTOCOLS: dict[str, Protocol] = {
    "ssdc": Protocol(
        paper="SSDC-MiniNet (Pradipta, Richter, Kim)",
        counts=Counts(250, 25, 25),
        input_size=200,
        recipe=_recipe(
            epochs=50,
            batch_size=32,
            learning_rate=1e-3,
            augmentation=Augmentation(
                shift=0.1,
                gain=0,
                brightness=0,
                contrast=0,
                unevenness=0,
                blur=0,
                share=0,
                flips="horizontal",
                rotation=10,
            ),
        ),
        figures={
            "ssdc_mininet": 0.9867,
            "densenet121": 0.9867,
            "resnet50": 0.8333,
            "mobilenet_v1": 0.9867,
            "mobilenet_v1_025": 0.9467,
            "mobilenet_v1_010": 0.96,
        },
        caveats=(
            "the paper reports the epoch that was best on the test images: ours is the last epoch",
            "its validation images are used for nothing, here as there",
        ),
        open_points=(
            "it gives no learning rate: ours is Keras's default for Adam, 0.001",
            "it gives no extent of rotation and shift: ours are 10 degrees and a tenth of the side",
        ),
    ),
    "lee": Protocol(
        paper="Cost-effective steel surface defect detector",
        counts=Counts(240, 0, 60),
        input_size=200,
        recipe=_recipe(epochs=256, batch_size=32, learning_rate=1e-4),
        figures={"cost_effective_cnn": 0.978},
        measure="macro_f1",
        caveats=("the paper reports macro F1, and so do we", _LAST_WEIGHTS),
        open_points=(
            "its first phase of training is not described: ours is the second alone, 256 epochs at 0.0001",
            "it gives neither optimizer nor batch size: ours are Adam and 32",
            "it names no augmentation: there is none",
        ),
    ),
    "casi-70-30": Protocol(
        paper="CASI-Net (Mathematics 10, 2022, 963)",
        counts=Counts(210, 0, 90),
        input_size=300,
        recipe=_CASI_RECIPE,
        figures={
            "casi_net": 0.9583,
            "casi_net_blfe": 0.9479,
            "casi_net_blfe_si": 0.9522,
            "casi_net_blfe_ca": 0.9547,
            "mobilenet_v1": 0.9557,
            "resnet50": 0.9509,
            "effnet": 0.9481,
        },
        caveats=(_LAST_WEIGHTS,),
        open_points=_CASI_OPEN,
    ),
    "casi-80-20": Protocol(
        paper="CASI-Net (Mathematics 10, 2022, 963)",
        counts=Counts(240, 0, 60),
        input_size=300,
        recipe=_CASI_RECIPE,
        figures={"casi_net": 0.9819},
        caveats=(_LAST_WEIGHTS,),
        open_points=_CASI_OPEN,
    ),
    "mobilesteelnet": Protocol(
        paper="MobileSteelNet (Sensors 26, 2026, 1022)",
        counts=Counts(15, 15, 270),
        input_size=224,
        recipe=_recipe(epochs=100, batch_size=16, learning_rate=1e-3, weight_decay=1e-4, schedule="step"),
        figures={"mobilesteelnet": 0.9136, "resnet50": 0.8801},
        caveats=(
            "5 % of 300 are 15 labelled images a class; of 240 they are 12, and the task is harder: "
            "--per-class 15 gives the paper's number",
            "the 5 % for validation are used for nothing",
            "which epoch's weights the paper reports is not known: ours are the last ones",
        ),
        open_points=("whether its script augments is not known: there is no augmentation",),
    ),
    "kamel": Protocol(
        paper="MobileNetV2 and ResNet50V2 (10.19139/soic-2310-5070-3181)",
        counts=Counts(210, 45, 45),
        input_size=224,
        recipe=_recipe(
            epochs=40,
            batch_size=32,
            learning_rate=1e-3,
            weight_decay=1e-4,
            schedule="step",
            step_epochs=1,
            step_factor=0.9,
            patience=5,
            augmentation=Augmentation(
                shift=0.3,
                gain=0.4,
                brightness=0,
                contrast=0,
                unevenness=0,
                blur=0,
                share=0,
                rotation=30,
                zoom=0.4,
            ),
        ),
        phases=Phases(),
        figures={"mobilenet_v2_transfer": 0.95, "resnet50v2_transfer": 0.95},
        caveats=(
            "its split is that of one seed (42) of another library: ours are others",
            "its weights are ImageNet's at first: so are ours with --pretrained; a TFLite file has them in 8 bits",
        ),
        open_points=(
            "it trains in two phases, first the head: so do we with --pretrained; from scratch there is one phase",
            "the paper contradicts itself: 10 or 30 epochs, 0.00001 or 0.0001 in the second phase; ours are "
            "10 epochs for the head, then 30 at 0.00001 for the last 50 layers, each stopped early after 5",
            "what comes into an augmented picture repeats the nearest pixel there and is mirrored here",
        ),
    ),
}


def protocol(name: str) -> Protocol:
    """Raises ``ConfigError`` for a name that is not there."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise ConfigError(f"no protocol {name!r}; there are: {', '.join(PROTOCOLS)}") from None
