"""Examples of each class: labelled images without a dispute."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from steelflow.labels.boxes import BOX, Box
from steelflow.labels.store import LabelStore

Example = tuple[str, Box | None]
"""An image by its SHA-256, and the box of a region of it; None for the whole image."""


def examples(labels: LabelStore, classes: Collection[str], each: int = 3) -> dict[str, list[Example]]:
    """At most ``each`` examples of each class, always the same ones while the labels stay.

    Images of the golden set come first, if no later label says otherwise; then other images. Of a frame with a region
    of the class, the region is the example. An image on which people disagree is no example.

    Raises:
        LabelError: a batch or the golden set is damaged.
    """
    current, golden = labels.current(), labels.golden()
    disputed = labels.conflicts().filter("disputed")["image"].unique().to_list()
    whole = current.select("image", "label").with_columns(rank=pl.lit(1))
    if golden is not None:
        now = current.select("image", now="label")
        agreed = golden.frame.select("image", "label").join(now, on="image", how="left")
        agreed = agreed.filter(pl.col("now").is_null() | (pl.col("now") == pl.col("label")))
        whole = pl.concat([agreed.select("image", "label", rank=pl.lit(0)), whole]).unique("image", keep="first")
    regions = labels.regions().filter(pl.col("verdict").ne_missing("good"))
    placed = regions.select("image", "label", *BOX).join(
        whole.select("image", "rank").unique("image", keep="first"), on="image", how="left"
    )
    whole = whole.join(placed, on=["image", "label"], how="anti")
    both = pl.concat([whole, placed.with_columns(pl.col("rank").fill_null(1))], how="diagonal")
    for name in BOX:
        if name not in both.columns:
            both = both.with_columns(pl.lit(None, pl.Int32).alias(name))
    fit = both.filter(pl.col("label").is_in(list(classes)), ~pl.col("image").is_in(disputed))
    first = fit.sort("rank", "image", *BOX).group_by("label", maintain_order=True).head(each)
    found: dict[str, list[Example]] = {name: [] for name in classes}
    for row in first.iter_rows(named=True):
        box = None if row["x"] is None else (row["x"], row["y"], row["width"], row["height"])
        found[row["label"]].append((row["image"], box))
    return found
