"""Groups: pictures of one frame, tile or coil, which never come into two parts of a split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from steelflow.errors import ConfigError

_TILE = re.compile(r"_num_(\d+)")  # magnetic tile


def rule_of(pattern: str | None) -> re.Pattern[str] | None:
    """The rule ``--group-by``. Raises ``ConfigError`` if it is not a regular expression."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as exc:
        raise ConfigError(f"--group-by {pattern!r} is not a regular expression: {exc}") from exc


def group_of(path: str, rule: re.Pattern[str] | None = None) -> str:
    """The group of the picture at ``path``: the first group of the rule's match, or all of the match.

    Without a rule, or where it does not match: the tile's number of a name such as ``exp1_num_4711.jpg``, a folder
    ``coil=…``, a folder ``frame=…``, or else the path without its suffix.
    """
    if rule is not None and (match := rule.search(path)):
        return match[1] if rule.groups and match[1] is not None else match[0]
    if match := _TILE.search(PurePosixPath(path).name):
        return f"num {match[1]}"
    folders = PurePosixPath(path).parts[:-1]
    for kind in ("coil=", "frame="):
        for folder in folders:
            if folder.startswith(kind):
                return folder
    return str(PurePosixPath(path).with_suffix(""))


def joined(groups: Sequence[str], digests: Sequence[bytes], pairs: Iterable[tuple[int, int]] = ()) -> list[str]:
    """The groups, where pictures with the same bytes, and the ``pairs`` of indices, share one: of the groups that they
    join, the first by name."""
    first: dict[bytes, int] = {}
    same = [(first.setdefault(digest, index), index) for index, digest in enumerate(digests)]
    parent = {group: group for group in groups}
    for a, b in (*same, *pairs):
        one, other = sorted((_top(parent, groups[a]), _top(parent, groups[b])))
        parent[other] = one
    return [_top(parent, group) for group in groups]


def _top(parent: dict[str, str], group: str) -> str:
    while parent[group] != group:
        parent[group] = parent[parent[group]]  # halves the way of the next search
        group = parent[group]
    return group
