"""What a retraining decided, and why: one JSON object per decision, beside the registry's log."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from steelflow.errors import RegistryError
from steelflow.report.record import Moment
from steelflow.retrain.gate import Gate
from steelflow.store.base import Store

RETRAINS = "retrains/"

Trigger = Literal["drift", "labels", "calendar", "manual"]
State = Literal["promoted", "refused", "skipped"]


class Details(BaseModel):
    """The figures of a retraining. A figure is set when its stage is done, and only figures that are set are recorded.

    Attributes:
        labels: images with a label; ``new_labels`` of them came after the last retraining.
        left_out: classes that have too few images to be learnt yet.
        without: classes that were left out on purpose.
        lacking: classes that a new model has to know and that have too few labels.
        snapshot: the hash of the labels; ``golden`` is that of the golden set.
        stage_seconds: of train, trial and register. The last one includes the new reference for drift.
        chosen: the kind of the better candidate.
        candidates: by kind, the figures on the held-out labels, and the epochs; ``unseen`` has those on labels that
            trained no candidate, by which the better one was chosen.
        accepted: lines whose drift is taken as normal from now on.
        node: the node of the cluster that trained the candidates, and its device; None: the driver.
    """

    model_config = ConfigDict(extra="allow")

    labels: int = 0
    new_labels: int = 0
    left_out: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    snapshot: str | None = None
    stage_seconds: dict[str, float] = {}
    golden: str | None = None
    chosen: str | None = None
    candidates: dict[str, dict[str, Any]] = {}
    gate: Gate | None = None
    accepted: tuple[str | None, ...] = ()
    node: str | None = None


class RetrainResult(BaseModel):
    """A decision. ``text`` gives the reason in one line; ``reason`` is why the retraining was requested.

    ``state`` is promoted; refused by the gate; or skipped, when there was nothing to do. ``champion`` is the version
    before, ``challenger`` the version that was registered. ``key`` names the request, so that it is decided once.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    state: State
    text: str = ""
    trigger: Trigger = "manual"
    reason: str = ""
    who: str = ""
    started_at: Moment
    seconds: float = 0.0
    champion: str | None = None
    challenger: str | None = None
    details: Details = Details()
    key: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the key."""
        return self.model_dump(mode="json", exclude={"key"}, exclude_unset=True)

    def to_json(self) -> bytes:
        return json.dumps(self.model_dump(mode="json", exclude_unset=True), indent=2).encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> RetrainResult:
        """Read what ``to_json`` of this version or an earlier one wrote.

        Args:
            where: the address of the object, for the error.

        Raises:
            RegistryError: it is not the record of a retraining.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            raise RegistryError(f"{where}: is not a record of a retraining; remove it") from exc


def put_record(store: Store, result: RetrainResult) -> None:
    """Store a decision, numbered after those before. The caller holds the lock of retrainings."""
    keys = _keys(store)
    number = 1 + max([len(keys), *(_number(key) for key in keys)])
    store.put(f"{RETRAINS}{number:06d}-{result.id}.json", result.to_json())


def records(store: Store) -> list[RetrainResult]:
    """All decisions, the latest first: by their numbers, because the clocks of machines can be wrong. Those of earlier
    versions have none and come before.

    Raises:
        RegistryError: one of them is damaged. None is skipped: what is learnt next depends on them.
    """
    keys = sorted(_keys(store), key=lambda key: (_number(key), key), reverse=True)
    return [RetrainResult.from_json(store.get(key), f"{store.uri}/{key}") for key in keys]


def _keys(store: Store) -> list[str]:
    return [info.key for info in store.list(RETRAINS) if info.key.endswith(".json")]


def _number(key: str) -> int:
    found = re.fullmatch(r"(\d{6,7})-.*", key.removeprefix(RETRAINS))
    return int(found.group(1)) if found else 0


def last_snapshot(found: list[RetrainResult]) -> str | None:
    """The hash of the labels of the latest retraining that trained, whether it promoted or refused."""
    return next((one.details.snapshot for one in found if one.state != "skipped"), None)


def last_run(found: list[RetrainResult]) -> dt.datetime | None:
    """When the latest retraining that trained was started."""
    return max((one.started_at for one in found if one.state != "skipped"), default=None)
