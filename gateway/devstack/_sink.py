"""The end of the line for traces: an OTLP receiver on loopback that remembers spans, so that they can be shown."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.devstack._ports import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_MAX_BODY: Final = 16 * 1024 * 1024
_MAX_TRACES: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A finished span. Ids are lower-case hex, times nanoseconds since the epoch; a root has no ``parent_id``.

    ``links`` are the traces that it is linked to.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, Any] = field(repr=False)
    links: tuple[str, ...] = ()


class TraceSink:
    """Receives OTLP over HTTP. An async context manager; remembers the last ten thousand traces."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, dict[str, Span]] = OrderedDict()
        self._arrived = asyncio.Condition()
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/v1/traces", self._receive)
        # Metrics and logs are for other tools: taken, so that no exporter complains, and dropped.
        app.router.add_post("/v1/metrics", _drop)
        app.router.add_post("/v1/logs", _drop)
        self._runner = web.AppRunner(app, access_log=None)
        self._port = 0

    @property
    def url(self) -> str:
        """Where to send OTLP to, without the path."""
        return f"http://{HOST}:{self._port}"

    async def spans(
        self,
        trace_id: str,
        until: Callable[[Sequence[Span]], bool] = bool,
        timeout: float = 15.0,  # noqa: ASYNC109 - the spans that did arrive are the answer, not a TimeoutError
    ) -> tuple[Span, ...]:
        """The spans of a trace, by start time, as soon as ``until`` is content with them.

        After ``timeout`` seconds, those that have arrived so far.
        """

        def complete() -> bool:
            return until(self._sorted(trace_id))

        async with self._arrived:
            try:
                async with asyncio.timeout(timeout):
                    await self._arrived.wait_for(complete)
            except TimeoutError:
                pass
            return self._sorted(trace_id)

    def trace_ids(self) -> tuple[str, ...]:
        """The traces that are remembered, oldest first."""
        return tuple(self._traces)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _sorted(self, trace_id: str) -> tuple[Span, ...]:
        return tuple(sorted(self._traces.get(trace_id, {}).values(), key=lambda span: span.start_ns))

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            message = ExportTraceServiceRequest.FromString(await request.read())
        except DecodeError:
            raise web.HTTPBadRequest(text="the body is not an ExportTraceServiceRequest in protobuf") from None
        async with self._arrived:
            for span in _decode(message):
                self._traces.setdefault(span.trace_id, {})[span.span_id] = span
            while len(self._traces) > _MAX_TRACES:
                self._traces.popitem(last=False)
            self._arrived.notify_all()
        return web.Response(content_type="application/x-protobuf")


async def _drop(_request: web.Request) -> web.Response:
    return web.Response(content_type="application/x-protobuf")


def _decode(message: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource_spans in message.resource_spans:
        service = str(_attributes(resource_spans.resource.attributes).get("service.name", ""))
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex() or None,
                    name=span.name,
                    kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    service=service,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    attributes=_attributes(span.attributes),
                    links=tuple(link.trace_id.hex() for link in span.links),
                )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:  # noqa: ANN401 - an attribute may be of any of seven types
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
