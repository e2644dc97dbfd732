"""The tar reader against the standard library's on whole archives, and against the truth on broken ones."""

from __future__ import annotations

import gzip
import io
import random
import tarfile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packed import END, FORMATS, IMAGE, Packed, codes, good, header, padded, read

from steelflow.archive import gunzip, tar
from steelflow.archive.carried import container
from steelflow.archive.names import Ignored, is_other, kind_of
from steelflow.archive.sniff import looks_like_image
from steelflow.config import LimitSettings


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    """A pax header; each record is ``key=value``."""
    data = b""
    for record in records:
        length = len(record) + 3
        length += len(str(length)) - 1
        data += b"%d %s\n" % (length, record)
    return pax_raw(data, kind)


def pax_raw(data: bytes, kind: bytes = b"x") -> bytes:
    return header(b"pax", len(data), kind) + padded(data)


names = st.builds(
    lambda folder, stem, suffix: folder + stem + suffix,
    st.sampled_from(["", "./", "/", "../", "coil=C7/", "ä" * 60 + "/", "d" * 140 + "/"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=120),
    st.sampled_from([".jpg", ".PNG", ".txt", ""]),
)
members = st.lists(st.tuples(names, st.binary(max_size=1500)), max_size=8)


@settings(deadline=None)
@given(members, st.sampled_from(FORMATS), st.booleans())
def test_whole_archives_read_as_with_tarfile(entries: list[tuple[str, bytes]], layout: int, packed: bool) -> None:
    assume(all(kind_of(name) in (None, "image") and container(data) is None for name, data in entries))
    made = Packed(layout)
    try:
        for name, data in entries:
            made.add(name, data)
    except ValueError:
        assume(False)  # a name that ustar cannot hold
    content = made.done()
    with tarfile.open(fileobj=io.BytesIO(content)) as oracle:
        files = [(m.name, oracle.extractfile(m).read()) for m in oracle if m.isreg()]  # type: ignore[union-attr]
    ignored = Ignored()
    rows = read(gzip.compress(content) if packed else content, ignored=ignored)
    expected = [
        (name, data) for name, data in files if kind_of(name) == "image" or (is_other(name) and looks_like_image(data))
    ]
    assert good(rows) == expected
    assert codes(rows) == []
    assert ignored.count == len(files) - len(expected)


def mixed(layout: int) -> Packed:
    rng = random.Random(7)
    made = Packed(layout)
    made.add("folder", type=tarfile.DIRTYPE)
    made.add("0.jpg", rng.randbytes(700))
    made.add("notes.txt", rng.randbytes(1100))
    made.add("é" * 30 + "/1.jpg" if layout == tarfile.USTAR_FORMAT else "é" * 150 + "/1.jpg", rng.randbytes(512))
    made.add("0.jpg", rng.randbytes(1))
    made.add("folder/notes.txt", b"")
    made.add("folder/2.jpg", rng.randbytes(1024))
    return made


def expected_of_cut(made: Packed, cut: int) -> tuple[list[tuple[str | None, bytes]], int]:
    complete: list[tuple[str | None, bytes]] = [(name, data) for name, data, end in made.ends if end <= cut]
    return complete, 0 if cut >= made.end + 512 else 1


@pytest.mark.parametrize("layout", FORMATS)
def test_a_cut_anywhere_loses_nothing_silently(layout: int) -> None:
    made = mixed(layout)
    content = made.done()
    rng = random.Random(3)
    cuts = {*range(0, len(content), 512), *(rng.randrange(made.end + 600) for _ in range(400))}
    for cut in sorted(cuts):
        rows = read(content[:cut])
        complete, failures = expected_of_cut(made, cut)
        assert good(rows) == complete, cut
        assert len(codes(rows)) == failures, cut
        assert cut or codes(rows) == [(None, "empty")]


@pytest.mark.parametrize("layout", FORMATS)
def test_a_cut_gzip_loses_nothing_silently(layout: int) -> None:
    made = mixed(layout)
    content = made.done()
    packed = gzip.compress(content)
    everything = good(read(packed))
    assert everything == [(name, data) for name, data, _ in made.ends]
    for cut in range(0, len(packed), 7):
        rows = read(packed[:cut])
        assert good(rows) == everything[: len(good(rows))]
        assert len(codes(rows)) == (1 if len(good(rows)) < len(everything) else len(codes(rows)))
        assert len(codes(rows)) <= 1


@pytest.mark.parametrize("layout", FORMATS)
def test_a_flipped_byte_in_a_header_is_noticed(layout: int) -> None:
    made = mixed(layout)
    content = made.done()
    whole = good(read(content))
    with tarfile.open(fileobj=io.BytesIO(content)) as oracle:
        headers = [m.offset_data - 512 for m in oracle]
    rng = random.Random(5)
    for start in [*headers, made.end, made.end + 512]:
        for place in rng.sample(range(512), 40):
            broken = bytearray(content)
            broken[start + place] ^= 1 << rng.randrange(8)
            rows = read(bytes(broken))
            assert good(rows) == whole or codes(rows) == [(None, "shard_corrupt")]


def test_a_flipped_byte_in_a_gzip_is_noticed() -> None:
    packed = gzip.compress(mixed(tarfile.GNU_FORMAT).done(), mtime=0)
    whole = good(read(packed))
    for place in range(10, len(packed), 3):
        broken = bytearray(packed)
        broken[place] ^= 0x10
        rows = read(bytes(broken))
        assert good(rows) == whole or codes(rows), place


def test_cut_members_and_shards_are_named() -> None:
    content = IMAGE + header(b"b.jpg", 2000) + b"x" * 700
    assert codes(read(content)) == [("b.jpg", "truncated")]
    assert codes(read(content.replace(b"b.jpg", b"b.txt"))) == [(None, "shard_corrupt")]  # its checksum is off now
    assert codes(read(IMAGE)) == [(None, "shard_cut")]
    assert codes(read(IMAGE + header(b"b.txt", 2000) + b"x" * 700)) == [(None, "shard_cut")]
    assert codes(read(IMAGE + header(b"b.jpg", 30_000) + b"x" * 700)) == [("b.jpg", "truncated")]
    assert codes(read(b"not a tar" * 100)) == [(None, "shard_corrupt")]


def test_what_is_no_plain_file_is_a_failure_when_named_like_an_image() -> None:
    made = Packed(tarfile.GNU_FORMAT)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        made.add(f"{kind[0]}.jpg", type=kind, linkname="t" * 150)
        made.add(f"{kind[0]}.txt", type=kind)
    made.add("big.jpg", bytes(20_001)).add("last.jpg", b"abc").add("seven.jpg", b"xyz", type=tarfile.CONTTYPE)
    ignored = Ignored()
    rows = read(made.done(), ignored=ignored)
    assert codes(rows) == [*((f"{n}.jpg", "link") for n in (50, 49, 51, 52, 54)), ("big.jpg", "too_large")]
    assert good(rows) == [("last.jpg", b"abc"), ("seven.jpg", b"xyz")]
    assert ignored.count == 5


def test_sparse_files_are_failures_and_what_follows_is_read() -> None:
    old = header(b"s.jpg", 700, b"S", o482=b"\1") + bytes(504) + b"\1" + bytes(7) + bytes(512) + padded(b"x" * 700)
    new = pax(b"GNU.sparse.major=1", b"GNU.sparse.name=real/name.jpg")
    new += header(b"GNUSparseFile.0/name.jpg", 700) + padded(b"x" * 700)
    rows = read(old + new + IMAGE + END)
    assert codes(rows) == [("s.jpg", "sparse"), ("real/name.jpg", "sparse")]
    assert good(rows) == [("a.jpg", b"abc")]


def test_old_and_odd_headers() -> None:
    binary = header(b"binary.jpg", o124=b"\x80" + bytes(10) + b"\3") + padded(b"abc")
    v7 = header(b"v7.jpg", 3, b"\0", o257=bytes(8)) + padded(b"abc")
    folder = header(b"v7.jpg/", 3, b"\0", o257=bytes(8))
    spaces = header(b"spaces.jpg", o124=b"         3 \0") + padded(b"abc")
    latin = header(b"\xfcberwalzung.jpg", 3) + padded(b"abc")
    signed = bytearray(latin)
    signed[148:156] = b"%06o\0 " % (sum(latin) - sum(latin[148:156]) + 256 - 256 - sum(b"abc"))
    prefix = header(b"p.jpg", 3, o345=b"some/folder") + padded(b"abc")
    gnu = header(b"gnu.jpg", 3, o257=b"ustar  \0", o345=b"14000000000") + padded(b"abc")
    rows = read(binary + v7 + folder + spaces + latin + bytes(signed) + prefix + gnu + END)
    assert codes(rows) == []
    assert [row.member for row in rows] == [
        "binary.jpg",
        "v7.jpg",
        "spaces.jpg",
        "\\xfcberwalzung.jpg",
        "\\xfcberwalzung.jpg",
        "some/folder/p.jpg",
        "gnu.jpg",
    ]


def test_pax_and_gnu_headers() -> None:
    sized = pax(b"size=3", "path=ä/b.jpg".encode()) + header(b"short.jpg", 0) + padded(b"abc")
    everywhere = pax(b"comment=hi", b"size=3", kind=b"g")
    binary = pax(b"path=\xff\xfe.jpg") + header(b"x.jpg", 9) + padded(b"abc")
    rows = read(everywhere + sized + binary + IMAGE + END)
    assert codes(rows) == []
    assert [row.member for row in rows] == ["ä/b.jpg", "\\xff\\xfe.jpg", "a.jpg"]
    for damaged in (
        b"99 path=x\n",
        b"0 path=x\n",
        b"path=x\n",
        b"-9 path=x\n",
        b"9 size=x\n",
        b"11 path=abc",
        b"\xb2 a=\n",
    ):
        assert codes(read(pax_raw(damaged) + IMAGE + END)) == [(None, "shard_corrupt")], damaged
    huge = tar.MAX_HEADER + 1
    assert codes(read(header(b"pax", huge, b"x") + padded(bytes(huge)) + IMAGE + END)) == [(None, "shard_corrupt")]
    long = b"n" * 3_000 + b".jpg"
    assert read(header(b"l", len(long), b"L") + padded(long) + IMAGE + END)[0].member == long.decode()
    longer = b"n" * 100_000 + b".jpg"  # kept short: thousands of rows are in memory at once
    member = read(header(b"l", len(longer), b"L") + padded(longer) + IMAGE + END)[0].member
    assert member is not None
    assert len(member) < 4_200
    assert member.endswith("n.jpg")


def test_invalid_numbers_are_damage() -> None:
    for field_ in (b"-0000000001\0", b"12x\0", b"\xff" * 12, b"0000000009\0\0"):
        assert codes(read(header(b"a.jpg", o124=field_) + END)) == [(None, "shard_corrupt")]
    endless = header(b"a.jpg", o124=b"\x80" + b"\x7f" * 11)
    assert codes(read(endless + END)) == [("a.jpg", "truncated")]


def test_the_end_of_the_archive() -> None:
    assert read(END) == []
    assert codes(read(IMAGE + END + b"garbage" * 300)) == []
    assert codes(read(IMAGE + bytes(512))) == []
    assert codes(read(IMAGE + bytes(512) + IMAGE + END)) == [(None, "shard_corrupt")]  # a hole
    assert codes(read(IMAGE + bytes(512) + b"data" * 400)) == [(None, "shard_corrupt")]  # a header lost
    assert codes(read((IMAGE + bytes(9216)) * 2)) == [(None, "shard_corrupt")]  # two archives joined
    assert codes(read(IMAGE + bytes(tar.MAX_PADDING + 512))) == [(None, "shard_corrupt")]  # a copy that broke off


def test_gzip_in_pieces_with_a_tail() -> None:
    content = IMAGE * 3 + END
    pieces = gzip.compress(content[:700]) + gzip.compress(b"") + gzip.compress(content[700:])
    assert len(good(read(pieces, "n.tgz"))) == 3
    assert codes(read(pieces + bytes(100), "n.tgz")) == []
    assert codes(read(pieces + b"trailing", "n.tgz")) == []
    assert codes(read(gzip.compress(IMAGE), "n.tgz")) == [(None, "shard_cut")]
    assert codes(read(b"\x1f\x8bnot gzip at all" * 9, "n.tgz")) == [(None, "shard_corrupt")]


@pytest.mark.parametrize("end", [-1, 0, 1, 2])
def test_a_gzip_piece_may_end_anywhere_in_what_is_read_at_once(end: int) -> None:
    """The next piece begins up to two bytes before the end of a read, or right after it."""
    content = mixed(tarfile.GNU_FORMAT).done()
    filler = header(b"filler.txt", 258_048) + bytes(258_048)
    first = gzip.compress(filler, 0, mtime=0)
    name = bytes(gunzip._INPUT - len(first) - 1 + end)  # a name in the header of the piece makes up the length
    first = first[:3] + b"\x08" + first[4:10] + name.replace(b"\0", b"n") + b"\0" + first[10:]
    assert len(first) == gunzip._INPUT + end
    expected = read(content)
    assert good(read(first + gzip.compress(content), "n.tgz")) == good(expected)
    assert codes(read(first + gzip.compress(content), "n.tgz")) == codes(expected)


def test_a_gzip_bomb_is_left_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "FLOOR", 1 << 20)
    bomb = gzip.compress(header(b"a.txt", 8 << 20) + bytes(8 << 20) + IMAGE + END)
    assert codes(read(bomb, "n.tgz")) == [(None, "bomb")]
    assert good(read(bomb, "n.tgz", limits=LimitSettings(expansion=1100))) == [("a.jpg", b"abc")]


def test_the_bytes_decide_on_the_format_not_the_name() -> None:
    content = IMAGE + END
    assert good(read(gzip.compress(content), "n.tar")) == good(read(content, "n.tgz")) == [("a.jpg", b"abc")]
