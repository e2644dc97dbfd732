"""Two-phase fine-tuning of a network with a pretrained backbone: first what is new, then the end of what was there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from steelflow.errors import ModelError
from steelflow.models.backbone import BackboneNetwork
from steelflow.training.checkpoint import Checkpoint
from steelflow.training.loop import History, Prepare, fit
from steelflow.training.loss import Teacher
from steelflow.training.precision import Wanted
from steelflow.training.recipe import Recipe
from steelflow.training.state import Progress


@dataclass(frozen=True, slots=True)
class Phases:
    """The head with the backbone frozen, then both with its last layers thawed.

    The defaults are those of the comparison of MobileNetV2 and ResNet50V2 for transfer, which contradicts itself: it
    gives 1e-5 and 1e-4 as the second rate, and 10 and 30 epochs. Its count of 50 layers is Keras's, which counts
    activations too; ours counts layers that have parameters.
    """

    head_epochs: int = 10
    head_rate: float = 1e-3
    tail_epochs: int = 30
    tail_rate: float = 1e-5
    tail_layers: int = 50

    def within(self, epochs: int) -> Phases:
        """The same in so many epochs, two or more: a quarter of them for the head, as by default."""
        head = max(1, epochs // 4)
        return replace(self, head_epochs=head, tail_epochs=max(1, epochs - head))


def fit_in_phases(
    network: nn.Module,
    prepare: Prepare,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    seed: int,
    phases: Phases,
    *,
    validation: tuple[Tensor, Tensor] | None = None,
    teacher: Teacher | None = None,
    precision: Wanted = "fp32",
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
    rescue: Path | None = None,
) -> History:
    """``fit`` twice; epochs and rates are those of ``phases``, all else is ``recipe``'s, for each phase anew.

    What is frozen keeps the statistics of its batch norms; what is thawed learns them.

    Returns:
        One history, with the epochs of the second phase counted on from those of the first.

    Raises:
        ModelError: the network has no backbone.
        TrainingError: as ``fit``.
    """
    if not isinstance(network, BackboneNetwork):
        raise ModelError(f"{type(network).__name__} has no backbone to freeze; train it in one phase")
    layers = network.backbone_layers()
    plan = (
        (phases.head_epochs, phases.head_rate, layers),
        (phases.tail_epochs, phases.tail_rate, layers[: max(0, len(layers) - phases.tail_layers)]),
    )
    before = History((), 0)
    for number, (epochs, rate, frozen) in enumerate(plan):
        continued = _continuing(before.curves, phases.head_epochs + phases.tail_epochs)
        history = fit(
            network,
            prepare,
            images,
            labels,
            replace(recipe, epochs=epochs, learning_rate=rate),
            seed + number,
            validation=validation,
            teacher=teacher,
            frozen=frozen,
            precision=before.precision if number else precision,  # the first phase chooses for both
            checkpoint=checkpoint.part(number) if checkpoint is not None else None,
            on_epoch=_after(continued, on_epoch) if on_epoch is not None else None,
            rescue=rescue,
        )
        before = History(
            (*before.curves, *map(continued, history.curves)),
            len(before.curves) + history.kept,
            before.resumed_after + history.resumed_after,
            history.precision,
        )
    return before


def _after(continued: Callable[[Progress], Progress], tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    return lambda p: tell(continued(p))


def _continuing(before: Sequence[Progress], epochs: int) -> Callable[[Progress], Progress]:
    """Counts a phase's epochs and seconds on from those of the phase before it."""
    offset, seconds = (before[-1].epoch, before[-1].seconds) if before else (0, 0.0)
    return lambda p: replace(p, epoch=p.epoch + offset, epochs=epochs, seconds=p.seconds + seconds)
