"""Work on many things side by side, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    work: Callable[[T], R], items: Iterable[T], threads: int, *, ahead: int | None = None, name: str = ""
) -> Iterator[R]:
    """``work`` of each item on ``threads`` threads, in the order of ``items``.

    Unlike ``Executor.map`` it takes no more than ``ahead`` items (one per thread by default) before the caller has
    taken the first result, so memory stays bounded. When the caller stops early, work that has not begun is dropped.

    Raises:
        Exception: whatever ``work`` raises, in the place of its result; nothing comes after it.
    """
    most = ahead or threads
    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
