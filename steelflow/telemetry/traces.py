"""The stages of a night as OpenTelemetry spans, for plants that collect traces.

They are sent where the standard variables say (``OTEL_EXPORTER_OTLP_ENDPOINT``), if the extra ``traces`` is installed.
Otherwise a span does nothing, and nothing of OpenTelemetry is loaded.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

_ASKED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SDK = "opentelemetry.sdk.trace"
_log = logging.getLogger(__name__)
_roots: list[Any] = []  # the spans under way that have no parent


class Span:
    """A stage under way: ``set`` gives it a figure."""

    def __init__(self, inner: Any = None) -> None:
        self._inner = inner

    def set(self, **attributes: Any) -> None:
        if self._inner is not None:
            self._inner.set_attributes({f"steelflow.{name}": value for name, value in attributes.items()})


@contextlib.contextmanager
def span(name: str, *, current: bool = True, **attributes: Any) -> Iterator[Span]:
    """A stage. Spans that begin inside it belong to it, unless it is not ``current``: a generator must not be, because
    its caller goes on between two of its items. An error that leaves it is recorded."""
    tracer = _tracer()
    if tracer is None:
        yield Span()
        return
    known = {f"steelflow.{key}": value for key, value in attributes.items() if value is not None}
    from opentelemetry import trace

    # A thread of the night has no span of its own: the night's, if there is one night, is the parent.
    alone = not trace.get_current_span().get_span_context().is_valid
    parent = trace.set_span_in_context(_roots[0]) if alone and len(_roots) == 1 else None
    inner = tracer.start_span(name, context=parent, attributes=known)
    if is_root := alone and not _roots:
        _roots.append(inner)
    try:
        with (
            trace.use_span(inner, record_exception=False, set_status_on_exception=False)
            if current
            else contextlib.nullcontext()
        ):
            yield Span(inner)
    except Exception as exc:
        inner.record_exception(exc)
        inner.set_status(trace.Status(trace.StatusCode.ERROR, type(exc).__name__))
        raise
    finally:
        if is_root:
            _roots.remove(inner)
        inner.end()


def _tracer() -> Any:
    """The tracer; None if no traces are collected."""
    if not any(os.environ.get(name) for name in _ASKED) and _SDK not in sys.modules:
        return None
    return _set_up()


@functools.cache
def _set_up() -> Any:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        found = importlib.util.find_spec(_SDK)
    except ModuleNotFoundError:
        found = None
    if found is None:
        _log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but traces need the extra: pip install 'steelflow[traces]'")
        return None
    from opentelemetry import trace

    if any(os.environ.get(name) for name in _ASKED) and isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider
    ):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": "steelflow"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    return trace.get_tracer("steelflow")
