from __future__ import annotations

import datetime as dt
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelflow.archive.template import Fields, KeyTemplate
from steelflow.errors import ConfigError

DEFAULT = "line={line}/date={date}/coil={coil}/{name}"
NIGHT = dt.date(2026, 11, 18)


@pytest.mark.parametrize(
    ("template", "key", "fields"),
    [
        (DEFAULT, "line=L1/date=2026-11-18/coil=C7/a.jpg", Fields("L1", NIGHT, "C7")),
        (DEFAULT, "line=L1/date=20261118/coil=C7/a/b.jpg", Fields("L1", NIGHT, "C7")),
        (DEFAULT, "line=L1/date=2026-11-18/night.tar", None),
        (DEFAULT, "line=L1/date=2026-02-30/coil=C7/a.jpg", None),
        (DEFAULT, "line=L/1/date=2026-11-18/coil=C7/a.jpg", None),
        ("cam-{line}_{date}/{name}", "cam-a_b_2026-11-18/x.jpg", Fields("a_b", NIGHT)),
        ("{name}", "any/thing.jpg", Fields()),
        ("{coil}/{position}_{name}", "C7/-12.50_x.jpg", Fields(coil="C7", position=-12.5)),
        ("{coil}_{position}_{name}", "C7_odd_12_3_x.jpg", Fields(coil="C7_odd", position=12.0)),
        ("{coil}/{position}.{name}", "C7/12.5.jpg", Fields(coil="C7", position=12.5)),
        (
            "{captured_at}-{name}",
            "20261118T231500Z-x.jpg",
            Fields(captured_at=dt.datetime(2026, 11, 18, 23, 15, tzinfo=dt.UTC)),
        ),
        (
            "{captured_at}-{name}",
            "2026-11-18T23:15:00.25+01:00-x.jpg",
            Fields(captured_at=dt.datetime(2026, 11, 18, 22, 15, 0, 250_000, tzinfo=dt.UTC)),
        ),
        (
            "{captured_at}-{name}",
            "2026-11-18T23:15:00-x.jpg",
            Fields(captured_at=dt.datetime(2026, 11, 18, 23, 15, tzinfo=dt.UTC)),
        ),
        ("{captured_at}-{name}", "00010101T000000+23:00-x.jpg", None),
        (
            "{coil}/{camera}-{side}/{frame}_{name}",
            "C7/cam-2-top/000123_x.jpg",
            Fields(coil="C7", camera="cam", side="2-top", frame=123),
        ),
        ("{camera}/{frame}.{name}", "cam2/000000000.jpg", Fields(camera="cam2", frame=0)),
        ("{camera}/{frame}.{name}", "cam2/-1.jpg", None),
        ("{camera}/{frame}.{name}", "cam2/1234567890.jpg", None),
        ("a.b/{coil}+/{name}", "a.b/C7+/x", Fields(coil="C7")),
        ("a.b/{coil}+/{name}", "axb/C7+/x", None),
        ("{coil}/{name}", "C\n7/x\ny.jpg", Fields(coil="C\n7")),
    ],
)
def test_match(template: str, key: str, fields: Fields | None) -> None:
    assert KeyTemplate(template).match(key) == fields


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("", "empty"),
        ("{coil", "unbalanced {"),
        ("coil}/{name}", "unbalanced }"),
        ("{{coil}}/{name}", "unbalanced {"),
        ("{roll}/{name}", "unknown field {roll}; the fields are {line}, {date}"),
        ("{}/{name}", "field without a name"),
        ("{coil}/{coil}/{name}", "{coil} occurs twice"),
        ("{name}/{name}", "{name} occurs twice"),
        ("{line}/{date}", "must end with {name}"),
        ("{name}.jpg", "must end with {name}"),
        ("{coil}{position}_{name}", "two fields have nothing between them"),
        ("/{line}/{name}", "extra /"),
        ("{line}//{name}", "extra /"),
        ("{line}/{date}_{name}", "{date} is in the file name"),
    ],
)
def test_a_malformed_template_is_refused_in_one_line(template: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KeyTemplate(template)
    assert says in str(caught.value)
    assert repr(template) in str(caught.value)
    assert "\n" not in str(caught.value)


value = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(value, st.dates(), value, st.text(min_size=1))
def test_the_fields_of_a_key_are_read_back(line: str, date: dt.date, coil: str, name: str) -> None:
    key = f"line={line}/date={date.isoformat()}/coil={coil}/{name}"
    line, coil = (unicodedata.normalize("NFC", text) for text in (line, coil))
    assert KeyTemplate(DEFAULT).match(key) == Fields(line, date, coil)


parts = st.sampled_from(["a", "coil=1", "coil=2", "date=2026-11-18", "date=2026-02-30", "line=1", ""])


@pytest.mark.parametrize("template", [DEFAULT, "{name}", "{coil}/{name}", "{coil}/{position}_{name}"])
@given(st.lists(st.lists(parts, min_size=1, max_size=6).map("/".join), max_size=8))
def test_an_answer_does_not_depend_on_the_keys_before(template: str, keys: list[str]) -> None:
    used = KeyTemplate(template)
    assert [used.match(key) for key in keys] == [KeyTemplate(template).match(key) for key in keys]


@pytest.mark.parametrize(
    ("template", "key", "fields"),
    [
        ("line={line}/coil={coil}/{position}m_{name}", "line=L1/coil=C7/images.tar", Fields("L1", coil="C7")),
        ("line={line}/coil={coil}/{position}m_{name}", "line=L1/coil=C7/deep/x.jpg", Fields("L1", coil="C7")),
        ("line={line}/coil={coil}/{position}m_{name}", "line=L1/images.tar", None),
        ("date={date}/{position}m_{name}", "date=2026-02-30/images.tar", None),
        ("{captured_at}_{name}", "images.tar", Fields()),
    ],
)
def test_folders_say_what_they_can(template: str, key: str, fields: Fields | None) -> None:
    assert KeyTemplate(template).match(key) is None
    assert KeyTemplate(template).of_folders(key) == fields


@pytest.mark.parametrize("template", ["{line}-{coil}-{position}-{captured_at}-{date}/{name}", DEFAULT])
@pytest.mark.parametrize("part", ["-", "1-", "line=", "/", "line=/date=", "20261118T000000-", "1.1-"])
def test_a_hostile_key_does_not_make_a_match_slow(template: str, part: str) -> None:
    start = time.process_time()
    KeyTemplate(template).match(part * 100_000)
    assert time.process_time() - start < 0.5
