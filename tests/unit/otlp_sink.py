"""A small OTLP/HTTP collector for tests: it keeps what it is sent, decoded."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
    from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Sink:
    """What arrived, in order of arrival; ``resources`` are the attributes of each request's first resource."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    resources: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def take_traces(self, request: web.Request) -> web.Response:
        """Handle ``POST /v1/traces``."""
        message = ExportTraceServiceRequest.FromString(await request.read())
        self.headers.append(dict(request.headers))
        self.resources.append(plain(message.resource_spans[0].resource.attributes))
        self.spans += [span for rs in message.resource_spans for scope in rs.scope_spans for span in scope.spans]
        return web.Response()

    async def take_metrics(self, request: web.Request) -> web.Response:
        """Handle ``POST /v1/metrics``."""
        message = ExportMetricsServiceRequest.FromString(await request.read())
        self.metrics += [one for rm in message.resource_metrics for scope in rm.scope_metrics for one in scope.metrics]
        return web.Response()

    async def take_logs(self, request: web.Request) -> web.Response:
        """Handle ``POST /v1/logs``."""
        message = ExportLogsServiceRequest.FromString(await request.read())
        self.logs += [one for rl in message.resource_logs for scope in rl.scope_logs for one in scope.log_records]
        return web.Response()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that make a telemetry send here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}


def plain(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """OTLP attributes as a dictionary of Python values."""
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


@asynccontextmanager
async def collecting() -> AsyncIterator[Sink]:
    """Run a collector on a free port of the loopback interface."""
    sink = Sink()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/v1/traces", sink.take_traces)
    app.router.add_post("/v1/metrics", sink.take_metrics)
    app.router.add_post("/v1/logs", sink.take_logs)
    async with TestServer(app) as server:
        sink.url = str(server.make_url("/")).rstrip("/")
        yield sink
