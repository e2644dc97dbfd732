"""Retries of our tasks: they wait for storage that does not answer, and for the lock of a dead process. Other errors
are not retried."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from steelflow.errors import AccessDenied, BucketNotFound, LockHeld, StoreError

_ATTEMPTS = 6
_FIRST_DELAY = 15.0  # seconds, doubled each time: a task survives an outage of the store of some eight minutes


def _may_pass(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    # We count the attempts: after its own last attempt, Prefect logs a traceback above our one line.
    error = state.data
    lasting = isinstance(error, (AccessDenied, BucketNotFound))
    return isinstance(error, (StoreError, LockHeld)) and not lasting and run.run_count < _ATTEMPTS


patient: dict[str, Any] = {
    "retries": _ATTEMPTS,
    "retry_delay_seconds": exponential_backoff(_FIRST_DELAY),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _may_pass,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""Options of a task. A retry must neither lose finished work nor repeat it."""
