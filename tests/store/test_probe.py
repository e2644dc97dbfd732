"""`steelflow doctor` names what a store does wrong. Each lie of the small server is one that a real one may tell."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lying_s3 import BUCKET, LyingS3
from typer.testing import CliRunner

from steelflow.archive.discovery import discover
from steelflow.archive.template import KeyTemplate
from steelflow.cli.main import app
from steelflow.errors import StoreError
from steelflow.store import open_store
from steelflow.store.local import LocalStore
from steelflow.store.probe import probe, probe_readonly
from steelflow.store.s3 import S3Store

FINE = {"listing", "ranges", "conditional writes", "clock"}
LIES = [
    ("delimiter", "listing", "does not name that folder|names no folder"),
    ("delimiter-ignored", "listing", "does not name that folder|names no folder"),
    ("pages-end", "listing", r"in pages of 2 gave 2, 2 of them"),
    ("pages-repeated", "listing", r"in pages of 2 gave 10, 2 of them"),
    ("late", "listing", "does not list 5 of 5 objects"),
    ("twice", "listing", "lists an object twice"),
    ("size", "listing", "lists .* bytes, it has"),
    ("ranges-ignored", "ranges", "other bytes than the range"),
    ("ranges-shifted", "ranges", "other bytes than the range"),
    ("stale", "ranges", "still gives an object that was replaced"),
    ("condition-refuses-all", "conditional writes", "says that an object exists which does not"),
    ("condition-refused-and-done", "conditional writes", "replaced it all the same"),
    ("clock", "clock", r"clock of this machine is .* behind the clock of s3://images"),
]


@pytest.mark.parametrize(("lie", "name", "words"), LIES, ids=[lie for lie, _, _ in LIES])
def test_a_lie_of_the_store_is_named(lie: str, name: str, words: str) -> None:
    with LyingS3(lie) as server:
        found = {one.name: one for one in probe(S3Store(BUCKET, "", server.settings))}
    assert found.keys() == FINE
    assert [one for one in found if not found[one].ok] == [name]
    assert re.search(words, found[name].text), found[name].text
    assert "\n" not in found[name].text


@pytest.mark.parametrize(
    ("lie", "says"), [(None, "honoured"), ("condition-ignored", "ignored"), ("condition-unknown", "refused")]
)
def test_what_the_store_does_with_conditions_is_what_ours_believes(lie: str | None, says: str) -> None:
    with LyingS3(lie) as server:
        store = S3Store(BUCKET, "", server.settings)
        found = probe(store)
        assert all(one.ok for one in found)
        assert next(one.text for one in found if one.name == "conditional writes").startswith(says)
        assert server.objects == {}
        assert store._conditional == (lie != "condition-unknown")


def test_a_folder_and_the_embedded_server_are_fine_and_nothing_is_left(
    tmp_path: Path, fresh_bucket: Callable[[], S3Store]
) -> None:
    for store, says in ((LocalStore(tmp_path / "a", create=True), "honoured"), (fresh_bucket(), "ignored")):
        found = probe(store)
        assert [one.text for one in found if not one.ok] == []
        assert found[2].text.startswith(says)
        assert list(store.list()) == []


@pytest.mark.parametrize(
    ("lie", "words"), [("delimiter", "folder"), ("delimiter-ignored", "folder"), ("ranges-ignored", "range")]
)
def test_an_archive_is_looked_at_without_a_write(lie: str, words: str) -> None:
    with LyingS3(lie) as server:
        server.objects = {"line=L1/date=2026-11-01/coil=C1/a.jpg": b"some bytes"}
        before = dict(server.objects)
        try:
            told = probe_readonly(S3Store(BUCKET, "", server.settings))
        except StoreError as exc:
            told = str(exc)
        assert told is not None
        assert words in told
        assert server.objects == before
        server.lie = None
        assert probe_readonly(S3Store(BUCKET, "", server.settings)) is None


@pytest.mark.parametrize("lie", ["delimiter", "delimiter-ignored"])
def test_a_night_is_not_empty_because_the_store_names_no_folder(lie: str) -> None:
    with LyingS3(lie) as server:
        server.objects = {"line=L1/date=2026-11-01/coil=C1/a.jpg": b"x"}
        store = open_store(f"s3://{BUCKET}", server.settings)
        with pytest.raises(StoreError, match=r"names no folder.*steelflow doctor"):
            discover(store, KeyTemplate("line={line}/date={date}/coil={coil}/{name}"))
        server.objects = {"readme.txt": b"x"}
        assert discover(store, KeyTemplate("line={line}/date={date}/coil={coil}/{name}")).partitions == ()


def doctor(config: Path) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, ["--config", str(config), "doctor", "--json"])
    return done.exit_code, json.loads(done.stdout)["checks"]


def test_doctor_says_it_of_archive_and_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELFLOW_STORE__ACCESS_KEY", "key")
    monkeypatch.setenv("STEELFLOW_STORE__SECRET_KEY", "secret")
    with LyingS3("pages-end") as server:
        config = tmp_path / "steelflow.toml"
        config.write_text(
            f'home = "{tmp_path}/home"\n[store]\nendpoint = "{server.settings.endpoint}"\n'
            f'[archive]\nuri = "s3://{BUCKET}/archive"\n[report]\nuri = "s3://{BUCKET}/report"\n'
        )
        code, checks = doctor(config)
        assert (code, checks["reports"]["ok"], checks["listing"]["ok"], checks["ranges"]["ok"]) == (
            1,
            True,
            False,
            True,
        )
        server.lie = None
        code, checks = doctor(config)
        assert (code, [name for name, check in checks.items() if not check["ok"]]) == (0, [])


def test_inspection_alone_needs_no_prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "prefect" else real(name, *a))
    (tmp_path / "archive").mkdir()
    config = tmp_path / "steelflow.toml"
    config.write_text(
        f'home = "{tmp_path}/home"\n[archive]\nuri = "{tmp_path}/archive"\n[report]\nuri = "{tmp_path}/report"\n'
    )
    code, checks = doctor(config)
    assert code == 0
    assert checks["prefect"]["ok"]
    assert "not used; Prefect is not installed" in checks["prefect"]["says"]
    assert not (tmp_path / "report").exists()
