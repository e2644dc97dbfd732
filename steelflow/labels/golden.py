"""The golden set: labelled images that were chosen once, that nothing is ever trained on, and that the gate judges by.

It is frozen: images and labels are a file named by its hash, and a pin says which file counts. A new choice is a new
pin with a reason; the earlier ones stay.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import polars as pl

from steelflow.errors import LabelError, ObjectNotFound
from steelflow.labels.images import Images
from steelflow.labels.snapshot import content_hash, put_frame, read_frame
from steelflow.store.base import Store
from steelflow.store.lock import locked

_PIN = "golden.json"
_PINS = "golden/pins/"
_WAIT = 30.0  # seconds for another one who chooses


@dataclass(frozen=True, slots=True)
class Pin:
    """Which golden set counts, who chose it and why. ``images`` is their number, ``classes`` the images by class."""

    number: int
    hash: str
    images: int
    classes: dict[str, int]
    who: str
    at: str  # UTC, ISO 8601
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """``frame`` has the columns image and label, checked against the pin's hash."""

    pin: Pin
    frame: pl.DataFrame
    images: Images

    @property
    def hash(self) -> str:
        return self.pin.hash

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Image, label and bytes of each, in the order of the frame. Raises ``LabelError`` for an image that is
        missing, or is not what it was."""
        for label, (image, data) in zip(self.frame["label"], self.images.get_many(self.frame["image"]), strict=True):
            yield image, label, data

    def verify(self) -> None:
        """Read every image. Raises ``LabelError`` as ``load``."""
        for _ in self.load():
            pass


def read_golden(store: Store, images: Images) -> Golden | None:
    """The golden set that counts, or None when none was ever chosen.

    Raises:
        LabelError: pin or file are not what was written.
    """
    try:
        pin = _parse(store, _PIN)
    except ObjectNotFound as exc:
        if any(True for _ in store.list(_PINS)):
            raise LabelError(
                f"{store.uri}/{_PIN}: is missing, and golden sets were pinned; copy the last of {_PINS} there"
            ) from exc
        return None
    try:
        same = _parse(store, _pin_key(pin.number)) == pin
    except ObjectNotFound:
        same = False
    if not same:
        raise LabelError(
            f"{store.uri}/{_PIN}: was changed: it is not {_pin_key(pin.number)}; copy that one there, or choose a "
            "golden set anew with `steelflow labels golden`"
        )
    frame = read_frame(store, _key(pin.hash), pin.hash)
    if frame is None:
        raise LabelError(f"{store.uri}/{_key(pin.hash)}: the golden set is missing; restore it from a backup")
    return Golden(pin, frame, images)


def freeze(store: Store, images: Images, frame: pl.DataFrame, who: str, reason: str) -> Golden:
    """Make ``frame`` (image, label) the golden set. The one that counts already is left as it is.

    Raises:
        LabelError: nothing in it, an image twice, without label or not in the store, or no reason.
        LockHeld: another one chooses right now.
    """
    frame = frame.select("image", "label").unique().sort("image")
    if frame.is_empty() or frame["label"].null_count() or frame["image"].is_duplicated().any():
        raise LabelError("golden set: needs images, each with one label; correct the list")
    if not reason.strip():
        raise LabelError("golden set: models are judged by it, so choosing one needs a reason; give --reason")
    if missing := images.missing(frame["image"]):
        raise LabelError(f"golden set: {len(missing)} images are not in the label store, such as {missing[0][:16]}")
    with locked(store, "locks/golden", "choosing a golden set", _WAIT):
        digest = content_hash(frame)
        with contextlib.suppress(LabelError):  # one that is broken is replaced
            before = read_golden(store, images)
            if before is not None and before.hash == digest:
                return before
        pin = Pin(
            max(_numbers(store), default=0) + 1,
            digest,
            frame.height,
            dict(frame.group_by("label").len().sort("label").iter_rows()),
            who,
            dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            reason.strip(),
        )
        text = json.dumps(asdict(pin), indent=1).encode()
        put_frame(store, _key(digest), frame)
        store.put(_pin_key(pin.number), text)
        store.put(_PIN, text)
    return Golden(pin, frame, images)


def pins(store: Store) -> list[Pin]:
    """Every choice that was made, the latest last. Raises ``LabelError`` for one that is damaged."""
    return [_parse(store, _pin_key(number)) for number in sorted(_numbers(store))]


def _parse(store: Store, key: str) -> Pin:
    try:
        found = json.loads(store.get(key))
        return Pin(**found)
    except (ValueError, TypeError) as exc:
        raise LabelError(f"{store.uri}/{key}: is no pin of a golden set; restore it from a backup") from exc


def _numbers(store: Store) -> list[int]:
    names = (info.key[len(_PINS) :].removesuffix(".json") for info in store.list(_PINS))
    return [int(name) for name in names if name.isdecimal()]


def _pin_key(number: int) -> str:
    return f"{_PINS}{number}.json"


def _key(digest: str) -> str:
    return f"golden/{digest}.parquet"
