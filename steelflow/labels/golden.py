"""The golden set: labelled images that are chosen once and never trained on. The gate compares models on them.

It is frozen: a file named by its hash has the images and labels, and a pin names the current file. A new choice is a
new pin with a reason. Earlier pins stay.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from steelflow.errors import LabelError, ObjectNotFound
from steelflow.labels.images import Images
from steelflow.labels.snapshot import content_hash, put_frame, read_frame
from steelflow.store.base import Store
from steelflow.store.clock import store_time
from steelflow.store.lock import locked

_PIN = "golden.json"
_PINS = "golden/pins/"
_WAIT = 30.0  # seconds to wait for another process that chooses


@dataclass(frozen=True, slots=True)
class Pin:
    """A choice of a golden set: its hash, who chose it and why. ``images`` is the number of images, ``classes`` the
    number by class."""

    number: int
    hash: str
    images: int
    classes: dict[str, int]
    who: str
    at: str  # UTC, ISO 8601
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A golden set. ``chosen`` has the columns image and label, checked against the pin's hash; ``frame`` is what
    models are compared on: the same without classes that were retired since."""

    pin: Pin
    frame: pl.DataFrame
    images: Images
    chosen: pl.DataFrame

    @property
    def hash(self) -> str:
        return self.pin.hash

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Hash, label and bytes of each image, in the order of the frame. Raises ``LabelError`` if an image is missing
        or was changed."""
        for label, (image, data) in zip(self.frame["label"], self.images.get_many(self.frame["image"]), strict=True):
            yield image, label, data

    def verify(self) -> None:
        """Read every image. Raises ``LabelError`` as ``load``."""
        for _ in self.load():
            pass


def read_golden(store: Store, images: Images) -> Golden | None:
    """The current golden set, or None if none was ever chosen.

    Raises:
        LabelError: the pin or the file was changed.
    """
    try:
        pin = _parse(store, _PIN)
    except ObjectNotFound as exc:
        if any(True for _ in store.list(_PINS)):
            raise LabelError(
                f"{store.uri}/{_PIN}: is missing, but {_PINS} has pins; copy the last of them there"
            ) from exc
        return None
    try:
        same = _parse(store, _pin_key(pin.number)) == pin
    except ObjectNotFound:
        same = False
    if not same:
        raise LabelError(
            f"{store.uri}/{_PIN}: was changed: it differs from {_pin_key(pin.number)}; copy that file there, or choose "
            "a new golden set with `steelflow labels golden`"
        )
    frame = read_frame(store, _key(pin.hash), pin.hash)
    if frame is None:
        raise LabelError(f"{store.uri}/{_key(pin.hash)}: the golden set is missing; restore it from a backup")
    return Golden(pin, frame, images, frame)


def freeze(store: Store, images: Images, frame: pl.DataFrame, who: str, reason: str) -> Golden:
    """Make ``frame`` (image, label, and ``line`` if it matters) the golden set. If it is the current one, nothing
    changes.

    Raises:
        LabelError: it is empty; an image is repeated, has no label, or is not in the store; or there is no reason.
        LockHeld: another process is choosing a golden set.
    """
    columns = [name for name in ("image", "label", "line") if name in frame.columns]
    frame = frame.select(columns).unique(["image", "label"], keep="first", maintain_order=True).sort("image")
    if frame.is_empty() or frame["label"].null_count() or frame["image"].is_duplicated().any():
        raise LabelError("golden set: it needs images, each with one label; correct the list")
    if not reason.strip():
        raise LabelError("golden set: models are compared on it, so a new one needs a reason; give --reason")
    if missing := images.missing(frame["image"]):
        raise LabelError(f"golden set: {len(missing)} images are not in the label store, such as {missing[0][:16]}")
    with locked(store, "locks/golden", "choosing a golden set", _WAIT):
        digest = content_hash(frame)
        with contextlib.suppress(LabelError):  # a damaged golden set is replaced
            before = read_golden(store, images)
            if before is not None and before.hash == digest:
                return before
        pin = Pin(
            number=max(_numbers(store), default=0) + 1,
            hash=digest,
            images=frame.height,
            classes=dict(frame.group_by("label").len().sort("label").iter_rows()),
            who=who,
            at=store_time(store).isoformat(timespec="seconds"),
            reason=reason.strip(),
        )
        text = json.dumps(asdict(pin), indent=1).encode()
        put_frame(store, _key(digest), frame)
        store.put(_pin_key(pin.number), text)
        store.put(_PIN, text)
    return Golden(pin, frame, images, frame)


def pins(store: Store) -> list[Pin]:
    """Every choice of a golden set, the latest last. Raises ``LabelError`` if one is damaged."""
    return [_parse(store, _pin_key(number)) for number in sorted(_numbers(store))]


def _parse(store: Store, key: str) -> Pin:
    try:
        found = json.loads(store.get(key))
        return Pin(**found)
    except (ValueError, TypeError) as exc:
        raise LabelError(f"{store.uri}/{key}: is not a pin of a golden set; restore it from a backup") from exc


def _numbers(store: Store) -> list[int]:
    names = (info.key[len(_PINS) :].removesuffix(".json") for info in store.list(_PINS))
    return [int(name) for name in names if name.isdecimal()]


def _pin_key(number: int) -> str:
    return f"{_PINS}{number}.json"


def _key(digest: str) -> str:
    return f"golden/{digest}.parquet"
