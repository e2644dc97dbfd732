"""The images of a work unit, one after another, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from steelflow.archive.described import Described, SidecarErrors, canonical
from steelflow.archive.gunzip import MAGIC as GZIP_MAGIC
from steelflow.archive.gunzip import Gunzip
from steelflow.archive.names import Ignored
from steelflow.archive.shard import Describe, Row, ShardError, too_large
from steelflow.archive.stream import ObjectReader
from steelflow.archive.tar import read_tar
from steelflow.archive.template import KeyTemplate, Members
from steelflow.archive.zip import read_zip
from steelflow.config import LimitSettings
from steelflow.errors import ObjectNotFound, ObjectUnreadable, StoreError
from steelflow.records import Failure, ObjectInfo, RawImage, Unit
from steelflow.store.base import Store

_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


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
    (``member`` is None). ``ignored`` counts the members that are not images, ``errors`` what is wrong in sidecars.

    Raises:
        StoreError: the store failed, or a shard or a sidecar was replaced while it was read. Try the unit again.
    """
    ignored = Ignored() if ignored is None else ignored
    errors = SidecarErrors() if errors is None else errors
    if unit.kind == "loose":
        return _read_loose(store, unit, template, limits, errors)
    return _read_shard(store, unit, template, limits, ignored, errors)


def _read_loose(
    store: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings, errors: SidecarErrors
) -> Iterator[RawImage]:
    objects = list(unit.objects)
    described = Described(errors, {canonical(info.key) for info in objects} if unit.sidecars else ())
    described.load(store, unit.sidecars)
    fetched = store.get_many([info.key for info in objects if info.size <= limits.image_bytes])
    for info in objects:
        data: bytes | StoreError | Failure
        if info.size > limits.image_bytes:
            data = too_large(info.size, limits.image_bytes)
        else:
            _, data = next(fetched)
        if isinstance(data, ObjectNotFound):
            data = Failure("missing", "the file was deleted after it was listed, or its name is not UTF-8")
        elif isinstance(data, ObjectUnreadable):
            data = Failure("unreadable", str(data))
        elif isinstance(data, StoreError):
            raise data
        fields = template.read(info.key)
        if described:
            fields = described.of(info.key, fields)
        yield RawImage(info.key, None, 0, data, *fields[2:])
    described.end()


def _read_shard(
    store: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings, ignored: Ignored, errors: SidecarErrors
) -> Iterator[RawImage]:
    (info,) = unit.objects
    members = Members(template, info.key)
    folder = info.key[: info.key.rfind("/") + 1]
    described = Described(errors)
    described.load(store, unit.sidecars)

    def describe(name: str, data: bytes | Failure) -> None:
        name = canonical(name)
        described.add(folder + name[: name.rfind("/") + 1], [(f"{info.key}/{name}", data)])

    ordinal = 0
    try:
        with ObjectReader(store, info) as file:
            for member, data in _rows(file, info, limits, ignored, describe):
                fields = members.read(member)
                if described:
                    fields = described.of(f"{folder}{member}", fields, shard=f"{info.key}/{member}")
                yield RawImage(info.key, member, ordinal, data, *fields[2:])
                ordinal += 1
        described.end()
        return
    except ShardError as exc:
        failure = exc.failure
    except ObjectNotFound:
        failure = Failure("missing", "the shard was deleted after it was listed")
    described.end()
    fields = members.read(None)
    yield RawImage(info.key, None, ordinal, failure, *fields[2:])


def _rows(
    file: ObjectReader, info: ObjectInfo, limits: LimitSettings, ignored: Ignored, describe: Describe
) -> Iterator[Row]:
    """The bytes decide on the format, not the name: a .tgz that was decompressed by a download is a tar."""
    if not info.size:
        raise ShardError("empty", "the shard has no bytes; copy it again")
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return read_tar(Gunzip(file, limits.expansion), limits, ignored, describe)
    if magic in _ZIP_MAGIC or info.key.lower().endswith(".zip"):
        return read_zip(file, limits, ignored, describe)
    return read_tar(file, limits, ignored, describe)
