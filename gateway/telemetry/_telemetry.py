"""What the rooms of the gateway see of OpenTelemetry: one object, handed to whoever needs it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Tracer, TracerProvider
from prometheus_client import exposition

from gateway.telemetry._logs import OtlpHandler
from gateway.telemetry._metrics import Labels, Metrics
from gateway.telemetry._propagation import extract, inject, links_from
from gateway.telemetry._providers import Providers, providers_from_environment
from gateway.telemetry._spans import AttributeValue, ClientSpan, RequestSpan
from gateway.telemetry._trace_policies import TracePolicies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
    from types import TracebackType

    from opentelemetry.metrics import Meter, MeterProvider

    from gateway.model import TraceContext

_SCOPE = "nexus-gateway"


class Telemetry:
    """Tracer, meter, log handler and propagation of one process; an async context manager that flushes when it ends.

    Nothing is registered globally. While exporters are down requests go on at full speed: spans and log records wait in
    bounded queues, and the overflow is dropped.
    """

    def __init__(self, providers: Providers, *, version: str = "", shutdown_timeout: float = 3.0) -> None:
        self._providers = providers
        self._shutdown_timeout = shutdown_timeout
        self.tracer_provider: TracerProvider = providers.tracer_provider
        self.meter_provider: MeterProvider = providers.meter_provider
        self.tracer: Tracer = providers.tracer_provider.get_tracer(_SCOPE, version)
        self.meter: Meter = providers.meter_provider.get_meter(_SCOPE, version)
        self.metrics = Metrics(self.meter)
        self._trace_policies = TracePolicies({})
        self.log_handler = OtlpHandler(providers.logger_provider) if providers.logger_provider else None

    @classmethod
    def from_environment(
        cls,
        service_name: str,
        environ: Mapping[str, str],
        *,
        version: str = "",
        instance_id: str | None = None,
        shutdown_timeout: float = 3.0,
    ) -> Telemetry:
        """Build everything from the standard ``OTEL_*`` variables in ``environ``.

        ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` win over ``service_name``; ``instance_id`` is made up
        when absent; ``shutdown_timeout`` is in seconds. Without an OTLP endpoint nothing leaves the process.

        Raises:
            ValueError: a variable asks for what cannot be done; the message names it.
        """
        providers = providers_from_environment(service_name, environ, version=version, instance_id=instance_id)
        return cls(providers, version=version, shutdown_timeout=shutdown_timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send what is queued and stop, waiting at most ``shutdown_timeout`` seconds, without blocking the loop."""
        if self.log_handler is not None:
            self.log_handler.stop()
        await self._providers.aclose(self._shutdown_timeout)

    def request_span(self, verb: str, headers: Mapping[str, str], *, method: str = "POST") -> RequestSpan:
        """The SERVER span of one request, current inside ``with`` from when its caller is known, or from the beginning.

        What becomes of the trace context in ``headers`` is the policy of the caller's issuer; without policies the span
        is a child of what they say. ``verb`` is one of a closed set (start, cancel, result, describe, completion, …);
        ``headers`` is case-insensitive or has lower-case names.
        """
        return RequestSpan(self.tracer, self.metrics, self._trace_policies, verb=verb, headers=headers, method=method)

    def believe(self, by_issuer: Mapping[str, TraceContext]) -> None:
        """From now on believe the trace context of callers as far as their issuer's policy says."""
        self._trace_policies = TracePolicies(by_issuer)

    @contextmanager
    def client_span(
        self, name: str, attributes: Mapping[str, AttributeValue] | None = None, *, links: Iterable[str] = ()
    ) -> Iterator[ClientSpan]:
        """A CLIENT span, current inside ``with``; ``links`` are ``traceparent`` values of related spans.

        An exception that leaves the block marks the span with its class; its message is not recorded.
        """
        with self.tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT,
            attributes=dict(attributes or {}),
            links=links_from(links),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            client_span = ClientSpan(span)
            try:
                yield client_span
            except BaseException as error:
                client_span.fail(type(error).__name__)
                raise

    @contextmanager
    def remote_context(self, headers: Mapping[str, str]) -> Iterator[None]:
        """Make the trace context that ``headers`` carry (or carried, when they were stored) the current one."""
        token = otel_context.attach(extract(headers))
        try:
            yield
        finally:
            otel_context.detach(token)

    def inject(self, headers: MutableMapping[str, str]) -> None:
        """Write the current ``traceparent`` and ``tracestate`` into ``headers``; baggage stays at home."""
        inject(headers)

    def current_trace_id(self) -> str | None:
        """The current trace's id, 32 hexadecimal digits, or ``None`` outside of any trace."""
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    def current_traceparent(self) -> str | None:
        """The current span as a ``traceparent`` value, to be stored and handed to :meth:`remote_context` later."""
        carrier: dict[str, str] = {}
        inject(carrier)
        return carrier.get("traceparent")

    @contextmanager
    def long_poll(self) -> Iterator[None]:
        """Count a result request as waiting while the block runs."""
        self.metrics.open_long_polls += 1
        try:
            yield
        finally:
            self.metrics.open_long_polls -= 1

    @property
    def open_long_polls(self) -> int:
        """How many result requests are waiting now."""
        return self.metrics.open_long_polls

    def callback_delivery(self, outcome: str) -> None:
        """Count one completion callback by its outcome, a constant such as ``delivered`` or ``refused``."""
        self.metrics.callback_delivery(outcome)

    def event(self, name: str, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Add a point in time to the current span, whoever started it."""
        trace.get_current_span().add_event(name, attributes)

    def authentication_failure(self, reason: str) -> None:
        """Count one request without a valid token by its reason, a constant such as ``expired``."""
        self.metrics.authentication_failure(reason)

    def watch_key_ages(self, ages: Callable[[], Mapping[str, float]]) -> None:
        """Report ``ages()`` (issuer to seconds since its keys were fetched) with every collection, from any thread."""
        self.metrics.watch_key_ages(ages)

    def watch_counter(self, name: str, description: str, read: Callable[[], Mapping[Labels, float]]) -> None:
        """Report the counts of ``read()``, by labels that are constants, with every collection, from any thread."""
        self.metrics.watch(name, description, read, counter=True)

    def watch_gauge(self, name: str, description: str, read: Callable[[], Mapping[Labels, float]]) -> None:
        """Report the values of ``read()``, by labels that are constants, with every collection, from any thread."""
        self.metrics.watch(name, description, read, counter=False)

    def prometheus(self) -> tuple[str, bytes]:
        """Content type and body of ``GET /metrics``."""
        return exposition.CONTENT_TYPE_PLAIN_0_0_4, exposition.generate_latest(self._providers.registry)
