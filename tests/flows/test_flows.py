"""The flows do what the library does, wait for storage that is away, and a drift alarm asks for one retraining."""

from __future__ import annotations

import datetime as dt
import gc
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import yaml
from hooks import Webhook
from knowing import noise
from paths import ROOT
from plants import FAILED, FOUND, NIGHT, UNITS, copied, local_settings, make_plant, rows_of, snapshot

pytest.importorskip("prefect")

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments.runner import RunnerDeployment
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import (
    PREFECT_API_REQUEST_TIMEOUT,
    PREFECT_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    temporary_settings,
)
from prefect.states import Scheduled
from prefect.testing.utilities import prefect_test_harness

from flows import consequences
from flows import nightly as module
from flows.backfill import BackfillParameters, backfill
from flows.housekeeping import HousekeepingParameters, housekeeping
from flows.nightly import NightParameters, nightly
from flows.retrain import RetrainRequest, retrain
from flows.serve import deployments
from steelflow.archive.groups import groups
from steelflow.config import Settings
from steelflow.errors import ModelError, StoreError, StoreUnreachable
from steelflow.inspection.pipeline import Done
from steelflow.night.run import Night, inspect_night
from steelflow.records import Unit
from steelflow.report.record import NightDrift
from steelflow.report.runs import backfills
from steelflow.retrain import Due
from steelflow.store.local import LocalStore

Monkey = pytest.MonkeyPatch
THIS_NIGHT = NightParameters(date=NIGHT)
PREFECT_YAML = ROOT / "infra" / "prefect.yaml"


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("prefect")
    values = {
        PREFECT_HOME: home,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
        # SQLite waits up to a minute for its lock. A client that gives up sooner asks again, and a state that is
        # set already comes back without the flow's result.
        PREFECT_API_REQUEST_TIMEOUT: 300,
    }
    with (
        temporary_settings(values),
        prefect_test_harness(server_startup_timeout=120),
    ):
        yield


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_plant(tmp_path_factory.mktemp("plant"))


@pytest.fixture
def settings(prefect_server: None, plant: Path, tmp_path: Path, monkeypatch: Monkey) -> Settings:
    """A plant of its own for the flow, with two units to a task."""
    settings = local_settings(copied(plant, tmp_path / "images"), tmp_path / "report")
    configure(tmp_path, monkeypatch, settings.archive.uri, settings.report.uri)
    for task in (module.open_night, module.plan_line, module.inspect_units, module.record_night):
        monkeypatch.setattr(module, task.fn.__name__, task.with_options(retry_delay_seconds=0.05))
    return settings


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


def configure(folder: Path, monkeypatch: Monkey, archive: str, report: str, more: str = "") -> None:
    file = folder / "steelflow.toml"
    file.write_text(
        f'home = "{folder}/home"\narchive.uri = "{archive}"\nreport.uri = "{report}"\n'
        f"model.batch_size = 16\nmodel.workers = 2\nnight.group_images = 24\n{more}"
    )
    monkeypatch.setenv("STEELFLOW_CONFIG", str(file))


def run(parameters: NightParameters = THIS_NIGHT) -> State[Any]:
    return nightly(parameters, return_state=True)


def result_of(state: State[Any]) -> dict[str, Any]:
    assert state.is_completed(), state
    result: dict[str, Any] = state.result()
    return result


def test_the_flow_finds_what_inspect_night_finds(settings: Settings, tmp_path: Path) -> None:
    result = result_of(run())
    alone = local_settings(Path(settings.archive.uri), tmp_path / "alone")
    expected = inspect_night(alone, NIGHT).to_dict()
    own = ("seconds", "run_record")
    assert {key: value for key, value in expected.items() if key not in own} == {
        key: result[key] for key in expected if key not in own
    }
    assert rows_of(settings).equals(rows_of(alone))
    assert 0 < result["library_seconds"] <= result["flow_seconds"]
    assert Path(result["run_record"]).is_file()


def test_a_night_that_the_model_does_not_know_is_told_to_the_webhook(
    prefect_server: None, tmp_path: Path, monkeypatch: Monkey, webhook: Webhook
) -> None:
    noise(tmp_path / f"images/line=L1/date={NIGHT}/coil=C1", 40)
    monkeypatch.setenv("STEELFLOW_ALERTS__WEBHOOK", webhook.url)
    configure(tmp_path, monkeypatch, str(tmp_path / "images"), str(tmp_path / "report"))
    (note,) = result_of(run())["notes"]
    assert [(one["event"], one["text"]) for one in webhook.told] == [("night.note", f"Night of {NIGHT}: {note}")]


def test_the_morning_report_is_sent_once(
    prefect_server: None, tmp_path: Path, monkeypatch: Monkey, webhook: Webhook
) -> None:
    noise(tmp_path / f"images/line=L1/date={NIGHT}/coil=C1", 4)
    monkeypatch.setenv("STEELFLOW_ALERTS__WEBHOOK", webhook.url)
    archive, report = str(tmp_path / "images"), str(tmp_path / "report")
    configure(tmp_path, monkeypatch, archive, report, "morning.webhook = true\n")
    for _ in range(2):
        run()
    (told,) = [one for one in webhook.told if one["event"] == "night.report"]
    assert (told["details"]["date"], told["details"]["figures"]["Images found"]) == (NIGHT.isoformat(), "4")


def test_garbage_is_collected_again_after_the_night(settings: Settings, monkeypatch: Monkey) -> None:
    meanwhile: list[int] = []
    monkeypatch.setattr(module.Progress, "unit_done", lambda *_: meanwhile.append(gc.get_freeze_count()))
    result_of(run())
    assert min(meanwhile) > 0
    assert gc.get_freeze_count() == 0


def test_a_second_run_does_nothing(settings: Settings) -> None:
    first = result_of(run())
    before = snapshot(Path(settings.report.uri))
    second = result_of(run())
    assert (second["done_units"], second["skipped_units"], second["found"]) == (0, UNITS, FOUND)
    assert second["run_record"] == first["run_record"]
    assert snapshot(Path(settings.report.uri)) == before


def test_lines_and_limit_are_parameters(settings: Settings) -> None:
    result = result_of(run(NightParameters(date=NIGHT, lines=("L2",), limit=1)))
    assert (result["done_units"], result["state"]) == (1, "limited")
    assert set(rows_of(settings)["line"]) == {"L2"}


def test_the_night_is_the_one_of_the_scheduled_time(settings: Settings) -> None:
    """Though it runs years later."""
    late = Scheduled(scheduled_time=dt.datetime.combine(NIGHT + dt.timedelta(1), dt.time(1, 30), dt.UTC))
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run(nightly, parameters={"night": {}}, state=late)
    state = run_flow(nightly, flow_run, {"night": NightParameters()}, return_type="state")
    assert result_of(state)["date"] == NIGHT.isoformat()


def test_the_scheduled_time_is_of_the_plant() -> None:
    scheduled = dt.datetime(2026, 11, 2, 11, 30, tzinfo=dt.UTC)
    assert NightParameters().night(scheduled, ZoneInfo("UTC")) == dt.date(2026, 11, 1)
    assert NightParameters().night(scheduled, ZoneInfo("Asia/Tokyo")) == dt.date(2026, 11, 2)
    assert THIS_NIGHT.night(scheduled, ZoneInfo("Asia/Tokyo")) == NIGHT


def test_tasks_wait_for_storage(settings: Settings, tmp_path: Path, monkeypatch: Monkey) -> None:
    """The endpoint is closed for the first two attempts, then a server is there."""
    objects = tmp_path / "objects"
    copied(Path(settings.archive.uri), objects / "images")
    (objects / "reports").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = f'store.endpoint = "http://127.0.0.1:{port}"\nstore.retries = 0\nstore.connect_timeout = 2\n'
    keys = 'store.access_key = "key"\nstore.secret_key = "open-sesame"\n'
    configure(tmp_path, monkeypatch, "s3://images", "s3://reports", endpoint + keys)
    attempts = 0
    servers: list[subprocess.Popen[bytes]] = []

    def late(*arguments: Any) -> Night:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            servers.append(serve_s3(objects, port))
        return Night(*arguments)

    monkeypatch.setattr(module, "Night", late)
    try:
        result = result_of(run())
    finally:
        for server in servers:
            server.kill()
            server.wait()
    assert attempts == 3
    assert (result["found"], result["failed"], result["state"]) == (FOUND, FAILED, "complete")


def serve_s3(objects: Path, port: int) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).parent / "rclone"
    server = subprocess.Popen(
        [str(program), "serve", "s3", str(objects), "--addr", f"127.0.0.1:{port}"],
        env={**os.environ, "RCLONE_AUTH_KEY": '"key,open-sesame"', "RCLONE_CONFIG": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    return server


def test_a_retried_task_goes_on_where_it_stopped(settings: Settings, monkeypatch: Monkey) -> None:
    asked: list[list[str]] = []
    inspect = Night.inspect

    def breaking(night: Night, units: Iterable[Unit]) -> Iterator[Done]:
        todo = list(units)
        asked.append([f"{unit.partition.line}/{unit.id}" for unit in todo])
        for number, done in enumerate(inspect(night, todo)):
            if number == 1 and len(asked) <= 2:
                raise StoreUnreachable("the store is away")
            yield done

    monkeypatch.setattr(Night, "inspect", breaking)
    monkeypatch.setattr(module, "groups", lambda units, images: groups(units, 10**6))
    assert result_of(run())["done_units"] == UNITS
    assert [len(units) for units in asked] == [3, 2, 1, 3]
    assert asked[0][1:] == asked[1]
    assert asked[1][1:] == asked[2]


def test_only_storage_is_tried_again(settings: Settings, monkeypatch: Monkey) -> None:
    attempts = 0

    def unfit(*arguments: Any) -> Night:
        nonlocal attempts
        attempts += 1
        raise ModelError("model.onnx: is damaged; export it again")

    monkeypatch.setattr(module, "Night", unfit)
    state = run()
    assert state.is_failed()
    assert state.message == "model.onnx: is damaged; export it again"
    assert attempts == 1


def test_a_store_that_stays_away_fails_the_flow_in_one_line(
    settings: Settings, monkeypatch: Monkey, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = 0

    def away(*arguments: Any) -> Night:
        nonlocal attempts
        attempts += 1
        raise StoreUnreachable("s3://images: no answer; start the store")

    monkeypatch.setattr(module, "Night", away)
    state = run()
    assert state.is_failed()
    assert state.message == "s3://images: no answer; start the store"
    assert attempts == 6
    assert "Traceback" not in caplog.text


def test_a_failed_unit_fails_the_night_after_the_rest(settings: Settings, monkeypatch: Monkey) -> None:
    get = LocalStore.get
    broken = next(path for path in Path(settings.archive.uri).rglob(f"line=L1/date={NIGHT}/**/*.tar"))

    def failing(store: LocalStore, key: str, *arguments: Any, **named: Any) -> bytes:
        if (store.root / key) == broken:
            raise StoreError(f"{broken}: input/output error")
        return get(store, key, *arguments, **named)

    monkeypatch.setattr(LocalStore, "get", failing)
    state = run()
    assert state.is_failed()
    assert f"1 work units failed, the others are done; run the night again; first: L1/shard-{broken.name[:-4]}" in str(
        state.message
    )
    assert f"{broken}: input/output error" in str(state.message)
    assert set(rows_of(settings)["line"]) == {"L1", "L2"}
    monkeypatch.undo()
    configure(Path(settings.report.uri).parent, monkeypatch, settings.archive.uri, settings.report.uri)
    result = result_of(run())
    assert (result["done_units"], result["skipped_units"], result["found"]) == (1, UNITS - 1, FOUND)


def test_the_run_has_a_name_a_summary_and_no_secret(settings: Settings, tmp_path: Path, monkeypatch: Monkey) -> None:
    configure(
        tmp_path,
        monkeypatch,
        settings.archive.uri,
        settings.report.uri,
        'store.access_key = "key"\nstore.secret_key = "open-sesame"\n',
    )
    state = run()
    record = result_of(state)["run_record"]
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(state.state_details.flow_run_id)
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["nightly-summary", "nightly-progress"])),
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id])),
        )
    assert flow_run.name == f"night of {NIGHT}"
    by_key = {artifact.key: artifact.data for artifact in artifacts}
    assert float(str(by_key["nightly-progress"])) == 100
    text = str(by_key["nightly-summary"])
    assert f"**{FOUND}** images found = **{FOUND - FAILED}** ok + **{FAILED}** failed" in text
    assert f"| L1 | {FOUND // 2} | {(FOUND - FAILED) // 2} | {FAILED // 2} | 3 | 0 | 0 |" in text
    assert record in text
    assert "open-sesame" not in f"{flow_run!r} {artifacts!r} {state!r}"


DRIFT = {
    "verdict": "alarm",
    "reasons": ["L2: brightness moved by 1.31 σ (threshold 0.30), 4.4 times over"],
    "model": "d" * 64,
    "lines": [{"line": "L2", "verdict": "alarm", "reason": "a severe breach"}],
    "signals": [
        {"line": "L2", "signal": "brightness", "breach": True},
        {"line": "L1", "signal": "mix", "breach": False},
    ],
}


def drifted(monkeypatch: Monkey, drift: dict[str, Any] | None) -> None:
    """Every night that is recorded has this verdict."""
    finish, verdict = Night.finish, None if drift is None else NightDrift.model_validate(drift)
    monkeypatch.setattr(Night, "finish", lambda *given: replace(finish(*given), drift=verdict))


@pytest.fixture
def served(settings: Settings, monkeypatch: Monkey) -> Iterator[Callable[[], list[FlowRun]]]:
    """The deployments are known to the server, and nothing runs them: the runs of ``retrain`` that are asked for."""
    ids = [cast(RunnerDeployment, one).apply() for one in deployments(settings)]

    def asked() -> list[FlowRun]:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])))
        return [run for run in runs if run.deployment_id in ids]

    yield asked
    with get_client(sync_client=True) as client:
        for one in ids:
            client.delete_deployment(cast(UUID, one))


def events(name: str) -> list[Any]:
    """Events come to the server a little later than what caused them."""
    deadline = time.monotonic() + 60
    found: list[Any] = []
    while not found and time.monotonic() < deadline:
        with get_client(sync_client=True) as client:
            found = client.read_events(EventFilter(event=EventNameFilter(name=[name])), limit=50).events
        time.sleep(0.2)
    return found


def told(folder: Path, webhook: Webhook, monkeypatch: Monkey, settings: Settings, more: str = "") -> None:
    configure(
        folder, monkeypatch, settings.archive.uri, settings.report.uri, f'alerts.webhook = "{webhook.url}"\n{more}'
    )


def test_an_alarm_asks_for_one_retraining_however_often_the_night_is_run(
    settings: Settings, served: Any, webhook: Webhook, tmp_path: Path, monkeypatch: Monkey
) -> None:
    told(tmp_path, webhook, monkeypatch, settings)
    drifted(monkeypatch, DRIFT)
    for _ in range(2):
        result_of(run())
    (asked,) = served()
    key = f"drift:{'d' * 64}:{NIGHT}"
    assert asked.idempotency_key == key
    request = RetrainRequest.model_validate(asked.parameters["request"])
    assert (request.trigger, request.key) == ("drift", key)
    assert request.reason == f"drift in the night of {NIGHT}: {DRIFT['reasons'][0]}"
    assert [alert["event"] for alert in webhook.told] == ["drift.alarm"]
    assert webhook.told[0]["details"]["reasons"] == DRIFT["reasons"]
    (event,) = events("steelflow.drift.detected")
    assert event.resource.id == f"steelflow.night.{NIGHT}"
    assert {name: event.payload[name] for name in ("night", "model", "reasons", "lines")} == {
        "night": NIGHT.isoformat(),
        **{name: DRIFT[name] for name in ("model", "reasons", "lines")},
    }
    assert event.payload["signals"] == DRIFT["signals"][:1]


@pytest.mark.parametrize("drift", [None, {**DRIFT, "verdict": "warn"}, {**DRIFT, "verdict": "insufficient"}])
def test_less_than_an_alarm_asks_for_none(
    settings: Settings, served: Any, webhook: Webhook, tmp_path: Path, monkeypatch: Monkey, drift: Any
) -> None:
    told(tmp_path, webhook, monkeypatch, settings)
    drifted(monkeypatch, drift)
    result_of(run())
    assert (served(), webhook.told) == ([], [])


def test_a_plant_may_switch_off_retraining_on_drift(
    settings: Settings, served: Any, webhook: Webhook, tmp_path: Path, monkeypatch: Monkey
) -> None:
    told(tmp_path, webhook, monkeypatch, settings, "retrain.on_drift = false\n")
    drifted(monkeypatch, DRIFT)
    result_of(run())
    assert served() == []
    assert [alert["event"] for alert in webhook.told] == ["drift.alarm"]


def test_new_labels_ask_once_a_night(settings: Settings, served: Any, monkeypatch: Monkey) -> None:
    due = Due("600 labels since the champion", "labels:abc")
    monkeypatch.setattr(consequences.labels_due, "fn", lambda settings: due)
    for date in (NIGHT, NIGHT, NIGHT + dt.timedelta(1)):
        result_of(run(NightParameters(date=date)))
    runs = sorted(served(), key=lambda one: str(one.idempotency_key))
    assert [one.idempotency_key for one in runs] == [f"labels:abc:{NIGHT}", f"labels:abc:{NIGHT + dt.timedelta(1)}"]
    assert {one.parameters["request"]["key"] for one in runs} == {"labels:abc"}


def test_a_missing_deployment_is_logged(
    settings: Settings, monkeypatch: Monkey, caplog: pytest.LogCaptureFixture
) -> None:
    drifted(monkeypatch, DRIFT)
    result_of(run())
    assert "no deployment retrain/retrain is served here; run `steelflow retrain`" in caplog.text


def test_a_failed_run_sends_an_alert(settings: Settings, webhook: Webhook, tmp_path: Path, monkeypatch: Monkey) -> None:
    told(tmp_path, webhook, monkeypatch, settings, 'model.ref = "nonesuch"\n')
    state = run()
    assert state.is_failed()
    (alert,) = webhook.told
    assert alert["event"] == "nightly.failed"
    assert str(state.message) in alert["text"]
    assert alert["details"]["parameters"]["night"]["date"] == NIGHT.isoformat()


def test_a_retraining_without_labels_is_skipped(settings: Settings) -> None:
    state = retrain(RetrainRequest(reason="a test", who="test"), return_state=True)
    result = result_of(state)
    assert (result["state"], result["trigger"], result["who"]) == ("skipped", "manual", "test")
    assert state.message == f"skipped: {result['text']}"


def test_a_backfill_does_what_the_nights_do(settings: Settings) -> None:
    parameters = BackfillParameters(first=NIGHT, last=NIGHT + dt.timedelta(9))
    state = backfill(parameters, return_state=True)
    assert result_of(state)["judged"] == 2 * FOUND
    ((name, records),) = backfills(LocalStore(Path(settings.report.uri))).items()
    assert re.fullmatch(r"[a-z]+-[a-z]+ [0-9a-f]{8}", name), "the run, as Prefect names it"
    assert len(records) == 2
    again = backfill(parameters, return_state=True)
    assert result_of(again)["judged"] == 0
    assert str(again.message).startswith("2 nights, 0 images judged by ")
    wrong = backfill(BackfillParameters(first=NIGHT, last=NIGHT - dt.timedelta(1)), return_state=True)
    assert wrong.is_failed()
    assert "ends before it begins" in str(wrong.message)


def test_housekeeping_keeps_what_the_settings_say(settings: Settings, tmp_path: Path, monkeypatch: Monkey) -> None:
    result_of(run())
    keep = f"retention.report_days = {max((dt.datetime.now(dt.UTC).date() - NIGHT).days, 2) - 1}\n"
    configure(tmp_path, monkeypatch, settings.archive.uri, settings.report.uri, keep)
    old = Path(settings.report.uri) / "reports" / "date=2020-01-01" / "line=L1" / "loose.parquet"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"rows")
    state = housekeeping(HousekeepingParameters(dry_run=True), return_state=True)
    assert "2020-01-01" in result_of(state)["nights"]
    assert old.exists()
    result_of(housekeeping(return_state=True))
    assert not old.exists()


def test_the_deployments_are_those_of_the_work_pools(tmp_path: Path) -> None:
    """infra/prefect.yaml says the same as what `steelflow up` serves, but for the switch of the calendar."""
    settings = local_settings(tmp_path, tmp_path)
    monthly = settings.retrain.model_copy(update={"cron": "0 6 1 * *"})
    served = {str(one.name): one for one in deployments(settings.model_copy(update={"retrain": monthly}))}
    written = {one["name"]: one for one in yaml.safe_load(PREFECT_YAML.read_text())["deployments"]}
    assert list(written) == list(served)
    for name, one in written.items():
        code = served[name]
        flow = load_flow_from_entrypoint(one["entrypoint"], use_placeholder_flow=False)
        assert (flow.name, code.name, code.entrypoint) == (name, name, one["entrypoint"])
        assert one["description"] == code.description
        assert one["concurrency_limit"]["limit"] == code.concurrency_limit == 1
        assert one["concurrency_limit"]["collision_strategy"] == code.concurrency_options.collision_strategy.value
        assert [(plan["cron"], plan["timezone"], plan.get("parameters", {})) for plan in one["schedules"]] == [
            (plan.schedule.cron, plan.schedule.timezone, plan.parameters) for plan in code.schedules or []
        ]
        for plan in one["schedules"]:
            flow.validate_parameters(plan.get("parameters", {}))


@pytest.mark.slow
def test_the_work_pools_take_the_deployments(prefect_server: None) -> None:
    with get_client(sync_client=True) as client:
        environment = {
            **os.environ,
            "PREFECT_API_URL": str(client.api_url),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
    for command in (
        ["work-pool", "create", "steelflow", "--type", "process"],
        ["--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_YAML)],
    ):
        called = [sys.executable, "-m", "prefect", *command]
        done = subprocess.run(called, env=environment, cwd=PREFECT_YAML.parents[1], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    with get_client(sync_client=True) as client:
        known = {one.name: one for one in client.read_deployments() if one.work_pool_name == "steelflow"}
    assert set(known) == {"nightly", "drift-check", "retrain", "backfill", "housekeeping"}
    assert [plan.active for plan in known["nightly"].schedules] == [True]
    assert [plan.active for plan in known["retrain"].schedules] == [False]
