"""Finds the nights of an archive, and the objects of a night.

Folders are listed level by level, down to the template's last ``{line}`` or ``{date}``. Finding one night costs a
listing of folder names, even in an archive of many years.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from steelflow.archive.names import is_open, is_system, kind_of
from steelflow.archive.template import Fields, KeyTemplate, fields_of
from steelflow.archive.unlisted import Unlisted
from steelflow.errors import ConfigError
from steelflow.records import ObjectInfo, Partition
from steelflow.store.base import Store
from steelflow.store.foreign import foreign_folders, foreign_objects

_RECOVERED = "lost+found"  # what a check of the disk has found again: told, unlike bins


@dataclass(frozen=True, slots=True)
class Discovery:
    """The partitions of an archive, by date and line. ``strangers`` are folders that the template does not fit; nothing
    in them is inspected. System folders, such as a NAS's recycle bin, are no lines. ``unlisted`` are sentences on
    folders that could not be read."""

    partitions: tuple[Partition, ...]
    strangers: tuple[str, ...]
    unlisted: tuple[str, ...] = ()


def discover(
    store: Store,
    template: KeyTemplate,
    dates: Collection[dt.date] | None = None,
    lines: Collection[str] | None = None,
) -> Discovery:
    """The partitions of the archive; with ``dates`` or ``lines``, only theirs.

    If the template has ``{captured_at}`` and no date, the day of that time in the plant's zone is the night. If it has
    no ``{date}`` (or ``{line}``), the date (or line) of every partition is None. If it has neither, one partition
    covers the whole source.

    Raises:
        ConfigError: dates or lines are given, but the template has no such field.
        StoreError: the store cannot be listed.
    """
    strangers: list[str] = []
    unlisted = Unlisted()
    walked = _walk(store, template, dates, lines, strangers, unlisted)
    if template.dated_by_time:
        found = {one for prefix, f in walked for one in _by_time(store, template, prefix, f.line, dates, strangers)}
    else:
        found = {Partition(f.line, f.date) for _, f in walked}
    ordered = sorted(found, key=lambda p: (p.date or dt.date.min, p.line or ""))
    return Discovery(tuple(ordered), tuple(strangers), tuple(unlisted.sentences()))


def partitions(
    store: Store,
    template: KeyTemplate,
    dates: Collection[dt.date] | None = None,
    lines: Collection[str] | None = None,
) -> list[Partition]:
    """The partitions that ``discover`` finds, without the strangers."""
    return list(discover(store, template, dates, lines).partitions)


def objects(
    store: Store, template: KeyTemplate, partition: Partition, unlisted: Unlisted | None = None
) -> Iterator[ObjectInfo]:
    """All objects below the folders of a partition, as a stream in any order: images, shards and others. ``unlisted``
    is told of those that cannot be listed.

    Raises:
        ConfigError: the partition has a date or a line, but the template has no such field.
        StoreError: the store cannot be listed.
    """
    dates = None if partition.date is None else (partition.date,)
    lines = None if partition.line is None else (partition.line,)
    unlisted = Unlisted() if unlisted is None else unlisted
    for prefix, _ in _walk(store, template, dates, lines, [], Unlisted()):
        for info in foreign_objects(store, prefix, unlisted.add):
            if not template.dated_by_time or template.day_of(info.key) == partition.date or not _has_a_night(info.key):
                yield info


def _by_time(
    store: Store,
    template: KeyTemplate,
    prefix: str,
    line: str | None,
    dates: Collection[dt.date] | None,
    strangers: list[str],
) -> Iterator[Partition]:
    """The partitions of a line whose images have their time in the key. All of them are listed; folders that have
    images without a time are strangers."""
    odd: dict[str, None] = {}
    for info in store.list(prefix):
        day = template.day_of(info.key)
        if day is not None and _has_a_night(info.key) and _wanted(day, dates):
            yield Partition(line, day)
        elif day is None and _has_a_night(info.key):
            odd[info.key[: info.key.rfind("/") + 1]] = None
    strangers += [folder for folder in odd if folder not in strangers]


def _has_a_night(key: str) -> bool:
    """Whether an object belongs to one night: an image or a shard. Sidecars and others belong to all of them."""
    return kind_of(key) in ("image", "shard") or is_open(key)


def _walk(
    store: Store,
    template: KeyTemplate,
    dates: Collection[dt.date] | None,
    lines: Collection[str] | None,
    strangers: list[str],
    unlisted: Unlisted,
) -> Iterator[tuple[str, Fields]]:
    """The folders at the level where line and date are known, with the fields in their names."""
    for field, wanted in (("date", dates), ("line", lines)):
        if wanted is not None and field not in template.fields:
            raise ConfigError(
                f"archive.template {template.text!r}: has no {{{field}}}, so a {field} cannot be selected; "
                f"add {{{field}}} to a folder of the template, or inspect the whole source"
            )
    depth = template.nightly_depth
    lines = None if lines is None else {unicodedata.normalize("NFC", line) for line in lines}

    def descend(prefix: str, groups: dict[str, str]) -> Iterator[tuple[str, Fields]]:
        at = prefix.count("/")
        if at == depth:
            yield prefix, fields_of(groups) or Fields()
            return
        level = template.levels[at]
        for folder in foreign_folders(store, prefix, unlisted.add):
            matched = level.pattern.fullmatch(folder)
            if is_system(folder + "/") and (matched or folder != _RECOVERED):  # a bin of a NAS may look like a line
                continue
            fields = fields_of(groups | matched.groupdict()) if matched else None
            if matched is None or fields is None:
                if level.fields:  # folders beside one with a fixed name are not of this archive
                    strangers.append(f"{prefix}{folder}/")
            elif _wanted(fields.line, lines) and _may_be(groups | matched.groupdict(), fields.date, dates):
                yield from descend(f"{prefix}{folder}/", groups | matched.groupdict())

    yield from descend("", {})


def _wanted(value: object, wanted: Collection[object] | None) -> bool:
    return wanted is None or value is None or value in wanted


def _may_be(groups: Mapping[str, str], date: dt.date | None, dates: Collection[dt.date] | None) -> bool:
    """Whether a folder with these fields can have a wanted date below it."""
    if date is not None or dates is None:
        return _wanted(date, dates)
    parts = {name: int(groups[name]) for name in ("year", "month", "day") if name in groups}
    return any(all(getattr(day, name) == value for name, value in parts.items()) for day in dates)
