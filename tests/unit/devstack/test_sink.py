"""The trace sink takes what exporters send and gives it back by trace."""

import asyncio

from aiohttp import ClientSession
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id
from opentelemetry.util.types import AttributeValue

from gateway.devstack import TraceSink

ATTRIBUTES: dict[str, AttributeValue] = {"text": "a", "number": 1, "list": [1.5, 2.5], "flag": True}


def export_family(url: str) -> str:
    """Export a span and its failed child through the real exporter; the trace's id."""
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with (
        tracer.start_as_current_span("parent", kind=SpanKind.CLIENT) as parent,
        tracer.start_as_current_span("child", attributes=ATTRIBUTES) as child,
    ):
        child.set_status(StatusCode.ERROR)
    provider.shutdown()
    return format_trace_id(parent.get_span_context().trace_id)


async def test_gives_back_a_trace_span_by_span() -> None:
    """Names, kinds, parents, failure and attributes survive."""
    async with TraceSink() as sink:
        trace_id = await asyncio.to_thread(export_family, sink.url)
        parent, child = await sink.spans(trace_id, until=lambda spans: len(spans) == 2)
        assert (trace_id,) == sink.trace_ids()
    assert ("parent", "client", "shop", None, False) == (
        parent.name,
        parent.kind,
        parent.service,
        parent.parent_id,
        parent.failed,
    )
    assert ("child", "internal", parent.span_id, True) == (child.name, child.kind, child.parent_id, child.failed)
    assert {"text": "a", "number": 1, "list": [1.5, 2.5], "flag": True} == child.attributes
    assert parent.start_ns <= child.start_ns <= child.end_ns <= parent.end_ns


async def test_what_has_not_arrived_in_time_is_missing() -> None:
    """The answer is what there is."""
    async with TraceSink() as sink:
        assert () == await sink.spans("0" * 32, timeout=0.05)


async def test_takes_metrics_and_logs_and_refuses_junk() -> None:
    """An exporter that sends everything to one place is not put off; what is no trace is."""
    async with TraceSink() as sink, ClientSession() as session:
        for path, body, status in (
            ("/v1/metrics", b"", 200),
            ("/v1/logs", b"", 200),
            ("/v1/traces", b"", 200),
            ("/v1/traces", b"\xff\xff", 400),
        ):
            async with session.post(f"{sink.url}{path}", data=body) as response:
                assert status == response.status
