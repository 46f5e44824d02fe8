"""Exports spans of the SDK and server spans of ours in one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack, cast

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from gateway.telemetry._server_spans import ServerSpan
from gateway.telemetry._wire import ServerSpanEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from gateway.telemetry._environment import ExporterOptions


class MixedSpanExporter(OTLPSpanExporter):
    """The SDK's OTLP exporter, with a short cut for server spans that nobody has added anything to."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, **options: Unpack[ExporterOptions]) -> None:
        super().__init__(**options)
        self._resource = resource
        self._scope = scope
        self._encoder = ServerSpanEncoder(resource.attributes or {}, scope.name, scope.version or "")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send ``spans``, some of which are server spans; retries as the SDK's exporter does."""
        # Beyond the SDK's interface: its sender takes bytes, and is where retries, TLS and compression are. Without it
        # the spans take the long way.
        sender: Any = getattr(self, "_client", None)
        mixed: Sequence[ReadableSpan | ServerSpan] = spans
        plain: list[ServerSpan] = []
        rest: list[ReadableSpan] = []
        for span in mixed:
            if not isinstance(span, ServerSpan):
                rest.append(span)
            elif span.plain and sender is not None:
                plain.append(span)
            else:
                rest.append(span.readable(self._resource, self._scope))
        if not plain:
            return super().export(rest)
        body = self._encoder.encode(plain)
        if rest:
            body += encode_spans(rest).SerializeToString()
        return SpanExportResult.SUCCESS if sender.export(body).success else SpanExportResult.FAILURE


def queue_of(processor: BatchSpanProcessor) -> Callable[[ServerSpan], None]:
    """What puts a server span among the others that wait in ``processor`` for export."""

    def enqueue(span: ServerSpan) -> None:
        # The processor looks at the context alone; what it hands on reaches the exporter above and nobody else.
        processor.on_end(cast("ReadableSpan", span))

    return enqueue
