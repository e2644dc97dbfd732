"""Which labels of a batch do not count, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from steelflow.labels.boxes import BOX, of_regions, of_whole_images
from steelflow.labels.classes import Classes

_OF = ("image", *BOX)
_PLACE = ("batch", "row")


@dataclass(frozen=True, slots=True)
class NotCounted:
    """``labels`` labels of a batch do not count, for the reason ``why``; ``image`` is the first of their images."""

    why: str
    labels: int
    image: str

    def __str__(self) -> str:
        return f"{self.labels:,} {self.why} (image {self.image[:16]}{'' if self.labels == 1 else ' …'})"


def not_counted(rows: pl.DataFrame, batch: str, classes: Classes, golden: dict[str, str]) -> tuple[NotCounted, ...]:
    """The labels of ``batch`` that do not count.

    Args:
        rows: all labels of the images of the batch, in their order.
        golden: the label of every golden image.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for image, kind, example in _reasons(rows, batch, classes, golden):
        found.setdefault(kind, []).append((image, example))
    return tuple(NotCounted(kind + them[0][1], len(them), them[0][0]) for kind, them in found.items())


def _reasons(
    rows: pl.DataFrame, batch: str, classes: Classes, golden: dict[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Image, reason, and the remark on the first image of that reason."""
    last = rows.unique(_OF, keep="last", maintain_order=True)
    by_of = {tuple(row[name] for name in _OF): row for row in last.iter_rows(named=True)}
    now = classes.today(rows)
    counted = pl.concat([of_whole_images(now), of_regions(now)])
    counts = set(counted.select(_PLACE).iter_rows())
    for row in rows.filter(pl.col("batch") == batch).iter_rows(named=True):
        image, newest = row["image"], by_of[tuple(row[name] for name in _OF)]
        if (newest["batch"], newest["row"]) != (batch, row["row"]):
            if (newest["label"], newest["verdict"]) == (row["label"], row["verdict"]):
                continue  # people agree
            if newest["batch"] == batch:
                yield image, "followed by a later label of the same image in the same batch", ""
            else:
                that = f"that of {newest['who']} of {newest['at']:%Y-%m-%d %H:%M} UTC"
                yield image, "older than the label that counts: ", that
        elif (batch, row["row"]) not in counts:
            later = "calls the whole frame good" if row["x"] is not None else "shows a defect in it"
            yield image, f"overruled by a later label, which {later}", ""
        elif row["label"] is not None and classes.is_retired(row["label"]):
            change = classes.change_of(row["label"])
            yield image, f"of a retired class: {change}; `steelflow labels restore` brings it back", ""
        elif image in golden and row["x"] is None:
            same = row["label"] is not None and classes.now(row["label"]) == golden[image]
            what = "which is never trained on" if same else "which keeps the label that it was chosen with"
            yield image, f"of an image of the golden set, {what}", ""
