"""The loop under the service: a night that drifts starts one retraining, also when the night is run twice."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("prefect")

from prefect.client.schemas.objects import FlowRun
from up import Up

from steelflow.labels import Label, LabelStore
from steelflow.retrain import records
from steelflow.store.local import LocalStore
from steelflow.synth import CLASSES, Camera, PlantSpec, labelled, objects

NIGHT = dt.date(2026, 11, 1)
DARK = NIGHT + dt.timedelta(days=1)
SETTINGS = """\
home = "{home}"
model.batch_size = 16
night.cron = "0 0 1 1 *"
dashboard.port = 0
drift.min_images = 60
drift.reference_nights = 1
selection.arch = "steelnet_s"
retrain.epochs = 1
retrain.min_labels = 10
"""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A plant whose lamps fail on its second night, with labels enough for a retraining, on embedded storage."""
    up = Up(tmp_path)
    up.config.write_text(SETTINGS.format(home=up.home))
    plant = PlantSpec(
        lines=("L1",), start=NIGHT, nights=2, coils=12, images=10, size=200, cameras={("L1", DARK): Camera(gain=0.2)}
    )
    archive = LocalStore(up.home / "objects" / "steelflow-images", create=True)
    for key, data in objects(plant):
        archive.put(key, data)
    labels = LabelStore(LocalStore(up.home / "objects" / "steelflow-reports" / "labels", create=True))
    said = [
        Label(labels.images.put(data), path.partition("/")[0], "ann", "import") for path, data in labelled(plant, 20)
    ]
    labels.add(said, new_classes=CLASSES)
    yield up
    if up.process is not None and up.process.poll() is None:
        up.end(signal.SIGTERM)


def inspect(up: Up, night: dt.date) -> FlowRun:
    """Run the nightly deployment for a night, to its end."""
    with up.client() as client:
        parameters: dict[str, Any] = {"night": {"date": night.isoformat()}}
        run = client.create_flow_run_from_deployment(up.deployments()["nightly"], parameters=parameters)
        up.wait(f"the night of {night}", lambda: _ended(client.read_flow_run(run.id)))
        return client.read_flow_run(run.id)


def _ended(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def retrainings(up: Up) -> list[FlowRun]:
    own = up.deployments()["retrain"]
    return [run for run in up.runs() if run.deployment_id == own]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_an_alarm_starts_one_retraining_however_often_the_night_is_run(up: Up) -> None:
    up.start()
    up.wait("the deployments", lambda: {"nightly", "retrain"} <= set(up.deployments()))
    assert inspect(up, NIGHT).state_name == "Completed"
    assert retrainings(up) == []
    for _ in range(2):
        assert inspect(up, DARK).state_name == "Completed"
    up.wait("the retraining", lambda: [run for run in retrainings(up) if _ended(run)])
    (run,) = retrainings(up)
    assert run.state_name == "Completed", up.logs()
    reports = LocalStore(up.home / "objects" / "steelflow-reports")
    (record,) = records(LocalStore(reports.root / "registry"))
    assert record.trigger == "drift"
    assert record.state in ("promoted", "refused")
    assert f"drift in the night of {DARK}" in record.reason
    newest = max(info.key for info in reports.list(f"runs/date={DARK.isoformat()}/"))
    assert json.loads(reports.get(newest))["drift"]["verdict"] == "alarm"
    assert up.end(signal.SIGINT) == 0
