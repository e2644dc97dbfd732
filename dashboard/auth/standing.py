"""Which images of a review have a label meanwhile, and which still wait for a second one."""

from __future__ import annotations

from dashboard.auth import labelling
from dashboard.auth.labelling import Key, Review, Row
from dashboard.data import images, regions, sources
from steelflow.labels import LabelStore
from steelflow.labels.second import due


def settled(store: LabelStore, review: Review, who: str) -> set[Key]:
    """The images and regions that the review need not show: those with a label, but for the ones that ``who`` reads a
    second time."""
    return (labelling.known(store) - review.second) | (review.second - to_read_again(store, review, who))


def to_read_again(store: LabelStore, review: Review, who: str) -> set[Key]:
    """The images and regions of the review that still wait for a second label."""
    if not review.second:
        return set()
    rows = due(store.history(), sources.settings().labels.second_reader, who)
    return {labelling.key_of(row) for row in rows.iter_rows(named=True)}


def is_known(store: LabelStore, review: Review, row: Row, who: str = "") -> bool:
    """Whether somebody has labelled a row, or the whole frame around it, since the review chose it; of an image that
    ``who`` reads a second time, whether another second reader has."""
    if labelling.key_of(row) in review.second:
        return labelling.key_of(row) not in to_read_again(store, review, who)
    mine = {labelling.key_of(row), (images.reference(row), None)} & labelling.known(store)
    for key in mine & review.again:
        if _stands(store, key):  # labelled again after it was undone here
            review.again.discard(key)
    return bool(mine - review.again)


def _stands(store: LabelStore, key: Key) -> bool:
    """Whether an image or a region has a label that nobody has undone."""
    image, box = key
    rows = (store.current() if box is None else store.regions()).filter(images.is_image(image))
    return any(box is None or regions.box(row) == box for row in rows.iter_rows(named=True))
