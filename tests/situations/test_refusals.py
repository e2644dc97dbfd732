"""One object is not the store: what a store says about an object fails this object; what it says of a key stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from archives import JPEG, PNG, tar
from plain_s3 import KEY, SECRET, Answer, PlainS3, refusal
from plants import NIGHT, local_settings
from refusals import EVERYTHING, ONE_OBJECT, Everything, OneObject

from steelflow.config import ArchiveSettings, Settings
from steelflow.errors import AccessDenied, StoreError
from steelflow.night.run import NightResult, inspect_night
from steelflow.report.reader import ReportReader
from steelflow.store import open_store

FOLDER = f"line=L1/date={NIGHT}/coil=C1/"
ODD = f"{FOLDER}odd.jpg"


@pytest.fixture
def server() -> Iterator[PlainS3]:
    with PlainS3({ODD: JPEG, **{f"{FOLDER}{number}.png": PNG for number in range(4)}}) as server:
        yield server


@pytest.fixture
def settings(server: PlainS3, tmp_path: Path) -> Settings:
    return local_settings(tmp_path, tmp_path / "report").model_copy(
        update={"archive": ArchiveSettings(uri="s3://images"), "store": server.settings}
    )


def rows(settings: Settings) -> pl.DataFrame:
    return ReportReader(open_store(settings.report.uri, settings.store)).images([NIGHT]).collect()


def row(settings: Settings, key: str = ODD) -> str:
    (found,) = rows(settings).filter(pl.col("object_key") == key)["error"]
    return found or "ok"


@pytest.mark.parametrize("case", ONE_OBJECT.values(), ids=ONE_OBJECT.keys())
def test_what_is_said_of_one_object_concerns_this_object(case: OneObject, server: PlainS3, settings: Settings) -> None:
    server.answers[ODD] = case.answer
    result = inspect_night(settings, NIGHT)
    failed = case.code != "ok"
    assert (result.found, result.failed) == (5, int(failed))
    assert row(settings).startswith(case.code)
    assert case.says in row(settings)
    assert result.state == ("incomplete" if failed else "complete")
    assert [ODD in one and case.code in one for one in result.missing] == [True] * failed
    record = json.loads(Path(str(result.run_record)).read_text())
    assert (record["state"], record["failed"]) == (result.state, int(failed))


def test_an_object_is_looked_at_again_when_it_can_be_read(server: PlainS3, settings: Settings) -> None:
    server.answers[ODD] = refusal(403, "InvalidObjectState")
    assert inspect_night(settings, NIGHT).failed == 1
    again = inspect_night(settings, NIGHT)
    assert (again.judged, again.failed, again.state) == (0, 1, "incomplete")
    del server.answers[ODD]
    restored = inspect_night(settings, NIGHT)
    assert (restored.failed, restored.state) == (0, "complete")


@pytest.mark.parametrize("code", ["InvalidObjectState", "AccessDenied"])
def test_a_shard_that_is_refused_is_named(code: str, server: PlainS3, settings: Settings) -> None:
    shard = f"{FOLDER}a.tar"
    server.objects[shard] = tar({"a.png": PNG})
    server.answers[shard] = refusal(403, code)
    result = inspect_night(settings, NIGHT)
    assert (result.found, result.failed, result.state) == (6, 1, "incomplete")
    assert shard in "".join(result.missing)


def test_an_object_that_is_replaced_while_the_night_runs(server: PlainS3, settings: Settings) -> None:
    server.before = lambda key: server.objects.update({ODD: PNG[:-1] + b"x"}) if key == ODD else None
    first = inspect_night(settings, NIGHT)
    assert (first.failed, first.state) == (1, "incomplete")
    assert row(settings).startswith("changed: was replaced")
    server.before = lambda key: None
    server.objects[ODD] = PNG
    assert inspect_night(settings, NIGHT).state == "complete"


@pytest.mark.parametrize("case", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_what_is_said_to_all_requests_stops_with_its_own_advice(
    case: Everything, server: PlainS3, settings: Settings
) -> None:
    server.answers["*"] = case.answer
    with pytest.raises(StoreError) as caught:
        inspect_night(settings, NIGHT)
    message = str(caught.value)
    assert case.says in message
    assert case.never not in message
    assert "\n" not in message
    assert SECRET not in message
    for key in (ODD, f"{FOLDER}1.png"):
        with pytest.raises(StoreError, match=case.says.replace("(", r"\(")):
            open_store("s3://images", server.settings).get(key)


def test_a_key_that_is_revoked_while_the_night_runs_stops_it(server: PlainS3, settings: Settings) -> None:
    server.before = lambda key: server.answers.update({"*": refusal(403, "InvalidAccessKeyId")})
    with pytest.raises(AccessDenied, match="does not know this key"):
        inspect_night(settings, NIGHT)
    assert not list(Path(settings.report.uri).rglob("*.json"))


def test_a_policy_that_lists_and_gives_nothing_stops(server: PlainS3, settings: Settings) -> None:
    for number in range(60):
        server.objects[f"{FOLDER}n{number}.png"] = PNG
    server.answers |= dict.fromkeys(server.objects, refusal(403, "AccessDenied"))
    with pytest.raises(AccessDenied, match="policy"):
        inspect_night(settings, NIGHT)


def test_a_tar_that_is_called_packed_is_read_as_it_is(server: PlainS3, settings: Settings) -> None:
    server.objects = {f"{FOLDER}a.tar": tar({"a.png": PNG, "b.png": PNG})}
    server.answers[f"{FOLDER}a.tar"] = Answer(headers={"Content-Encoding": "gzip"})
    result: NightResult = inspect_night(settings, NIGHT)
    assert (result.found, result.failed, result.state) == (2, 0, "complete")


def test_the_key_is_in_no_message(server: PlainS3) -> None:
    server.answers["*"] = refusal(403, "SignatureDoesNotMatch", f"<AWSAccessKeyId>{KEY}</AWSAccessKeyId>")
    with pytest.raises(AccessDenied) as caught:
        list(open_store("s3://images", server.settings).list())
    assert KEY not in str(caught.value)
