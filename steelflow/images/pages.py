"""The images of one file. A TIFF may have many: each is a row of its own, named by its page.

Other formats have one image here. An animated GIF, PNG or WebP is refused by ``decode``. The second picture of a JPEG
(MPO), and thumbnails and masks in a TIFF, are not images of the strip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from steelflow.images import tiff
from steelflow.images.tiff import TiffError
from steelflow.records import Failure

_PAGE = re.compile(r"(?:^|#)page=([1-9][0-9]{0,5})\Z")


def pages(data: bytes) -> Iterator[bytes | Failure] | None:
    """The images of a file with several: each as a file of its own, one at a time, or the failure in its place.

    None for a file that is one image, or is damaged before its second one: ``decode`` has the reason. The pages
    together are not larger than the file, so hostile ones that share pixels do not multiply them.
    """
    if not data.startswith(tiff.MAGIC):
        return None
    found = tiff.images(data)
    try:
        next(found)
    except (TiffError, StopIteration):
        return None
    try:
        if next(found, None) is None:
            return None
    except TiffError:
        pass  # one image, and a pointer to one that cannot be read
    return _pages(data)


def page_name(member: str | None, number: int) -> str:
    """The name of page ``number``, counted from 1: ``page=2`` of an object, ``name#page=2`` of a shard's member."""
    return f"page={number}" if member is None else f"{member}#page={number}"


def page_number(member: str | None) -> int | None:
    """The page that a loose object's ``member`` names; None if it names none."""
    found = None if member is None else _PAGE.match(member)
    return None if found is None else int(found[1])


def _pages(data: bytes) -> Iterator[bytes | Failure]:
    left = len(data)
    found = tiff.images(data)
    while True:
        try:
            one = next(found, None)
        except TiffError as exc:  # the later ones cannot be found
            yield exc.failure
            return
        if one is None:
            return
        try:
            left -= sum(size for _, size in one.segments())
            if left < 0:
                yield Failure("overlap", "shares its pixels with other pages of the file; write the file again")
                continue
            yield tiff.alone(one)
        except TiffError as exc:
            yield exc.failure
