"""The loss of a dense model: of cells, of the pooled view, and of the distance to a teacher's cells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from steelflow.models.dense import pooled_cells
from steelflow.training.strip.crops import UNKNOWN

_HARDEST = 0.02  # share of the good cells of a batch that count twice: the false alarms of tomorrow


@dataclass(frozen=True, slots=True)
class DenseLoss:
    """Cross-entropy of cells, in which good and defect cells weigh the same, and of the view.

    Every view with a defect weighs the same, however small its defect is. ``focus`` lowers the weight of easy cells
    (T.-Y. Lin et al. 2017, "Focal Loss for Dense Object Detection"). ``teacher`` is a teacher's share.
    """

    good: tuple[int, ...]
    sharpness: float
    view: float = 1.0
    focus: float = 1.0
    teacher: float = 0.7

    def __call__(self, cells: Tensor, wanted: Tensor, labels: Tensor, taught: Tensor | None = None) -> Tensor:
        """Of logits (N, C, h, w), cells' classes (N, h, w) and views' classes (N,); ``taught``: a teacher's logits."""
        own = self.of_cells(cells, wanted) + self.view * self.of_views(cells, labels)
        if taught is None:
            return own
        return (1 - self.teacher) * own + self.teacher * self.of_teacher(cells, taught)

    def of_cells(self, cells: Tensor, wanted: Tensor) -> Tensor:
        loss = F.cross_entropy(cells, wanted, ignore_index=UNKNOWN, reduction="none")
        loss = loss * (1 - torch.exp(-loss)).pow(self.focus)
        isgood = torch.zeros_like(wanted, dtype=torch.bool)
        for label in self.good:
            isgood |= wanted == label
        isbad = (wanted != UNKNOWN) & ~isgood
        fine = loss[isgood]
        total = loss.sum() * 0
        if fine.numel():
            hardest = fine.topk(max(1, round(_HARDEST * fine.numel()))).values
            total = total + fine.mean() + hardest.mean()
        counts = isbad.sum((1, 2))
        if bool(counts.any()):
            per_view = (loss * isbad).sum((1, 2)) / counts.clamp(min=1)
            total = total + per_view[counts > 0].mean()
        return total

    def of_views(self, cells: Tensor, labels: Tensor) -> Tensor:
        known = labels >= 0
        if not bool(known.any()):
            return cells.sum() * 0
        logits = pooled_cells(cells[known].float(), self.good, self.sharpness)
        return F.cross_entropy(logits, labels[known], label_smoothing=0.02)

    def errors(self, cells: Tensor, labels: Tensor) -> Tensor:
        """1 − p(class) of views, (N,)."""
        shares = F.softmax(pooled_cells(cells, self.good, self.sharpness), 1)
        return 1 - shares.gather(1, labels[:, None]).squeeze(1)

    def of_teacher(self, cells: Tensor, taught: Tensor) -> Tensor:
        """Divergence from the teacher, of all cells, of those where either sees a defect, and of the views."""
        soft, own = F.softmax(taught, 1), F.log_softmax(cells, 1)
        apart = F.kl_div(own, soft, reduction="none").sum(1)
        good = list(self.good)
        doubt = torch.maximum(1 - soft[:, good].sum(1), 1 - own.detach().exp()[:, good].sum(1))
        weighted = (apart * doubt).sum((1, 2)) / (doubt.sum((1, 2)) + 1.0)
        views = F.kl_div(
            F.log_softmax(pooled_cells(cells, self.good, self.sharpness), 1),
            F.softmax(pooled_cells(taught, self.good, self.sharpness), 1),
            reduction="batchmean",
        )
        return apart.mean() + 2 * weighted.mean() + views
