"""The images of a work unit, one after another, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from steelflow.archive.carried import container
from steelflow.archive.described import Described, SidecarErrors, canonical
from steelflow.archive.formats import shard_rows
from steelflow.archive.names import Ignored, kind_of
from steelflow.archive.shard import ShardError, too_large
from steelflow.archive.sniff import PEEK, looks_like_image
from steelflow.archive.stream import ObjectReader
from steelflow.archive.template import KeyTemplate, Members, outside
from steelflow.config import LimitSettings
from steelflow.errors import ObjectChanged, ObjectNotFound, ObjectUnreadable, StoreError
from steelflow.images.pages import page_name, pages
from steelflow.records import Failure, ObjectInfo, RawImage, Unit
from steelflow.store.base import Store


def read_unit(
    store: Store,
    unit: Unit,
    template: KeyTemplate,
    limits: LimitSettings,
    ignored: Ignored | None = None,
    errors: SidecarErrors | None = None,
) -> Iterator[RawImage]:
    """Every image of a unit, or the failure in its place: loose objects by key, members in the order of the shard.

    An image that cannot be read is yielded as its failure. If a shard ends early, its failure is yielded last
    (``member`` is None). Each page of a TIFF is an image: ``page=2`` of a loose object, ``name#page=2`` of a member.
    All pages have the fields of their file. ``ignored`` counts the members that are not images, ``errors`` what is
    wrong in sidecars.

    Raises:
        StoreError: the store failed, or a shard or a sidecar was replaced while it was read. Try the unit again.
    """
    ignored = Ignored() if ignored is None else ignored
    errors = SidecarErrors() if errors is None else errors
    if unit.kind == "loose":
        return _read_loose(store, unit, template, limits, ignored, errors)
    return _read_shard(store, unit, template, limits, ignored, errors)


def _read_loose(
    store: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings, ignored: Ignored, errors: SidecarErrors
) -> Iterator[RawImage]:
    objects = list(unit.objects)
    described = Described(errors, {canonical(info.key) for info in objects} if unit.sidecars else (), template.zone)
    described.load(store, unit.sidecars)
    wanted = [info for info in objects if info.size <= limits.image_bytes]
    fetched = store.get_many([info.key for info in wanted], [info.etag for info in wanted])
    for info in objects:
        data: bytes | StoreError | Failure
        if info.size > limits.image_bytes:
            data = too_large(info.size, limits.image_bytes)
        else:
            _, data = next(fetched)
        if isinstance(data, StoreError):
            data = _failure(data)
        elif isinstance(data, bytes) and info.size and len(data) != info.size:
            data = Failure("changed", f"has {len(data):,} bytes and was listed with {info.size:,}; run again")
        if kind_of(info.key) != "image":  # its content decides
            shown = _hidden(store, info, data)
            if shown is None:
                ignored.add(info.key)
                continue
            data = shown
        fields = template.read(info.key)
        if described:
            fields = described.of(info.key, fields)
        image = RawImage(info.key, None, 0, data, *fields[2:])
        several = None if isinstance(data, Failure) else pages(data)
        if several is None:
            yield image
            continue
        for number, page in enumerate(several):
            yield image._replace(member=page_name(None, number + 1), ordinal=number, data=page)
    described.end()


def _failure(exc: StoreError) -> Failure:
    """The row of an object that the store does not give. Raises all errors that are not of this object alone."""
    if isinstance(exc, ObjectNotFound):
        return Failure("missing", "the file was deleted after it was listed, or its name is not UTF-8")
    if isinstance(exc, ObjectUnreadable):
        return Failure(exc.code, str(exc))
    if isinstance(exc, ObjectChanged):
        return Failure("changed", "was replaced after it was listed; run again")
    raise exc


def _hidden(store: Store, info: ObjectInfo, data: bytes | Failure) -> bytes | Failure | None:
    """What the row has of an object that is no image by its name; None if it has no row. What cannot be read may be
    an image: it is a failure."""
    head = b"" if isinstance(data, Failure) else data
    if isinstance(data, Failure):
        if data.code != "too_large":
            return data
        try:
            head = store.get(info.key, 0, PEEK, etag=info.etag)
        except (ObjectNotFound, ObjectUnreadable, ObjectChanged):
            return data
    return data if looks_like_image(head) else container(head)


def _read_shard(
    store: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings, ignored: Ignored, errors: SidecarErrors
) -> Iterator[RawImage]:
    (info,) = unit.objects
    members = Members(template, info.key)
    folder = info.key[: info.key.rfind("/") + 1]
    described = Described(errors, zone=template.zone)
    described.load(store, unit.sidecars)

    def describe(name: str, data: bytes | Failure) -> None:
        path = canonical(name)
        described.add(folder + outside(path[: path.rfind("/") + 1]), [(f"{info.key}/{path}", data)])

    ordinal = 0
    try:
        with ObjectReader(store, info) as file:
            for member, data in shard_rows(file, info, limits, ignored, describe):
                fields = members.read(member)
                if described:
                    fields = described.of(f"{folder}{outside(member or '')}", fields, shard=f"{info.key}/{member}")
                image = RawImage(info.key, member, ordinal, data, *fields[2:])
                several = None if isinstance(data, Failure) else pages(data)
                if several is None:
                    yield image
                    ordinal += 1
                    continue
                for number, page in enumerate(several, 1):
                    yield image._replace(member=page_name(member, number), ordinal=ordinal, data=page)
                    ordinal += 1
        described.end()
        return
    except ShardError as exc:
        failure = exc.failure
    except ObjectNotFound:
        failure = Failure("missing", "the shard was deleted after it was listed")
    except ObjectUnreadable as exc:
        failure = Failure(exc.code, str(exc))
    described.end()
    fields = members.read(None)
    yield RawImage(info.key, None, ordinal, failure, *fields[2:])
