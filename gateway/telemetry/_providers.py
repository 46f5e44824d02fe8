"""The SDK's providers, built from the environment and shut down within a bound."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk import metrics as sdk_metrics
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider, TracerProvider
from prometheus_client import CollectorRegistry

from gateway.telemetry._environment import (
    batch_options,
    exporter_options,
    metric_interval,
    resource_attributes,
    sampler,
    sdk_disabled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The three signals of one process, and what has to be called to end them."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider | None
    registry: CollectorRegistry
    shutdowns: tuple[Callable[[], object], ...] = ()

    async def aclose(self, timeout: float) -> None:  # noqa: ASYNC109 - a bound on threads, which cannot be cancelled
        """Flush and shut down all signals side by side; give up after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        remaining = [*self.shutdowns]

        def shut_down(one: Callable[[], object]) -> None:
            one()
            # A loop that did not wait for us is closed by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done, one)

        def done(one: Callable[[], object]) -> None:
            remaining.remove(one)
            if not remaining:
                ended.set()

        # Daemon threads and not the loop's executor, whose threads are waited for at exit however long they hang.
        for each in self.shutdowns:
            threading.Thread(target=shut_down, args=(each,), daemon=True, name="telemetry-shutdown").start()
        if remaining:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), timeout)


def providers_from_environment(
    service_name: str, environ: Mapping[str, str], *, version: str, instance_id: str | None
) -> Providers:
    """Build the providers that the ``OTEL_*`` variables in ``environ`` ask for.

    Raises:
        ValueError: a variable asks for what cannot be done; the message names it.
    """
    registry = CollectorRegistry()
    if sdk_disabled(environ):
        return Providers(
            tracer_provider=NoOpTracerProvider(),
            meter_provider=NoOpMeterProvider(),
            logger_provider=None,
            registry=registry,
        )
    resource = _resource(service_name, environ, version=version, instance_id=instance_id)
    tracer_provider = _tracer_provider(resource, environ)
    meter_provider = _meter_provider(resource, environ, registry)
    logger_provider = _logger_provider(resource, environ)
    ends: list[Callable[[], object]] = [tracer_provider.shutdown, meter_provider.shutdown]
    if logger_provider is not None:
        ends.append(logger_provider.shutdown)
    return Providers(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        logger_provider=logger_provider,
        registry=registry,
        shutdowns=tuple(ends),
    )


def _resource(service_name: str, environ: Mapping[str, str], *, version: str, instance_id: str | None) -> Resource:
    ours = {
        "service.name": service_name,
        "service.version": version,
        "service.instance.id": instance_id or str(uuid4()),
    }
    return Resource.create({**ours, **resource_attributes(environ)})


def _tracer_provider(resource: Resource, environ: Mapping[str, str]) -> sdk_trace.TracerProvider:
    provider = sdk_trace.TracerProvider(resource=resource, sampler=sampler(environ), shutdown_on_exit=False)
    if options := exporter_options(environ, "traces"):
        exporter = OTLPSpanExporter(**options)
        provider.add_span_processor(BatchSpanProcessor(exporter, **batch_options(environ, "OTEL_BSP")))
    return provider


def _meter_provider(
    resource: Resource, environ: Mapping[str, str], registry: CollectorRegistry
) -> sdk_metrics.MeterProvider:
    readers: list[MetricReader] = [PrometheusMetricReader(registry=registry, scope_info_enabled=False)]
    if options := exporter_options(environ, "metrics"):
        exporter = OTLPMetricExporter(**options)
        readers.append(PeriodicExportingMetricReader(exporter, export_interval_millis=metric_interval(environ)))
    # Exemplars would cost more than the measurement, and neither /metrics nor most collectors show them.
    return sdk_metrics.MeterProvider(
        readers, resource, exemplar_filter=sdk_metrics.AlwaysOffExemplarFilter(), shutdown_on_exit=False
    )


def _logger_provider(resource: Resource, environ: Mapping[str, str]) -> LoggerProvider | None:
    options = exporter_options(environ, "logs")
    if options is None:
        return None
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    exporter = OTLPLogExporter(**options)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, **batch_options(environ, "OTEL_BLRP")))
    return provider
