"""Writes samples in Prometheus's text format, with the package ``prometheus_client``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from steelflow.errors import ConfigError
from steelflow.metrics.names import METRICS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily

    from steelflow.metrics.figures import Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def check() -> None:
    """Raises ``ConfigError`` if ``prometheus_client`` is not installed."""
    if importlib.util.find_spec("prometheus_client") is None:
        raise ConfigError("metrics need the extra: pip install 'steelflow[metrics]'")


def written(samples: Iterable[Sample]) -> bytes:
    """The samples as text."""
    from prometheus_client import generate_latest

    return generate_latest(registry(samples))


def registry(samples: Iterable[Sample]) -> CollectorRegistry:
    """The samples as a registry of ``prometheus_client``."""
    from prometheus_client import CollectorRegistry

    made = CollectorRegistry(auto_describe=False)
    made.register(_Collector(list(samples)))
    return made


class _Collector:
    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        from prometheus_client.core import GaugeMetricFamily

        by_name: dict[str, list[Sample]] = {}
        for sample in self._samples:
            by_name.setdefault(sample.name, []).append(sample)
        for metric in METRICS:
            if metric.name in by_name:
                family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
                for sample in by_name[metric.name]:
                    family.add_metric(sample.labels, sample.value)
                yield family
