"""Spans: one SERVER span for a request, one CLIENT span for each attempt at a callback.

A request arrives before anybody knows whose it is, and it depends on the caller whether its span may belong to the
caller's trace. Where all callers may continue theirs the span begins at once; else when the caller is known, and for a
request that ends before that, as if it came from the least trusted. The time it took counts from its arrival, always.

No exception is recorded on either: messages and stack traces may hold what a caller sent.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Final, Self

from opentelemetry import context as otel_context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context

from gateway.model import TraceContext
from gateway.telemetry._metrics import ABORTED, OTHER, OUTCOMES, Metrics, RequestKey
from gateway.telemetry._propagation import extract, inject, links_from, without_trace_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from opentelemetry.context import Context

    from gateway.telemetry._trace_policies import TracePolicies

AttributeValue = str | bool | int | float

request_id: Final[ContextVar[str | None]] = ContextVar("nexus_request_id", default=None)
"""The id of the request that the current task works on; every log line carries it."""

_METHOD_NOT_ALLOWED: Final = 405
# The outcomes that are the gateway's or the engine's fault: the ones that answer with a status of 500 or more.
_SERVER_FAULTS: Final = frozenset({"UNKNOWN", "INTERNAL", "NOT_IMPLEMENTED", "UNAVAILABLE", "UPSTREAM_TIMEOUT"})


class RequestSpan:
    """The SERVER span of one request and, when it ends, the request's metrics.

    Until :meth:`name` is called the request is counted under ``_OTHER``; only names from the registry may be given.
    """

    __slots__ = (
        "_arrived",
        "_headers",
        "_method",
        "_metrics",
        "_names",
        "_outcome",
        "_policies",
        "_policy",
        "_request_id",
        "_request_id_token",
        "_span",
        "_started",
        "_status",
        "_token",
        "_tracer",
        "_verb",
    )

    def __init__(
        self,
        tracer: Tracer,
        metrics: Metrics,
        policies: TracePolicies,
        *,
        verb: str,
        headers: Mapping[str, str],
        method: str,
    ) -> None:
        self._tracer = tracer
        self._metrics = metrics
        self._policies = policies
        self._policy = policies.strictest
        self._verb = verb
        self._headers = headers
        self._method = method
        self._names = (OTHER, OTHER, OTHER)
        self._outcome: str | None = None
        self._status = 0
        self._request_id: str | None = None
        self._request_id_token: Token[str | None] | None = None
        self._span: Span | None = None
        self._token: Token[Context]
        self._arrived: int | None = None

    def name(self, endpoint: str, service: str | None = None, operation: str | None = None) -> None:
        """Say where the request goes, in names that the registry knows; ``None`` for one that it does not."""
        self._names = (endpoint, service or OTHER, operation or OTHER)

    def verb(self, value: str) -> None:
        """Say what is wanted, once the request has been read; one of a closed set, as in the constructor."""
        self._verb = value

    def request_id(self, value: str) -> None:
        """Note the request's id, here and in the log lines that are written until the span ends."""
        self._request_id = value
        token = request_id.set(value)
        if self._request_id_token is None:
            self._request_id_token = token

    def caller(self, issuer: str) -> None:
        """Say whose request it is, once that is proven: by the issuer's policy its trace goes on or begins here."""
        self._begin(self._policies.of(issuer))

    def engine(self) -> None:
        """Say that the engine sent it: what it comes with is what the gateway itself has handed to the engine."""
        self._begin(TraceContext.CONTINUE)

    def outcome(self, value: str) -> None:
        """Note how it ended: succeeded, started, failed, canceled, running, or a handler error's type."""
        self._outcome = value if value in OUTCOMES else OTHER

    def status(self, code: int) -> None:
        """Note the HTTP status of the answer."""
        self._status = code

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hexadecimal digits; to ask before the caller is known makes the request a stranger's."""
        return format_trace_id(self._begun().get_span_context().trace_id)

    def handed_on(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A request's headers for whoever works on it: this span in place of the caller's.

        What else belongs to the caller's trace (baggage, other tracers' headers) goes along where its trace goes on.
        """
        handed = dict(headers) if self._policy is TraceContext.CONTINUE else without_trace_context(headers)
        for name in ("traceparent", "tracestate"):
            handed.pop(name, None)
        inject(handed)
        return handed

    def __enter__(self) -> Self:
        self._started = perf_counter()
        if self._policies.strictest is TraceContext.CONTINUE:
            self._begin(TraceContext.CONTINUE)
        else:
            self._arrived = time_ns()
        return self

    def _begun(self) -> Span:
        return self._span or self._begin(self._policies.strictest)

    def _begin(self, policy: TraceContext) -> Span:
        if self._span is not None:
            return self._span
        self._policy = policy
        parent = extract(self._headers if policy is TraceContext.CONTINUE else {})
        span = self._span = self._tracer.start_span(
            f"nexus.{self._verb} {OTHER}/{OTHER}",
            parent,
            SpanKind.SERVER,
            links=links_from([self._headers.get("traceparent", "")]) if policy is TraceContext.LINK else None,
            start_time=self._arrived,
            record_exception=False,
            set_status_on_exception=False,
        )
        self._token = otel_context.attach(set_span_in_context(span, parent))
        return span

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        outcome = self._outcome or _outcome_of(kind)
        endpoint, service, operation = self._names
        span = self._begun()
        if span.is_recording():
            self._describe(span, outcome)
        span.end()
        otel_context.detach(self._token)
        if self._request_id_token is not None:
            request_id.reset(self._request_id_token)
        elapsed = perf_counter() - self._started
        self._metrics.request(RequestKey(endpoint, service, operation, self._verb, outcome), elapsed)

    def _describe(self, span: Span, outcome: str) -> None:
        endpoint, service, operation = self._names
        method = f"{service}/{operation}"
        attributes: dict[str, AttributeValue] = {
            "rpc.system.name": "nexus",
            "rpc.method": method,
            "nexus.endpoint": endpoint,
            "nexus.service": service,
            "nexus.operation": operation,
            "nexus.outcome": outcome,
            "http.request.method": self._method,
        }
        if self._request_id is not None:
            attributes["nexus.request_id"] = self._request_id
        if self._status:
            attributes["http.response.status_code"] = self._status
        # A method that a path does not have is in the protocol's words not implemented, and the client's fault.
        if outcome in _SERVER_FAULTS and self._status != _METHOD_NOT_ALLOWED:
            attributes["error.type"] = outcome
            span.set_status(StatusCode.ERROR)
        span.update_name(f"nexus.{self._verb} {method}")
        span.set_attributes(attributes)


def _outcome_of(exception: type[BaseException] | None) -> str:
    if exception is None:
        return OTHER
    # A client that goes away cancels its own request.
    return ABORTED if issubclass(exception, asyncio.CancelledError) else "INTERNAL"


class ClientSpan:
    """A CLIENT span that is current: what the rooms without OpenTelemetry may say about it."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute."""
        self._span.set_attribute(key, value)

    def event(self, name: str, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Add a point in time."""
        self._span.add_event(name, attributes)

    def fail(self, error_type: str) -> None:
        """Mark the span as failed. ``error_type`` is a constant or an exception's class, never its message."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR)
