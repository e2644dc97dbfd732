"""Held-out images on which another model was trained: the one that a training began with, or a teacher. Figures on such
images flatter, so the card says how many they are, or that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from steelflow.models.seen import Marks, among


def remembered(models: Sequence[Marks | None], held_out: Collection[bytes]) -> int | None:
    """How many of the held-out images, given the SHA-256 of each, trained one of the models: the most of any. None if
    it is not known of one."""
    if held_out and any(known is None for known in models):
        return None
    return max((int(among(known, held_out).sum()) for known in models), default=0)


def warning(who: str, count: int | None) -> str:
    """A sentence for the card; empty if there is nothing to say.

    Args:
        who: the model, as the beginning of a sentence.
        count: from ``remembered``.
    """
    if count is None:
        return f"{who} does not tell which images trained it: if these are among them, expect less on new images."
    return f"{who} was trained on {count} of them: expect less on new images." if count else ""
