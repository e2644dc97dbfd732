"""A retraining, from the labels to a promotion or the reason against one.

    lock → snapshot of the labels → candidates → the better one against the champion → registered → promoted, or not

Whatever stops it, running it again goes on: the snapshot is a hash, candidates resume from their checkpoints, and a
version is visible only when it is whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from steelflow import __version__
from steelflow.config import Settings
from steelflow.drift import accept, drift_table
from steelflow.engine import open_engine
from steelflow.errors import DriftError
from steelflow.inspection.pipeline import new_run_id
from steelflow.labels import Golden, LabelStore, Snapshot, open_labels
from steelflow.labels.snapshot import HELD_OUT_RULE, is_held_out
from steelflow.models.shipped import SELECTED
from steelflow.registry import Registry, Version, open_registry
from steelflow.report.reader import ReportReader
from steelflow.retrain.candidates import Candidate, Plan, Progress, Tell, train_candidates
from steelflow.retrain.gate import FEWEST, Gate
from steelflow.retrain.record import RetrainResult, State, Trigger, last_run, last_snapshot, put_record, records
from steelflow.retrain.reference import recent_reference
from steelflow.retrain.trial import Trial
from steelflow.service.alerts import alert
from steelflow.store import Store, open_store
from steelflow.store.lock import locked

_LOCK = "locks/retrain"
_FEWEST = 5  # labelled training images of a class; a new class with fewer waits for more
_WHO = "steelflow"
_HARMLESS = (
    0.03  # accuracy on the recent labels, of which the queue has put the hardest first, below that on the golden set
)
_SHIPPED = "shipped"


def retrain(
    settings: Settings,
    *,
    trigger: Trigger,
    reason: str,
    who: str,
    key: str | None = None,
    force: bool = False,
    tell: Tell = lambda _: None,
    progress: Progress = lambda _: None,
) -> RetrainResult:
    """Train on the labels as they stand, and promote what comes of it if it proves better than the champion.

    Args:
        trigger: what asks for it. ``manual`` knows no cooldown.
        reason, who: for the log.
        key: names the request: one that was decided already is answered with that decision.
        tell: is told, in words, what is being done.
        progress: is told the share of the training that is done.
        force: also without new labels, and within the cooldown. The gate stays.

    Raises:
        LockHeld: another retraining runs.
        LabelError, RegistryError: labels, golden set or registry are not what was written; nothing is changed.
        StoreError, DataError, TrainingError: nothing is changed; run it again.
    """
    store = open_store(settings.registry_uri, settings.store, create=True)
    with locked(store, _LOCK, "a retraining"):
        known = records(store)
        for record in known:
            if key is not None and record.get("key") == key and record["state"] != "skipped":
                return RetrainResult(**{name: value for name, value in record.items() if name != "key"})
        run = _Run(settings, store, trigger, reason, who, tell, progress)
        result = run.decide(known, force)
        put_record(store, result, key)
    if result.state != "skipped":
        alert(settings, f"retrain.{result.state}", result.text, result.to_dict())
    return result


@dataclasses.dataclass(frozen=True, slots=True)
class Due:
    """Why a retraining is due, and the ``key`` of its request: of several requests with one key, one is served."""

    reason: str
    key: str


def due(settings: Settings) -> Due | None:
    """Whether a retraining is due by the number of new labels."""
    labels, registry = open_labels(settings), open_registry(settings)
    snapshot = labels.snapshot()
    fresh = new_labels(labels, snapshot, *_known(records(registry.store), registry.champion())).height
    if fresh < settings.retrain.new_labels:
        return None
    return Due(f"{fresh:,} labels since the last retraining", f"labels:{snapshot.hash}")


def new_labels(labels: LabelStore, snapshot: Snapshot, *since: str | None) -> pl.DataFrame:
    """The rows of ``snapshot`` that none of those with the hashes ``since`` had, or had with another label."""
    rows = snapshot.frame
    for digest in since:
        before = labels.read_snapshot(digest)
        if before is not None:
            rows = rows.join(before.frame.select("image", "label"), on=["image", "label"], how="anti")
    return rows


def _known(decided: list[dict[str, Any]], champion: Version | None) -> tuple[str | None, ...]:
    """The snapshots whose labels are no news: that of the last retraining, and the champion's."""
    return last_snapshot(decided), None if champion is None else champion.data_hash


class _Run:
    """One retraining: what it found, step by step."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        trigger: Trigger,
        reason: str,
        who: str,
        tell: Tell,
        progress: Progress,
    ) -> None:
        self.settings, self.store, self.tell, self.progress = settings, store, tell, progress
        self.trigger, self.reason, self.who = trigger, reason, who
        self.id = new_run_id()
        self.started = dt.datetime.now(dt.UTC)
        self.clock = time.perf_counter()
        self.registry = Registry(store)
        self.labels = open_labels(settings)
        self.champion = self.registry.champion()
        self.challenger: Version | None = None
        self.details: dict[str, Any] = {}

    def decide(self, known: list[dict[str, Any]], force: bool) -> RetrainResult:
        snapshot = self.labels.snapshot()
        fresh = new_labels(self.labels, snapshot, *_known(known, self.champion))
        self.details |= {"labels": snapshot.frame.height, "new_labels": fresh.height}
        if not force and (why := self._not_now(known, fresh.height)):
            return self._result("skipped", why)
        golden = self.labels.golden()
        if why := self._too_few(snapshot, golden):
            return self._result("skipped", why)
        golden = golden or self._first_golden(snapshot)
        snapshot = self.labels.snapshot()  # without the images that have become golden
        self.labels.write_snapshot(snapshot)
        self.details["snapshot"] = snapshot.hash
        self.champion = self.champion or self._shipped()
        champion = self.registry.fetch(self.champion, self.settings.home / "models")
        with self._workplace(snapshot, golden, fresh) as work:
            with self._timed("train"):
                best, *others = self._train(work, snapshot, golden, champion, fresh)
            with self._timed("trial"):
                gate = self._judge(best, champion, golden, snapshot)
            self.details |= {
                "golden": golden.hash,
                "chosen": best.kind,
                "candidates": {one.kind: one.metrics["held_out"] | {"epochs": _epochs(one)} for one in (best, *others)},
                "gate": gate.to_dict(),
            }
            if not gate.comparisons:
                return self._result("refused", f"the challenger is refused: {'; '.join(gate.problems)}")
            figures = {one.name: {"champion": one.champion, "challenger": one.challenger} for one in gate.comparisons}
            with self._timed("register"):
                self.challenger = self.registry.register(
                    best.onnx,
                    data_hash=snapshot.hash,
                    metrics=_figures(best, gate, golden),
                    who=self.who,
                    reason=f"{self.trigger}: {self.reason}",
                    reference=self._reference(best) if gate.passed else None,
                )
            name = self.challenger.version
            measured = "; ".join(str(one) for one in gate.comparisons if one.images)
            if not gate.passed:
                self.registry.challenge(name, who=self.who, reason="; ".join(gate.problems))
                why = f"{name} is not promoted: {'; '.join(gate.problems)} ({measured}){self._accepted(gate)}"
                return self._result("refused", why)
            self.registry.promote(
                name,
                who=self.who,
                reason=f"{self.trigger}: {self.reason}",
                figures=figures,
                expect=self.champion.version,
            )
            return self._result(
                "promoted", f"{name} is the champion now, in place of {self.champion.version} ({measured})"
            )

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.details.setdefault("stage_seconds", {})[stage] = round(time.perf_counter() - started, 1)

    def _not_now(self, known: list[dict[str, Any]], fresh: int) -> str | None:
        rules = self.settings.retrain
        if fresh < rules.min_labels:
            return (
                f"{fresh} labels since the last retraining, {rules.min_labels} are needed (retrain.min_labels): label"
                " what `steelflow labels queue` shows"
            )
        last = last_run(known)
        if self.trigger == "manual" or last is None:
            return None
        rest = last + dt.timedelta(hours=rules.cooldown_hours) - self.started
        if rest <= dt.timedelta(0):
            return None
        return (
            f"the last retraining was at {last:%Y-%m-%d %H:%M} UTC; {rules.cooldown_hours:g} hours are to lie between"
            f" two (retrain.cooldown_hours): {rest.total_seconds() / 3600:.1f} are left"
        )

    def _first_golden(self, snapshot: Snapshot) -> Golden:
        """Where nobody has chosen a golden set: the evaluation part of the labels, of the classes that can be learnt,
        from now on frozen."""
        part = self._usable(snapshot).frame.filter(pl.col("part") == "evaluation")
        return self.labels.freeze(
            part.select("image", "label"), who=_WHO, reason="the evaluation part of the labels at the first retraining"
        )

    def _too_few(self, snapshot: Snapshot, golden: Golden | None) -> str | None:
        """A class of the champion that could not be learnt again, or nothing to judge by."""
        training = snapshot.frame.filter(pl.col("part") == "training")
        counts = dict(training.group_by("label").len().iter_rows())
        evaluation = self._usable(snapshot).frame.filter(pl.col("part") == "evaluation").height
        if golden is None and evaluation < FEWEST:
            return (
                f"{snapshot.frame.height} labelled images, one in five of which is for the golden set: {evaluation}, "
                f"and {FEWEST} are needed; import more with `steelflow labels import`, or choose one with "
                "`steelflow labels golden`"
            )
        wanted = set() if golden is None else set(golden.frame["label"])
        # Another plant may not have the classes of the model that ships.
        if self.champion is not None and self.champion.data_hash != _SHIPPED:
            wanted |= set(self.champion.classes)
        wanted = wanted or set(sorted(counts, key=lambda name: -counts[name])[:2])
        rare = sorted(f"{name} ({counts.get(name, 0)})" for name in wanted if counts.get(name, 0) < _FEWEST)
        if not rare:
            return None
        return (
            f"too few labelled images to train on, {_FEWEST} of each class are needed: {', '.join(rare)}; import more "
            "with `steelflow labels import`"
        )

    def _shipped(self) -> Version:
        """The model that comes with steelflow, as the first version, so that there is something to go back to."""
        why = "the model that comes with steelflow"
        first = self.registry.register(SELECTED, data_hash=_SHIPPED, metrics={}, who=_WHO, reason=why)
        self.registry.promote(first, who=_WHO, reason=why)
        return first

    @contextlib.contextmanager
    def _workplace(self, snapshot: Snapshot, golden: Golden, fresh: pl.DataFrame) -> Iterator[Path]:
        """A folder of this machine for what decides the weights; it stays when the work is interrupted."""
        what: list[Any] = [
            snapshot.hash,
            golden.hash,
            self.champion and self.champion.digest,
            self._arch(),
            self.settings.retrain.epochs,
            sorted(fresh["image"]),
            __version__,
        ]
        name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
        folder = self.settings.home / "retrain" / name
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.iterdir():  # one retraining at a time: what else lies here was given up
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)

    def _train(
        self, work: Path, snapshot: Snapshot, golden: Golden, champion: Path, fresh: pl.DataFrame
    ) -> list[Candidate]:
        self.tell(f"{snapshot.frame.height:,} labelled images and {golden.frame.height:,} golden ones")
        data = work / "data"
        if not data.is_dir():
            draft = work / "data.part"
            shutil.rmtree(draft, ignore_errors=True)
            self.labels.export(self._usable(snapshot), draft)
            self.labels.export(golden, draft)
            draft.rename(data)
        new = {bytes.fromhex(image) for image in fresh["image"]}
        sacred = {bytes.fromhex(image) for image in golden.frame["image"]}
        return train_candidates(
            Plan(
                data,
                work,
                self._arch(),
                champion if champion.with_suffix(".safetensors").is_file() else None,
                self.settings.retrain.epochs,
                f"the golden set ({golden.hash[:12]}), and of the others {HELD_OUT_RULE}",
                lambda digest: digest in sacred or is_held_out(digest),
                new.__contains__,
                f"Labels of {self.labels.uri}, snapshot {snapshot.hash[:12]}.",
            ),
            self.tell,
            self.progress,
        )

    def _usable(self, snapshot: Snapshot) -> Snapshot:
        """Without the classes that have too few images for training yet."""
        training = snapshot.frame.filter(pl.col("part") == "training").group_by("label").len()
        enough = training.filter(pl.col("len") >= _FEWEST)["label"]
        rare = sorted(set(snapshot.frame["label"]) - set(enough))
        if rare:
            self.tell(f"too few images yet, left out: {', '.join(rare)}")
            self.details["left_out"] = rare
        return dataclasses.replace(snapshot, frame=snapshot.frame.filter(pl.col("label").is_in(enough.to_list())))

    def _judge(self, best: Candidate, champion: Path, golden: Golden, snapshot: Snapshot) -> Gate:
        self.tell(f"the model {best.kind} against the champion")
        seen = None if self.champion is None else self.champion.data_hash
        recent = new_labels(self.labels, snapshot, seen).filter(pl.col("part") == "evaluation")
        sets = {"golden set": golden.frame, "recent labels": recent}
        return Trial(self.settings, self.labels, sets).judge(champion, best.onnx)

    def _accepted(self, gate: Gate) -> str:
        """Drift that does the champion no harm is normal from now on; it would alarm for ever."""
        golden, recent = gate.comparisons
        harm = golden.champion - recent.champion
        if self.trigger != "drift" or self.champion is None or recent.images < FEWEST or harm > _HARMLESS:
            return ""
        report = open_store(self.settings.report.uri, self.settings.store, create=True)
        nights = ReportReader(report).nights()[-1:]
        moved = drift_table(report, nights).filter(pl.col("verdict").is_in(["warn", "alarm"]))["line"].unique()
        reason = f"{self.reason}; harmless: {recent.champion:.1%} of the recent labels are right"
        rules = self.settings.drift
        try:
            lines = accept(
                report,
                self.champion.digest,
                nights,
                rules.min_images,
                who=self.who,
                reason=reason,
                lines=moved.to_list(),
            )
        except DriftError:
            return ""
        self.details["accepted"] = lines
        return "; the champion is as right as ever on the recent labels: what moved is taken as normal from now on"

    def _reference(self, best: Candidate) -> bytes | None:
        """What the nights look like to the new model: the profile that drift is measured against from now on."""
        self.tell("a new drift reference from the latest nights")
        return recent_reference(self.settings, open_engine(best.onnx, self.settings.model.engine))

    def _arch(self) -> str:
        return self.settings.selection.arch

    def _result(self, state: State, text: str) -> RetrainResult:
        return RetrainResult(
            self.id,
            state,
            text,
            self.trigger,
            self.reason,
            self.who,
            self.started.isoformat(),
            round(time.perf_counter() - self.clock, 1),
            None if self.champion is None else self.champion.version,
            None if self.challenger is None else self.challenger.version,
            json.loads(json.dumps(self.details)),  # as the record will have it
        )


def _figures(best: Candidate, gate: Gate, golden: Golden) -> dict[str, Any]:
    """For the manifest; all the rest is in metrics.json and in the record."""
    held_out = {name: best.metrics["held_out"][name] for name in ("images", "accuracy", "macro_f1", "ece")}
    accuracy = {one.name: one.challenger for one in gate.comparisons}
    return {
        **held_out,
        "golden": golden.hash,
        "golden_accuracy": accuracy["golden set"],
        "recent_accuracy": accuracy["recent labels"],
        "speed": gate.speed,
        "kind": best.kind,
    }


def _epochs(candidate: Candidate) -> int:
    return len(candidate.metrics["curves"]["epoch"])
