"""The short cut for server spans says on the wire what the SDK's encoder would have said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from gateway.telemetry import Telemetry
from gateway.telemetry._labels import OUTCOMES, RequestLabel
from gateway.telemetry._server_spans import ServerSpan
from gateway.telemetry._wire import ServerSpanEncoder
from tests.unit.otlp_sink import Sink, collecting, plain

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

RESOURCE = Resource({"service.name": "t", "process.pid": 7, "ratio": 0.5, "on": True})
SCOPE = InstrumentationScope("nexus-gateway", "1.2.3")

names = st.text(min_size=1, max_size=300)
trace_states = st.sampled_from([TraceState(), TraceState([("vendor", "1"), ("other", "a b")])])
contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.sampled_from([TraceFlags(1), TraceFlags(3)]),
    trace_state=trace_states,
)
labels = st.builds(
    RequestLabel,
    endpoint=names,
    service=names,
    operation=names,
    verb=st.sampled_from(["start", "cancel"]),
    outcome=st.sampled_from(sorted(OUTCOMES)),
    method=st.sampled_from(["GET", "POST"]),
    status=st.sampled_from([0, 200, 201, 404, 500]),
)


@st.composite
def ended_spans(draw: st.DrawFn) -> ServerSpan:
    span = ServerSpan(draw(contexts), draw(st.none() | contexts))
    span.finish(draw(labels), draw(st.none() | st.text(max_size=300)))
    return span


def by_span(message: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """``message`` with the attributes of each span in order: their order says nothing."""
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                span.attributes.sort(key=lambda attribute: attribute.key)
    return message


@given(st.lists(ended_spans(), min_size=1, max_size=5))
def test_server_spans_are_encoded_as_the_sdk_encodes_them(spans: list[ServerSpan]) -> None:
    encoder = ServerSpanEncoder(RESOURCE.attributes or {}, SCOPE.name, SCOPE.version or "")
    expected = ExportTraceServiceRequest()
    expected.CopyFrom(encode_spans([span.readable(RESOURCE, SCOPE) for span in spans]))
    assert by_span(expected) == by_span(ExportTraceServiceRequest.FromString(encoder.encode(spans)))


def telemetry(sink: Sink) -> Telemetry:
    return Telemetry.from_environment("t", sink.environ)


async def spans_by_name(sink: Sink) -> dict[str, Span]:
    return {span.name: span for span in sink.spans}


async def test_what_a_handler_adds_to_the_current_span_is_exported_with_it() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with subject.request_span("start", {}) as span:
            current = trace.get_current_span()
            current.set_attribute("order.size", 3)
            current.set_attributes({"nexus.outcome": "forged", "shop": "a"})
            current.add_event("priced", {"cents": 450})
            current.add_link(SpanContext(1, 2, is_remote=True))
            current.record_exception(ValueError("Bearer secret"))
            current.update_name("renamed")
            current.set_status(trace.StatusCode.ERROR)
            current.end()
            span.name("orders", "orders.v1", "quote")
            span.request_id("r-1")
            span.outcome("succeeded")
    (exported,) = sink.spans
    attributes = plain(exported.attributes)
    assert {"order.size": 3, "shop": "a", "nexus.outcome": "succeeded", "nexus.request_id": "r-1"}.items() <= (
        attributes.items()
    )
    assert "nexus.start orders.v1/quote" == exported.name
    assert ["priced", "exception"] == [event.name for event in exported.events]
    assert {"exception.type": "builtins.ValueError"} == plain(exported.events[1].attributes)
    assert 1 == len(exported.links)
    assert b"secret" not in exported.SerializeToString()
    assert 0 == exported.status.code


async def test_plain_and_other_spans_travel_in_one_request_and_one_trace() -> None:
    async with collecting() as sink, telemetry(sink) as subject:
        with subject.request_span("start", {}) as span, subject.client_span("child"):
            span.outcome("succeeded")
    names = await spans_by_name(sink)
    assert {"nexus.start _OTHER/_OTHER", "child"} == names.keys()
    assert 1 == len({span.trace_id for span in names.values()})
    assert 1 == len(sink.headers)


async def test_without_the_sdks_sender_the_spans_take_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def export_the_long_way(self: OTLPSpanExporter, spans: object) -> object:
        sent.append(spans)
        return None

    sent: list[object] = []
    async with collecting() as sink:
        subject = telemetry(sink)
        processor = subject.tracer_provider._active_span_processor._span_processors[0]  # type: ignore[attr-defined]
        monkeypatch.delattr(processor.span_exporter, "_client")
        monkeypatch.setattr(OTLPSpanExporter, "export", export_the_long_way)
        monkeypatch.setattr(OTLPSpanExporter, "shutdown", lambda self: None)
        with subject.request_span("start", {}) as span:
            span.outcome("succeeded")
        await subject.aclose()
    assert [["nexus.start _OTHER/_OTHER"]] == [[span.name for span in spans] for spans in sent]  # type: ignore[attr-defined]


def test_the_sdks_exporter_still_has_the_sender_that_the_short_cut_uses() -> None:
    exporter = OTLPSpanExporter(endpoint="http://127.0.0.1:1/v1/traces")
    assert callable(exporter._client.export)
