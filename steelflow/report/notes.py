"""What people should read first about a report: the model that judged does not know what it saw."""

from __future__ import annotations

from typing import cast

import polars as pl

from steelflow.models.shipped import shipped
from steelflow.models.spec import ModelSpec

_MOST = 0.5  # share of images above which the model is out of its depth
_SHOWN = 6  # classes


def novel_share(summary: pl.DataFrame) -> float | None:
    """The share of novel images among the readable ones of a summary; None if the model has no limits of novelty."""
    known = summary.filter((pl.col("status") == "ok") & pl.col("novel").is_not_null())
    images = cast(int, known["images"].sum())
    return int(known["novel"].sum()) / images if images else None


def notes(summary: pl.DataFrame, spec: ModelSpec, digest: str, these: str, whole: int = 0) -> tuple[str, ...]:
    """Sentences about a model whose images are mostly unlike its training images; none if they are not.

    A model that ships also says what it is for if most images were judged as a whole though they are much larger than
    its pictures.

    Args:
        summary: of the images, with the columns status, images and novel.
        digest: of the model's file.
        these: the images in words, such as "tonight's images".
        whole: how many images are much larger than the model's pictures and were judged as a whole.
    """
    share, known = novel_share(summary), shipped(digest)
    strange = share is not None and share > _MOST
    readable = cast(int, summary.filter(pl.col("status") == "ok")["images"].sum())
    reasons = [f"{share:.0%} of {these} are unlike them"] if strange else []
    if readable and whole > _MOST * readable:
        reasons.append(f"{min(whole / readable, 1):.0%} of {these} are much larger and were judged as a whole")
    if known is not None and reasons:
        why = " and ".join(reasons)
        return (f"the shipped model {known.name} knows {known.purpose}; {why}: begin with `steelflow models begin`",)
    if not strange:
        return ()
    classes = spec.classes
    shown = ", ".join(classes[:_SHOWN]) + (", …" if len(classes) > _SHOWN else "")
    return (
        f"the model {spec.name} knows {len(classes)} classes ({shown}); {share:.0%} of {these} are unlike its training "
        "images: do not rely on its labels; label the images of `steelflow labels queue`, then `steelflow retrain`",
    )
