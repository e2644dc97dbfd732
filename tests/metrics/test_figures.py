"""The figures of a plant, from its storage: as samples, as text, as a textfile and at a push gateway."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import logging
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from nights import night_rows, put_report
from plants import FAILED, FOUND, NIGHT, UNITS, local_settings, make_plant
from pydantic import SecretStr

from steelflow.config import MetricsSettings, Settings
from steelflow.labels.review import waiting
from steelflow.metrics import publish as publishing
from steelflow.metrics.figures import Figures, Sample, read_once
from steelflow.metrics.names import BY_NAME
from steelflow.metrics.publish import publish, write_textfile
from steelflow.metrics.server import MetricsServer, Watch
from steelflow.metrics.text import written
from steelflow.night.drift import check_drift
from steelflow.night.housekeeping import tidy
from steelflow.night.run import inspect_night
from steelflow.report.layout import progress_key
from steelflow.report.progress import NightProgress
from steelflow.report.reader import ReportReader
from steelflow.service.ports import Address
from steelflow.store import open_store
from steelflow.store.local import LocalStore

Found = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A plant with one night."""
    folder = tmp_path_factory.mktemp("plant")
    made = local_settings(make_plant(folder), folder / "report")
    inspect_night(made, NIGHT)
    return made


def found(samples: list[Sample]) -> Found:
    return {(sample.name.removeprefix("steelflow_"), *sample.labels): sample.value for sample in samples}


def test_the_figures_of_a_night(settings: Settings) -> None:
    seen = found(Figures(settings).read())
    assert sum(value for key, value in seen.items() if key[0] == "night_images") == FOUND
    assert sum(value for key, value in seen.items() if key[0] == "night_failures") == FAILED
    assert seen["night_failures", "L1", "truncated"] == 1
    assert seen["night_units", "done"] == UNITS
    assert {key[1] for key, value in seen.items() if key[0] == "night_state" and value} == {"complete"}
    assert {key[1:] for key, value in seen.items() if key[0] == "drift_verdict" and value} == {
        ("L1", "insufficient"), ("L2", "insufficient"),
    }  # fmt: skip
    assert seen["night_timestamp_seconds",] == dt.datetime(2026, 11, 1, tzinfo=dt.UTC).timestamp()
    assert seen["night_images_per_second",] == seen["night_judged_images",] / seen["night_seconds",]
    assert {key[1] for key in seen if key[0] == "night_stage_seconds"} == {"fetch", "decode", "infer", "write"}
    assert [key[2] for key in seen if key[0] == "model_info"] == ["steelnet"]
    assert ("last_success_timestamp_seconds", "nightly") in seen
    assert ("last_success_timestamp_seconds", "housekeeping") not in seen
    assert (seen["storage_up",], seen["night_running",], seen["labels_images",]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("flow", "work"),
    [
        ("drift-check", lambda settings: check_drift(settings, NIGHT)),
        ("housekeeping", lambda settings: tidy(settings, NIGHT)),
    ],
)
def test_the_last_success_of_a_flow_without_records(
    settings: Settings, flow: str, work: Callable[[Settings], object]
) -> None:
    before = found(Figures(settings).read()).get(("last_success_timestamp_seconds", flow), 0.0)
    work(settings)
    assert found(Figures(settings).read())["last_success_timestamp_seconds", flow] > before
    tidy(settings, NIGHT, dry_run=True)


def test_another_process_reads_the_same(settings: Settings) -> None:
    def lasting(samples: list[Sample]) -> Found:
        return {key: value for key, value in found(samples).items() if key[0] != "figures_timestamp_seconds"}

    figures = Figures(settings)
    assert lasting(figures.read()) == lasting(figures.read()) == lasting(Figures(settings).read())


def test_the_text_is_what_prometheus_reads(settings: Settings) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    samples = [*Figures(settings).read(), Sample("steelflow_drift_value", 0.5, ('a"b\\c\nd', "mix"))]
    families = list(text_string_to_metric_families(written(samples).decode()))
    assert all(family.documentation == BY_NAME[family.name].help for family in families)
    assert all(set(one.labels) == set(BY_NAME[one.name].labels) for family in families for one in family.samples)
    back = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    assert len(back) == len(samples)
    assert back["steelflow_drift_value", 'a"b\\c\nd', "mix"] == 0.5


def test_a_night_in_progress_and_one_that_was_killed(settings: Settings) -> None:
    store = open_store(settings.report.uri, settings.store, create=True)
    night = dt.date(2026, 11, 9)
    store.put(progress_key(night), NightProgress(night, "r", 2, 1, 3, 0, 4, 9, 50.0, 0.4, 20.0).to_json())
    store.put("locks/night-2026-11-09/token-000000001", b"{}")
    seen = found(Figures(settings).read())
    assert (seen["night_running",], seen["night_units_left", "2026-11-09"]) == (1, 4)
    assert (seen["night_progress_ratio", "2026-11-09"], seen["night_left_seconds", "2026-11-09"]) == (0.4, 20)
    store.delete("locks/night-2026-11-09/token-000000001")
    seen = found(Figures(settings).read())
    assert (seen["night_running",], seen["night_units_left", "2026-11-09"]) == (0, 4)
    store.delete(progress_key(night))
    assert not any(key[0] == "night_units_left" for key in found(Figures(settings).read()))


def test_what_waits_for_a_label_are_novel_images_without_one(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, create=True)
    rows = night_rows(200, seed=1).with_columns(pl.int_range(pl.len()).lt(30).alias("novel"))
    moment = pl.lit(dt.datetime(2026, 11, 2, tzinfo=dt.UTC)).alias("inferred_at")
    put_report(store, NIGHT, "L1", rows.with_columns(pl.lit(None, pl.String).alias("member"), moment))
    labelled = rows.select("object_key", pl.lit(None, pl.String).alias("member"), "ordinal")
    reader = ReportReader(store)
    assert [waiting(reader, part) for part in (labelled.clear(), labelled[:10], labelled[20:])] == [30, 20, 20]


def test_a_damaged_part_does_not_take_the_others_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = local_settings(make_plant(tmp_path), tmp_path / "report")
    inspect_night(settings, NIGHT)
    store = open_store(settings.report.uri, settings.store)
    for info in list(store.list("summaries/")):
        store.put(info.key, b"not parquet")
    with caplog.at_level(logging.WARNING):
        seen = found(Figures(settings).read())
    assert not any(key[0] == "night_images" for key in seen)
    assert seen["night_units", "done"] == UNITS
    assert "figures of images" in caplog.text


def test_no_storage_is_a_figure_too(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    seen = found(read_once(local_settings(tmp_path, blocked / "report")))
    assert seen["storage_up",] == 0


def test_the_textfile_is_replaced_and_others_may_read_it(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "steelflow.prom"
    file.write_text("old")
    publish(settings.model_copy(update={"metrics": MetricsSettings(textfile=file)}))
    assert b"steelflow_night_images{" in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_textfile_that_cannot_be_written_fails_no_night(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(settings.model_copy(update={"metrics": MetricsSettings(textfile=tmp_path / "no" / "x.prom")}))
    assert "not delivered" in caplog.text
    with pytest.raises(Exception, match="cannot be written"):
        write_textfile(tmp_path / "no" / "x.prom", [])


class _Gateway(BaseHTTPRequestHandler):
    status = 200
    seen: list[tuple[str, str | None, bytes]] = []  # noqa: RUF012  emptied by the fixture

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    _Gateway.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 500])
def test_the_push_gateway_gets_the_figures_and_no_message_has_its_password(
    settings: Settings, gateway: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(_Gateway, "status", status)
    push = MetricsSettings(push=SecretStr(f"http://me:s3cr3t@{gateway}"), job="mill")
    publish(settings.model_copy(update={"metrics": push}))
    ((path, authorization, body),) = _Gateway.seen
    assert path == "/metrics/job/mill"
    assert authorization == "Basic bWU6czNjcjN0"
    assert b"steelflow_night_images{" in body
    assert ("status 500" in caplog.text) == (status == 500)
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nothing", "http://me:s3cr3t@[x"])
def test_a_gateway_that_is_not_there_is_one_line(
    settings: Settings, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    publish(settings.model_copy(update={"metrics": MetricsSettings(push=SecretStr(url), timeout=5)}))
    (record,) = caplog.records
    assert "metrics.push" in record.getMessage()
    assert "s3cr3t" not in record.getMessage()


def test_without_the_package_a_night_goes_on(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steelflow.metrics.text.importlib.util.find_spec", lambda name: None)
    publish(settings.model_copy(update={"metrics": MetricsSettings(textfile=tmp_path / "x.prom")}))
    assert "pip install 'steelflow[metrics]'" in caplog.text
    assert publishing.publish(settings) is None
    assert not (tmp_path / "x.prom").exists()


def asked(server: MetricsServer, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("report", "status", "says"),
    [("there", 503, "night of|last recorded night is 2026-11-01"), ("away", 503, "cannot be")],
)
def test_the_server_says_how_things_stand(
    settings: Settings, tmp_path: Path, report: str, status: int, says: str
) -> None:
    if report == "away":
        (tmp_path / "file").write_text("")
        settings = local_settings(tmp_path, tmp_path / "file" / "report")
    with Watch(settings, every=3600) as watch, MetricsServer(Address("127.0.0.1", 0), watch) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            assert asked(server, "/elsewhere")[0] == 404
            code, text = asked(server, "/metrics")
            assert code == 200
            assert f"steelflow_storage_up {1.0 if report == 'there' else 0.0}" in text
            code, text = asked(server, "/healthz?x=1")
        finally:
            server.shutdown()
            thread.join()
    told = json.loads(text)
    assert (code, told["ok"]) == (status, False)
    assert told["parts"]["storage"]["ok"] == (report == "there")
