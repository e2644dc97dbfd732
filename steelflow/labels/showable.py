"""Which images of a queue can be shown: those that the archive still has and that can be decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from steelflow.archive.by_line import ImageLimits
from steelflow.archive.fetch import ImageRef, fetch_images
from steelflow.archive.template import KeyTemplate
from steelflow.config import LimitSettings
from steelflow.errors import ObjectNotFound, ObjectUnreadable
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.store.base import Store

_REFERENCE = ["object_key", "member", "ordinal"]
_ROUNDS = 8
_THREADS = 16


class Showable:
    """Looks the images of a queue up in ``archive``. ``hidden`` counts those that cannot be shown, by the reason.
    ``template`` is the archive's, for limits that differ by line.

    Raises:
        StoreError: the archive cannot be reached.
    """

    def __init__(self, archive: Store, limits: LimitSettings, template: KeyTemplate | None = None) -> None:
        self._archive = archive
        self._limits = limits
        self._limits_of = ImageLimits(limits, template).of
        self._known: dict[ImageRef, str | None] = {}

    @property
    def hidden(self) -> dict[str, int]:
        reasons = [why for why in self._known.values() if why is not None]
        return {why: reasons.count(why) for why in dict.fromkeys(reasons)}

    def choose(self, pool: pl.DataFrame, choose: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
        """What ``choose`` takes from ``pool``, so that every image of it can be shown: it is asked again without those
        that cannot."""
        chosen = choose(pool)
        for _ in range(_ROUNDS):
            good = self._shown(chosen)
            if good.height == chosen.height:
                break
            pool = self._there(pool.join(self._gone(), on=_REFERENCE, how="anti", nulls_equal=True))
            chosen = choose(pool)
        return self._shown(chosen)

    def _shown(self, rows: pl.DataFrame) -> pl.DataFrame:
        asked = [ImageRef(*row) for row in rows.select(_REFERENCE).unique(maintain_order=True).iter_rows()]
        for place, data in fetch_images(self._archive, [one for one in asked if one not in self._known], self._limits):
            picture = data if isinstance(data, Failure) else decode(data, self._limits_of(place.key, place.member))
            self._known[place] = picture.code if isinstance(picture, Failure) else None
        return rows.join(self._gone(), on=_REFERENCE, how="anti", nulls_equal=True, maintain_order="left")

    def _gone(self) -> pl.DataFrame:
        gone = [tuple(place) for place, why in self._known.items() if why is not None]
        schema = {"object_key": pl.String, "member": pl.String, "ordinal": pl.Int32}
        return pl.DataFrame(gone, schema, orient="row")

    def _there(self, pool: pl.DataFrame) -> pl.DataFrame:
        """The rows whose object is in the archive, after it was seen that some are not."""

        def is_there(key: str) -> bool:
            with contextlib.suppress(ObjectNotFound, ObjectUnreadable):
                self._archive.stat(key)
                return True
            return False

        keys = pool["object_key"].unique().to_list()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="queue") as threads:
            there = [key for key, found in zip(keys, threads.map(is_there, keys), strict=True) if found]
        return pool.filter(pl.col("object_key").is_in(there))
