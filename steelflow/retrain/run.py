"""A retraining, from the labels to a promotion or the reason against one.

    lock → due? → material: labels and golden set → candidates → trial: the better one against the champion
         → registered → promoted, or not

If the champion is a model of views, the same is done with frames and their regions (``strip/``).

If it is interrupted, run it again: the snapshot of the labels is a hash, candidates resume from their checkpoints, and
a version is visible only when it is complete.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from steelflow.config import Settings
from steelflow.errors import LockHeld
from steelflow.labels import open_labels
from steelflow.labels.names import nfc
from steelflow.models.shipped import SELECTED
from steelflow.registry import Registry, Version
from steelflow.retrain.candidates import candidates
from steelflow.retrain.decision import conclude
from steelflow.retrain.due import changed_classes, labels_since, not_due
from steelflow.retrain.material import SHIPPED, WHO, Material, gather
from steelflow.retrain.on_node import trained
from steelflow.retrain.ready import check_training
from steelflow.retrain.record import RetrainResult, Trigger, put_record, records
from steelflow.retrain.retraining import Progress, Request, Retraining, Tell
from steelflow.retrain.strip.champion import judges_views
from steelflow.retrain.strip.run import decide_on_frames
from steelflow.retrain.trial import try_out
from steelflow.retrain.workplace import workplace
from steelflow.service.alerts import alert
from steelflow.store import Store, open_store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

_LOCK = "locks/retrain"


def retrain(
    settings: Settings,
    *,
    trigger: Trigger,
    reason: str,
    who: str,
    key: str | None = None,
    force: bool = False,
    without: Collection[str] = (),
    tell: Tell = lambda _: None,
    progress: Progress = lambda _: None,
) -> RetrainResult:
    """Train on the current labels, and promote the model if it proves better than the champion.

    Args:
        trigger: what asks for it. ``manual`` has no cooldown.
        reason: for the log.
        who: for the log.
        key: names the request. If a request with this key was decided already, that decision is returned.
        force: train without new labels and within the cooldown, too. The gate stays.
        without: classes to leave out, although the champion or recent nights show them.
        tell: called with a sentence at the begin of each stage.
        progress: called with the share of the training that is done.

    Raises:
        LockHeld: another retraining runs.
        LabelError, RegistryError: labels, golden set or registry are damaged; nothing is changed.
        StoreError, DataError, TrainingError: nothing is changed; run it again.
    """
    store = open_store(settings.registry_uri, settings.store, create=True)
    with _alone(store):
        decided = records(store)
        for record in decided:
            if key is not None and record.key == key and record.state != "skipped":
                return record
        registry = Registry(store)
        run = Retraining(
            settings=settings,
            request=Request(trigger, reason, who, key, force, tuple(dict.fromkeys(map(nfc, without)))),
            registry=registry,
            labels=open_labels(settings),
            tell=tell,
            progress=progress,
            champion=registry.champion(),
            started=store_time(store),
        )
        result = _decide(run, decided)
        put_record(store, result)
    lacking = bool(result.details.lacking) and trigger != "manual"
    if result.state != "skipped" or (lacking and result.text != next((one.text for one in decided), "")):
        alert(settings, f"retrain.{result.state}", result.text, result.to_dict())
    return result


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[None]:
    try:
        with locked(store, _LOCK, "a retraining"):
            yield
    except LockHeld as exc:
        raise LockHeld(f"{str(exc).partition(';')[0]}; run `steelflow retrain` again when it has ended") from exc


def _decide(run: Retraining, decided: list[RetrainResult]) -> RetrainResult:
    if judges_views(run.settings, run.champion):
        return decide_on_frames(run, decided)
    snapshot = run.labels.snapshot()
    fresh = labels_since(run.labels, snapshot, decided, run.champion)
    run.details.labels, run.details.new_labels = snapshot.frame.height, fresh.height
    changed = changed_classes(run.labels, run.champion, snapshot, decided)
    if why := not_due(run, decided, fresh.height, changed):
        return run.result("skipped", why)
    check_training(run.settings.selection.arch)
    if run.champion is not None:
        run.registry.fetch(run.champion, run.settings.home / "models")
    material = gather(run, snapshot, fresh)
    if not isinstance(material, Material):
        return run.result("skipped", material)
    version = run.champion = run.champion or _ship(run.registry)
    champion = run.registry.fetch(version, run.settings.home / "models")
    with workplace(run, material) as work:
        with run.timed("train"):
            best, *others = trained(run, material, work, version, candidates)
        with run.timed("trial"):
            gate = try_out(run, material, best, champion)
        run.details.golden = material.golden.hash
        run.details.chosen = best.kind
        run.details.candidates = {one.kind: one.figures for one in (best, *others)}
        run.details.gate = gate
        return conclude(run, material, best, gate, version)


def _ship(registry: Registry) -> Version:
    """Promote the model that comes with steelflow as the first version, so that a rollback has a target."""
    why = "the model that comes with steelflow"
    first = registry.register(SELECTED, data_hash=SHIPPED, metrics={}, who=WHO, reason=why)
    registry.promote(first, who=WHO, reason=why)
    return first
