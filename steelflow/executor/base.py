"""What an executor is, and the one that works in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from steelflow.inspection.pipeline import Done, Inspection, inspect_units
from steelflow.records import Unit


class Executor(Protocol):
    """Inspects units. It may be used for several runs, one after the other, and is closed after the last."""

    @property
    def spread(self) -> bool:
        """Whether units are inspected elsewhere, many at a time, and come back in any order."""
        ...

    def inspect(self, units: Iterable[Unit], job: Inspection) -> Iterator[Done]:
        """Commit a report for each unit, and yield each unit once.

        Raises:
            StoreUnreachable, AccessDenied: the inspection cannot continue; committed reports are kept.
            ClusterError: no node is left. Units that were not yielded are to be inspected by another run.
        """
        ...

    def close(self) -> None:
        """End everything that was started elsewhere."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Local:
    """All cores of this machine, in this process, in the order of the units."""

    spread = False

    def inspect(self, units: Iterable[Unit], job: Inspection) -> Iterator[Done]:
        return inspect_units(units, job)

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
