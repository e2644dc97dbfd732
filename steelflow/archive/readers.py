"""The images of a work unit, one after another, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

from steelflow.archive.gunzip import MAGIC as GZIP_MAGIC
from steelflow.archive.gunzip import Gunzip
from steelflow.archive.names import Ignored
from steelflow.archive.shard import Row, ShardError, too_large
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
    store: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings, ignored: Ignored | None = None
) -> Iterator[RawImage]:
    """Every image of a unit, or the failure in its place: loose objects by key, members in the order of the shard.

    An image that cannot be read is yielded as its failure. If a shard ends early, its failure is yielded last
    (``member`` is None). ``ignored`` counts the members that are not images.

    Raises:
        StoreError: the store failed, or a shard was replaced while it was read. Try the unit again.
    """
    if unit.kind == "loose":
        return _read_loose(store, unit, template, limits)
    return _read_shard(store, unit.objects[0], template, limits, ignored if ignored is not None else Ignored())


def _read_loose(store: Store, unit: Unit, template: KeyTemplate, limits: LimitSettings) -> Iterator[RawImage]:
    objects = list(unit.objects)
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
        yield RawImage(info.key, None, 0, data, *fields[2:])


def _read_shard(
    store: Store, info: ObjectInfo, template: KeyTemplate, limits: LimitSettings, ignored: Ignored
) -> Iterator[RawImage]:
    members = Members(template, info.key)
    ordinal = 0
    try:
        with ObjectReader(store, info) as file:
            for member, data in _rows(file, info, limits, ignored):
                fields = members.read(member)
                yield RawImage(info.key, member, ordinal, data, *fields[2:])
                ordinal += 1
        return
    except ShardError as exc:
        failure = exc.failure
    except ObjectNotFound:
        failure = Failure("missing", "the shard was deleted after it was listed")
    fields = members.read(None)
    yield RawImage(info.key, None, ordinal, failure, *fields[2:])


def _rows(file: ObjectReader, info: ObjectInfo, limits: LimitSettings, ignored: Ignored) -> Iterator[Row]:
    """The bytes decide on the format, not the name: a .tgz that was decompressed by a download is a tar."""
    if not info.size:
        raise ShardError("empty", "the shard has no bytes; copy it again")
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(GZIP_MAGIC):
        return read_tar(Gunzip(file, limits.expansion), limits, ignored)
    if magic in _ZIP_MAGIC or info.key.lower().endswith(".zip"):
        return read_zip(file, limits, ignored)
    return read_tar(file, limits, ignored)
