"""How our tasks wait for storage that is away, and for the lock of a process that died; for nothing else."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from steelflow.errors import AccessDenied, BucketNotFound, LockHeld, StoreError

_ATTEMPTS = 6
_FIRST_DELAY = 15.0  # seconds, doubled each time: an outage of the store of some eight minutes is waited out


def _may_pass(_task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    # The attempts are counted here: when Prefect's own count runs out, it logs a traceback over our one line.
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
"""Options of a task. What a task has done must not be lost, nor done twice, when it is tried again."""
