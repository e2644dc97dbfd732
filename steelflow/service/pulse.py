"""Signs of life: while a run works, an object of its name in the store changes every few seconds.

    locks/runs/<id of the run>      below the reports

Whoever watches the runs sees that the object no longer changes, and needs no clock. Nothing but a counter is in it.
The watch that finds a run dead deletes the object that its process left; otherwise housekeeping does.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

from steelflow.config import Settings
from steelflow.errors import SteelflowError
from steelflow.store import Store, open_store
from steelflow.store.lock import LOCKS

_PULSES = f"{LOCKS}runs/"
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def pulse(settings: Settings, run: str) -> Iterator[None]:
    """Give signs of life of ``run`` every ``settings.runs.pulse`` seconds while the context is open.

    A store that does not answer is no error here: the work itself waits for it, or fails.
    """
    stop = threading.Event()
    keeper = threading.Thread(target=_beat, args=(settings, run, stop), name="pulse", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def pulses(store: Store) -> dict[str, str]:
    """For each run with signs of life, something that differs after each of them. Raises ``StoreError``."""
    return {info.key.removeprefix(_PULSES): f"{info.etag} {info.modified}" for info in store.list(_PULSES)}


def forget(store: Store, run: str) -> None:
    """Delete the last sign of life of a run that is dead."""
    store.delete(f"{_PULSES}{run}")


def _beat(settings: Settings, run: str, stop: threading.Event) -> None:
    store: Store | None = None
    number = 0
    while not stop.is_set():
        try:
            store = store or open_store(settings.report.uri, settings.store, create=True)
            store.put(f"{_PULSES}{run}", str(number).encode())
        except SteelflowError as exc:
            _log.debug("No sign of life of run %s: %s", run, exc)
        number += 1
        stop.wait(settings.runs.pulse)
    with contextlib.suppress(SteelflowError):
        if store is not None:
            forget(store, run)
