"""A Prefect server of the plant's own on PostgreSQL, with workers: one record and one alarm a night, and no run that
stays under way after its process, its worker and so its machine are gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hooks import Webhook

pytest.importorskip("prefect")

import datetime as dt

from plants import NIGHT
from work_pool import Plant, work_pool

from steelflow.report.layout import night_lock_key
from steelflow.report.runs import night_record, records_of
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked
from steelflow.synth import PlantSpec, objects

SECOND = NIGHT + dt.timedelta(1)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[Plant]:
    """Two lines with two nights of images; a third line is expected, and a folder does not fit the template."""
    folder = tmp_path_factory.mktemp("pool")
    archive = LocalStore(folder / "images", create=True)
    for key, data in objects(
        PlantSpec(lines=("L1", "L2"), start=NIGHT, nights=2, coils=2, images=4, broken=1, size=64)
    ):
        archive.put(key, data)
    archive.put(f"Linie3/{NIGHT}/C1/a.jpg", b"not looked at")
    (folder / "steelflow.toml").write_text(
        f'home = "{folder}/home"\narchive.uri = "{folder}/images"\nreport.uri = "{folder}/report"\n'
        f'alerts.webhook = "{webhook.url}"\nmodel.batch_size = 16\nmodel.workers = 1\n'
        'night.lines = ["L1", "L2", "L3"]\nruns.pulse = 1.0\nruns.silent = 5.0\n'
    )
    # A run that waits for a slot asks again after this time; the default is half a minute.
    with work_pool(folder, {"PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "2"}) as made:
        yield made


def told(webhook: Webhook, event: str, what: str) -> list[str]:
    """What all alerts of this event had to tell."""
    return [text for one in webhook.told if one["event"] == event for text in one["details"][what]]


def test_two_workers_that_do_a_line_each_make_one_record_and_one_alarm(plant: Plant, webhook: Webhook) -> None:
    report = LocalStore(plant.folder / "report", create=True)
    with locked(report, night_lock_key(NIGHT), "the test"):  # so that both are surely under way together
        runs = [
            plant.ask(plant.deploy(name), date=NIGHT.isoformat(), lines=[line])
            for name, line in (("nightly", "L1"), ("nightly-2", "L2"))
        ]
        for name in ("a", "b"):
            plant.worker(name)
        plant.wait("both runs to be under way", lambda: all(plant.run(run).state_name == "Running" for run in runs))
    plant.wait("both runs to end", lambda: all((state := plant.run(run).state) and state.is_final() for run in runs))
    assert {str(plant.run(run).state_name) for run in runs} == {"Incomplete"}, plant.logs()
    whole = [record for _, record in records_of(report, NIGHT) if not record.only]
    assert [(record.lines, record.state) for record in whole] == [(("L1", "L2"), "incomplete")]
    assert whole == [night_record(report, NIGHT)]
    missing = [
        one for told in webhook.told if told["event"] == "night.incomplete" for one in told["details"]["missing"]
    ]
    assert sorted(missing) == sorted(whole[0].missing)
    assert len(missing) == 2  # the folder, and the third line
    notes = told(webhook, "night.note", "notes")
    assert len(notes) == len(set(notes))


def test_a_run_whose_worker_was_killed_with_it_is_ended_and_done_by_another(plant: Plant, webhook: Webhook) -> None:
    report = LocalStore(plant.folder / "report", create=True)
    plant.close()  # the workers of the test before
    webhook.told.clear()
    deployment = plant.deploy()
    with locked(report, night_lock_key(SECOND), "the test"):
        first, behind = (plant.ask(deployment, date=SECOND.isoformat()) for _ in range(2))
        worker = plant.worker("c")
        pulses = report.root / "locks" / "runs"
        plant.wait("a run under way", lambda: [run for run in (first, behind) if (pulses / str(run.id)).exists()])
        plant.kill(worker)
    (dead,) = [run for run in (first, behind) if plant.run(run).state_name == "Running"]
    plant.worker("d")
    plant.start("watch", "-m", "flows.watch")
    for run in (first, behind):
        plant.wait("the night", lambda run=run: (state := plant.run(run).state) and state.is_final())
    assert {plant.run(run).state_type.value for run in (first, behind)} == {"COMPLETED"}, plant.logs()
    again = plant.run(dead)
    assert (again.run_count, again.expected_start_time) == (2, dead.expected_start_time)
    assert len([one for _, one in records_of(report, SECOND)]) == 1
    assert told(webhook, "run.resumed", "runs") == [again.name]
    plant.wait("no sign of life to be left", lambda: not pulses.exists() or not list(pulses.iterdir()))
