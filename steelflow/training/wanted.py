"""What somebody asks of a training, and which training that is for the data: of whole pictures, or of views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelflow.config import LimitSettings
from steelflow.errors import ConfigError
from steelflow.models import architecture
from steelflow.models.dense import DenseNetwork
from steelflow.training.annotated import AnnotatedResult, held_out_by_group, train_annotated
from steelflow.training.annotations import Listing, list_annotations
from steelflow.training.annotations.load import WITHOUT_PLACES
from steelflow.training.augment import Augmentation
from steelflow.training.precision import Wanted as WantedPrecision
from steelflow.training.settable import with_values
from steelflow.training.strip.draw import StripAugmentation
from steelflow.training.strip.plan import ARCH, FALSE_ALARMS, StripPlan
from steelflow.training.train import TrainingPlan, TrainingResult, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The arguments of ``steelflow.train``, where they are described. None means that nothing was said."""

    arch: str | None = None
    default_arch: str
    epochs: int | None = None
    seed: int = 0
    input_size: int | None = None
    pretrained: bool | Path = False
    start: str | None = None
    teachers: tuple[str, ...] = ()
    unlabelled: Path | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    mixup: float | None = None
    patience: int | None = None
    on_all: bool = False
    device: str | None = None
    precision: WantedPrecision = "fp32"
    form: str | None = None
    pictures: Path | None = None
    good: tuple[str, ...] = ()
    group_by: str | None = None
    false_alarms: float | str | None = None
    mm_per_pixel: float | None = None
    augment: Mapping[str, object] = field(default_factory=dict)
    limits: LimitSettings | None = None

    def train(self, data: Path, out: Path, progress: Callable[[Any], None]) -> TrainingResult | AnnotatedResult:
        """Train on ``data``, and write the model to ``out``.

        Raises:
            ConfigError, DataError, ModelError, TrainingError: see ``steelflow.train``.
        """
        if self.arch is not None:
            architecture(self.arch)  # an unknown name is an error before the data is read
        listing = list_annotations(data, form=self.form, good=self.good, group_by=self.group_by, pictures=self.pictures)
        if self.of_whole_pictures(listing):
            return train(data, self._plan(listing), out, progress)
        return train_annotated(
            listing.annotations(self.limits),
            out,
            self._strip_plan(),
            false_alarms=FALSE_ALARMS if self.false_alarms is None else self.false_alarms,
            mm_per_pixel=self.mm_per_pixel,
            on_step=progress,
        )

    def of_whole_pictures(self, listing: Listing) -> bool:
        """Cut-out defects; or good pictures without places, if an architecture of whole pictures was named."""
        if listing.form not in WITHOUT_PLACES or listing.placed:
            return False
        if listing.plain:
            return self.arch is None or not _is_dense(self.arch)
        said = self.good or self.false_alarms is not None
        return not said and self.arch is not None and not _is_dense(self.arch)

    def _plan(self, listing: Listing) -> TrainingPlan:
        for name in ("false_alarms", "mm_per_pixel"):
            if getattr(self, name) is not None:
                raise ConfigError(
                    f"{name.replace('_', ' ')} have no effect: {listing.source.given} has no good pictures, boxes or "
                    "masks; add good pictures, or name the good classes with --good"
                )
        given = {name: getattr(self, name) for name in ("learning_rate", "batch_size", "mixup", "patience")}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.augment:
            changes["augmentation"] = with_values(Augmentation(), self.augment)
        return TrainingPlan(
            self.arch or self.default_arch,
            epochs=self.epochs,
            seed=self.seed,
            input_size=self.input_size,
            changes=changes,
            pretrained=self.pretrained,
            start=self.start,
            teachers=self.teachers,
            unlabelled=self.unlabelled,
            hold_out=held_out_by_group(listing, self.seed, self.limits) if listing.grouped else None,
            on_all=self.on_all,
            device=self.device,
            precision=self.precision,
            limits=self.limits,
        )

    def _strip_plan(self) -> StripPlan:
        given = {
            "start": self.start,
            "mixup": self.mixup,
            "patience": self.patience,
            "on_all": self.on_all,
            "a second teacher": self.teachers[1:],
            "unlabelled": self.unlabelled,
            "pretrained without a file": self.pretrained is True,
        }
        if wrong := [name for name, value in given.items() if value]:
            raise ConfigError(
                f"{wrong[0]}: has no effect on a model of views, which this data makes; omit it, or name an "
                "architecture of whole pictures with --arch"
            )
        usual = StripPlan()
        return StripPlan(
            arch=self.arch or ARCH,
            seed=self.seed,
            epochs=self.epochs,
            rate=usual.rate if self.learning_rate is None else self.learning_rate,
            batch=usual.batch if self.batch_size is None else self.batch_size,
            precision=self.precision,
            view=self.input_size or usual.view,
            augmentation=with_values(StripAugmentation(), self.augment),
            pretrained=self.pretrained if isinstance(self.pretrained, Path) else None,
            teacher=self.teachers[0] if self.teachers else None,
            device=self.device,
        )


def _is_dense(arch: str) -> bool:
    return issubclass(architecture(arch).network_class(), DenseNetwork)
