"""The SERVER spans, one a request: lighter than the SDK's, which cost more than the rest of the request together.

What every request has is kept as a label and encoded once (see ``_wire``); what a handler adds by OpenTelemetry's own
interface is kept beside it, and such a span is turned into one of the SDK's when it is exported.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.telemetry._labels import UNKNOWN_LABEL, RequestLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.util.types import AnyValue, Attributes

_MAX_EXTRAS: Final = 128


class ServerSpan(trace.Span):
    """A span under way. A handler may add to it; only the gateway names it and ends it."""

    def __init__(self, context: SpanContext, parent: SpanContext | None) -> None:
        self.context = context
        self.parent = parent
        self.label = UNKNOWN_LABEL
        self.request_id: str | None = None
        self.start_time = time_ns()
        self.end_time = 0
        self.attributes: dict[str, AnyValue] | None = None
        self.events: list[Event] | None = None
        self.links: list[trace.Link] | None = None

    @property
    def plain(self) -> bool:
        """Whether nobody has added anything."""
        return self.attributes is None and self.events is None and self.links is None

    def finish(self, label: RequestLabel, request_id: str | None) -> None:
        """End it, under the name that ``label`` gives it."""
        self.label = label
        self.request_id = request_id
        self.end_time = time_ns()

    def readable(self, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
        """The same as a span of the SDK."""
        attributes: dict[str, AnyValue] = {**(self.attributes or {}), **self.label.attributes()}
        if self.request_id is not None:
            attributes["nexus.request_id"] = self.request_id
        return ReadableSpan(
            self.label.span_name,
            self.context,
            self.parent,
            resource,
            attributes,
            self.events or (),
            self.links or (),
            SpanKind.SERVER,
            status=Status(StatusCode.ERROR if self.label.server_fault else StatusCode.UNSET),
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=scope,
        )

    def get_span_context(self) -> SpanContext:
        """What children and propagation need."""
        return self.context

    def is_recording(self) -> bool:
        """Whether it has not ended."""
        return not self.end_time

    def set_attribute(self, key: str, value: AnyValue) -> None:
        """Add an attribute; the gateway's own win."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Add attributes; the gateway's own win."""
        if self.is_recording():
            merged = {**(self.attributes or {}), **attributes}
            self.attributes = dict(list(merged.items())[:_MAX_EXTRAS])

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add a point in time."""
        self.events = self.events or []
        if self.is_recording() and len(self.events) < _MAX_EXTRAS:
            self.events.append(Event(name, attributes, timestamp))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Link another span."""
        self.links = self.links or []
        if self.is_recording() and len(self.links) < _MAX_EXTRAS:
            self.links.append(trace.Link(context, attributes))

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Note the exception's class: its message and stack may hold what a caller sent."""
        del escaped
        kind = type(exception)
        self.add_event(
            "exception",
            {**(attributes or {}), "exception.type": f"{kind.__module__}.{kind.__qualname__}"},
            timestamp,
        )

    def update_name(self, name: str) -> None:
        """Nothing: the name says where the request went."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Nothing: the outcome decides."""

    def end(self, end_time: int | None = None) -> None:
        """Nothing: the request's end is the gateway's to see."""


class ServerSpans:
    """Starts server spans by the rules of a tracer provider, and passes the ended ones to ``export``.

    Without ``export`` spans have their ids, for propagation and logs, and are not recorded. Without ``sampler`` tracing
    is disabled: the caller's context is current as it came.
    """

    def __init__(self, sampler: Sampler | None, export: Callable[[ServerSpan], None] | None) -> None:
        self._sampler = sampler
        self._export = export
        self._ids = RandomIdGenerator()

    def start(self, context: Context) -> trace.Span:
        """A span whose parent is what ``context`` holds, if anything."""
        parent = trace.get_current_span(context).get_span_context()
        if self._sampler is None:
            return NonRecordingSpan(parent)
        is_child = parent.is_valid
        trace_id = parent.trace_id if is_child else self._ids.generate_trace_id()
        sampling = self._sampler.should_sample(context, trace_id, "nexus", SpanKind.SERVER)
        sampled = sampling.decision is Decision.RECORD_AND_SAMPLE
        random = parent.trace_flags.random_trace_id if is_child else self._ids.is_trace_id_random()
        own = SpanContext(
            trace_id,
            self._ids.generate_span_id(),
            is_remote=False,
            trace_flags=TraceFlags(
                (TraceFlags.SAMPLED if sampled else 0) | (TraceFlags.RANDOM_TRACE_ID if random else 0)
            ),
            trace_state=sampling.trace_state,
        )
        if self._export is None or not sampled:
            return NonRecordingSpan(own)
        return ServerSpan(own, parent if is_child else None)

    def end(self, span: trace.Span, label: RequestLabel, request_id: str | None) -> None:
        """End a span that :meth:`start` returned."""
        if self._export is not None and isinstance(span, ServerSpan):
            span.finish(label, request_id)
            self._export(span)
