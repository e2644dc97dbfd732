"""Single images of an archive, by the reference that a report has for them.

Loose objects are fetched concurrently. A shard is read once, from its start to the last image that is needed: a tar has
no directory, and people look at few images of a shard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from steelflow.archive.names import kind_of
from steelflow.archive.readers import read_unit
from steelflow.archive.shard import too_large
from steelflow.archive.template import KeyTemplate
from steelflow.config import MIB, LimitSettings
from steelflow.errors import ObjectChanged, ObjectNotFound, ObjectUnreadable
from steelflow.images.pages import page_number, pages
from steelflow.records import Failure, Partition, Unit
from steelflow.store.base import Store
from steelflow.store.ordered import in_order

_THREADS = 16
_USUAL = MIB  # bytes of the first request. Only a larger object needs a second one, and no object is read without limit
_ANY = KeyTemplate("{name}")
_TWICE = Failure("ambiguous", "the shard has several members of that name; give the ordinal")


class ImageRef(NamedTuple):
    """One image of an archive: ``object_key``, ``member`` and ``ordinal`` of its row.

    Without ``ordinal`` the member is found by its name, which must be unique in the shard.
    """

    key: str
    member: str | None = None
    ordinal: int | None = None


def fetch_image(
    store: Store, key: str, member: str | None, ordinal: int | None, limits: LimitSettings
) -> bytes | Failure:
    """The encoded bytes of one image, or a failure: ``missing``, ``replaced``, ``ambiguous``, ``unreadable``, or a
    failure of the shard or the member, see ``archive.readers``.

    Raises:
        StoreError: the store failed. Try again.
    """
    *_, (_, data) = fetch_images(store, [ImageRef(key, member, ordinal)], limits)
    return data


def fetch_images(
    store: Store, references: Iterable[ImageRef], limits: LimitSettings
) -> Iterator[tuple[ImageRef, bytes | Failure]]:
    """Every distinct reference once, with the result of ``fetch_image``: loose objects first, then shard by shard.

    A reference without ordinal is yielded with its ordinal. If the shard repeats the name, it is yielded again, with
    the failure ``ambiguous``. Only a few images are in memory at a time.

    Raises:
        StoreError: as ``fetch_image``.
    """
    loose: list[ImageRef] = []
    shards: dict[str, list[ImageRef]] = {}
    for reference in dict.fromkeys(references):
        if kind_of(reference.key) == "shard":
            shards.setdefault(reference.key, []).append(reference)
        else:
            loose.append(reference)
    yield from _fetch_loose(store, loose, limits)
    for key, wanted in shards.items():
        yield from _fetch_shard(store, key, wanted, limits)


def _fetch_loose(
    store: Store, references: list[ImageRef], limits: LimitSettings
) -> Iterator[tuple[ImageRef, bytes | Failure]]:
    """Like ``Store.get_many``, but an object is read only up to the size limit of an image."""

    def bytes_of(reference: ImageRef) -> bytes | Failure:
        number = page_number(reference.member)
        if reference.member is not None and number is None:
            return Failure("missing", f"its name is not that of a shard; it has no member {reference.member!r}")
        try:
            data = store.get(reference.key, 0, _USUAL)
            size = len(data) if len(data) < _USUAL else store.stat(reference.key).size
            if size > limits.image_bytes:
                return too_large(size, limits.image_bytes)
            return _page(data if size == len(data) else store.get(reference.key), number)
        except ObjectNotFound:
            return Failure("missing", "no such object; it may have expired")
        except ObjectUnreadable as exc:
            return Failure(exc.code, str(exc))

    def fetch(reference: ImageRef) -> tuple[ImageRef, bytes | Failure]:
        place = (page_number(reference.member) or 1) - 1
        filled = reference._replace(ordinal=place) if reference.ordinal is None else reference
        return filled, bytes_of(reference)

    if len(references) == 1:  # needs no thread
        yield fetch(references[0])
    else:
        yield from in_order(fetch, references, _THREADS, name="fetch")


def _page(data: bytes, number: int | None) -> bytes | Failure:
    """One page of a file; the file itself if it is one image and no page is asked for."""
    several = pages(data)
    if number is None:
        return data if several is None else Failure("ambiguous", "the file has several images; name one: page=1")
    if several is None:
        return Failure("replaced", "the file is a single image now")
    found = next(islice(several, number - 1, None), None)
    return Failure("missing", "the file has fewer images; it was replaced") if found is None else found


def _fetch_shard(
    store: Store, key: str, references: list[ImageRef], limits: LimitSettings
) -> Iterator[tuple[ImageRef, bytes | Failure]]:
    by_ordinal: dict[int, list[ImageRef]] = {}
    by_name: dict[str, ImageRef] = {}
    for reference in references:
        if reference.ordinal is not None:
            by_ordinal.setdefault(reference.ordinal, []).append(reference)
        elif reference.member is not None:
            by_name[reference.member] = reference
        else:
            yield reference, Failure("ambiguous", "it is a shard of images; name the member")
    end = Failure("missing", "the shard has no such image; it was repacked")
    met: set[str] = set()
    try:
        unit = Unit("", Partition(None, None), "shard", (store.stat(key),))
        for image in read_unit(store, unit, _ANY, limits):
            if image.member is None and isinstance(image.data, Failure):
                end = image.data
                break
            for reference in by_ordinal.pop(image.ordinal, []):
                same = reference.member in (None, image.member)
                yield reference, image.data if same else _other(image.ordinal, image.member)
            if image.member in by_name:
                reference = by_name[image.member]._replace(ordinal=image.ordinal)
                yield reference, _TWICE if image.member in met else image.data
                met.add(image.member)
            if not by_ordinal and not by_name:
                return
    except ObjectNotFound:
        end = Failure("missing", "no such shard; it may have expired")
    except ObjectUnreadable as exc:
        end = Failure("unreadable", str(exc))
    except ObjectChanged as exc:
        end = Failure("replaced", str(exc))
    yield from ((reference, end) for left in by_ordinal.values() for reference in left)
    yield from ((reference, end) for name, reference in by_name.items() if name not in met)


def _other(ordinal: int, member: str | None) -> Failure:
    return Failure("replaced", f"image {ordinal} of the shard is {member!r} now; the shard was repacked")
