"""Legal tars are read whole and in silence; what cannot be read is named, with the right advice."""

from __future__ import annotations

import pytest
from archives import PNG
from memory import MemoryStore
from packed import END, header, padded
from tars import LINKED, TARS, TWO, Tar, linked
from test_archives import LIMITS, read, verdict

from steelflow.archive.fetch import fetch_image
from steelflow.records import Failure


@pytest.mark.parametrize("case", TARS.values(), ids=TARS.keys())
def test_a_tar_however_it_was_packed(case: Tar) -> None:
    rows, _ = read({"n.tar": case.data})
    assert tuple((row.member, verdict(row)) for row in rows) == case.rows
    store = MemoryStore({"n.tar": case.data})
    for row in rows:  # and the dashboard finds each of them again
        assert fetch_image(store, row.key, row.member, row.ordinal, LIMITS) == row.data


def test_a_hard_link_has_the_bytes_of_its_target() -> None:
    rows, _ = read({"n.tar": LINKED})
    assert [row.data for row in rows] == [PNG] * 4


@pytest.mark.parametrize(
    ("member", "advice"),
    [
        (linked(b"c.png", b"x.png"), "--hard-dereference"),
        (linked(b"c.png", b"x.png", b"2"), "tar --dereference"),
        (linked(b"c.png", b"", b"3"), "leave it out"),
    ],
)
def test_the_advice_is_of_the_kind_of_link(member: bytes, advice: str) -> None:
    *_, row = read({"n.tar": TWO + member + END})[0]
    assert isinstance(row.data, Failure)
    assert advice in row.data.detail


def test_a_million_links_to_a_large_image_are_bounded() -> None:
    large = PNG + bytes(1 << 20)
    data = header(b"a.png", len(large)) + padded(large) + linked(b"b.png", b"a.png") * 100 + END
    codes = [verdict(row) for row in read({"n.tar": data})[0]]
    assert codes.count("ok") < 80
    assert codes.count("link") == 101 - codes.count("ok")
