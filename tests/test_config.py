"""Settings: where they come from, what they refuse, and what they never show."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from steelflow.config import Settings, load_settings
from steelflow.errors import ConfigError
from steelflow.night.dates import night_of

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text)
    return file


def test_file_over_defaults_and_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, '[store]\nregion = "file"\nretries = 3\n')
    monkeypatch.setenv("STEELFLOW_STORE__REGION", "environment")
    store = load_settings(file).store
    assert (store.region, store.retries, store.concurrency) == ("environment", 3, 16)


def test_the_documented_file_is_the_defaults() -> None:
    documented = tomllib.loads((ROOT / "infra" / "steelflow.toml").read_text())
    defaults = Settings().model_dump(mode="json")
    for section, values in documented.items():
        if isinstance(values, dict):
            assert values == {key: defaults[section][key] for key in values}, section
        else:
            assert values == defaults[section]


def test_the_documented_file_names_every_setting() -> None:
    section, named = "", set()
    for line in (ROOT / "infra" / "steelflow.toml").read_text().splitlines():
        if table := re.match(r"\[([a-z.]+)\]", line):
            section = table[1]
            named.add(section)
        elif setting := re.match(r"(?:# )?([a-z_]+) = ", line):
            named.add(f"{section}.{setting[1]}" if section else setting[1])
    fields = {"home"}
    for name, values in Settings().model_dump().items():
        fields |= {f"{name}.{field}" for field in values} if isinstance(values, dict) else set()
    assert fields - named == set()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[store]\nretries = -1\n", ("store.retries", "greater than or equal to 0")),
        ("[archive]\nurl = 's3://x'\n", ("archive.url", "no such setting")),
        ("[night]\ntimezone = 'Mars/Olympus'\n", ("night.timezone", "Europe/Berlin")),
        ("[night]\ncron = 'half past one'\n", ("night.cron", "30 1 * * *")),
        ("[model]\nengine = 'abacus'\n", ("model.engine", "onnxruntime")),
        ("[[rolls]]\nname = 'S3'\n", ("rolls.0", "'S3'", "circumference_mm or diameter_mm")),
        ("[[rolls]]\nname = 'S3'\ndiameter_mm = 1\ncircumference_mm = 3\n", ("rolls.0", "either")),
        ("[[rolls]]\nname = 'S3'\ndiameter_mm = -600\n", ("rolls.0.diameter_mm", "greater than 0")),
        ("[marks]\nshortest_mm = 9000\n", ("marks", "below longest_mm (7500)")),
        ("[marks]\nposition_mm = 50\n", ("marks", "six times position_mm (50)")),
        ("[[severity]]\nclasses = ['rust']\n", ("severity.0.severity", "required")),
        ("[[severity]]\nseverity = 'a'\nsides = ['left']\n", ("severity.0.sides.0", "'top' or 'bottom'")),
        ("[[severity]]\nseverity = 'a'\nmin_size = 3\n", ("severity.0.min_size", "no such setting")),
        ("not toml", ("settings.toml", "TOML")),
        ("[store]\ncredentials_file = 'nowhere.toml'\n", ("nowhere.toml", "access_key and secret_key")),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_setting_that_is_gone_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    file = written(tmp_path, "[dashboard]\ngood_classes = ['fine']\n" if place == "file" else "")
    if place == "environment":
        monkeypatch.setenv("STEELFLOW_DASHBOARD__GOOD_CLASSES", '["fine"]')
    with pytest.raises(
        ConfigError, match=r"dashboard\.good_classes: the model knows its good classes.*remove"
    ) as caught:
        load_settings(file)
    assert "\n" not in str(caught.value)


def test_a_secret_in_a_uri_is_refused_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "[archive]\nuri = 's3://someone:s3cr3t@bucket/x'\n")
    with pytest.raises(ConfigError, match="contains credentials") as caught:
        load_settings(file)
    assert "s3cr3t" not in str(caught.value)
    monkeypatch.setenv("STEELFLOW_STORE", "secret_key=s3cr3t")
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, ""))
    assert "s3cr3t" not in str(caught.value)


def test_credentials_from_a_file_and_from_the_usual_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('access_key = "from-file"\nsecret_key = "s3cr3t"\n')
    store = load_settings(written(tmp_path, f"[store]\ncredentials_file = '{keys}'\n")).store
    assert store.access_key == "from-file"
    assert store.secret_key is not None
    assert store.secret_key.get_secret_value() == "s3cr3t"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-aws")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = load_settings(written(tmp_path, "")).store
    assert (store.access_key, store.endpoint) == ("from-aws", "http://127.0.0.1:9")
    assert "s3cr3t" not in repr(store)


@pytest.mark.parametrize(
    ("moment", "night"),
    [
        ("2026-11-02T01:30", "2026-11-01"),
        ("2026-11-02T06:00", "2026-11-01"),
        ("2026-11-01T22:00", "2026-11-01"),
        ("2026-03-29T01:30", "2026-03-28"),  # the hour that summer time skips comes after it
    ],
)
def test_a_moment_belongs_to_a_night(moment: str, night: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    local = dt.datetime.fromisoformat(moment).replace(tzinfo=berlin)
    assert night_of(local, berlin) == night_of(local.astimezone(dt.UTC), berlin) == dt.date.fromisoformat(night)
