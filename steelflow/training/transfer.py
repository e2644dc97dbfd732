"""Two-phase fine-tuning of a network with a pretrained backbone: first the head, then also the last layers."""

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
    """Phase one trains the head with a frozen backbone. Phase two also trains the last layers of the backbone.

    The defaults follow the paper that compares MobileNetV2 and ResNet50V2 for transfer. It contradicts itself: it gives
    1e-5 and 1e-4 as the second rate, and 10 and 30 epochs. Its 50 layers are Keras layers, which include activations;
    we count layers with parameters.
    """

    head_epochs: int = 10
    head_rate: float = 1e-3
    tail_epochs: int = 30
    tail_rate: float = 1e-5
    tail_layers: int = 50

    def within(self, epochs: int) -> Phases:
        """The same phases in ``epochs`` epochs, two or more. The head gets a quarter of them, as by default."""
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
    """Call ``fit`` twice. ``phases`` sets epochs and rates; ``recipe`` sets everything else, separately for each phase.

    Frozen layers keep their batch norm statistics; the other layers learn them.

    Returns:
        One history; the epoch numbers of the second phase follow those of the first.

    Raises:
        ModelError: the network has no backbone.
        TrainingError: see ``fit``.
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
            precision=before.precision if number else precision,  # the first phase chooses the precision of both
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
    """Add the epochs and seconds of the previous phase to the progress of this phase."""
    offset, seconds = (before[-1].epoch, before[-1].seconds) if before else (0, 0.0)
    return lambda p: replace(p, epoch=p.epoch + offset, epochs=epochs, seconds=p.seconds + seconds)
