"""The latency histogram: kept by ourselves, because an SDK histogram costs a request more than its span.

It reaches Prometheus as a collector and OTLP as an addition to what the SDK exports.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate
from math import inf
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Unpack

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    ScopeMetrics,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from gateway.telemetry._environment import ExporterOptions

NAME: Final = "nexus_latency"
DESCRIPTION: Final = "Time from the request's headers to its answer"
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets, inclusive, in seconds."""


class LatencyKey(NamedTuple):
    """What latencies are kept apart by. Not the outcome: half the series, and that is a question for the traces."""

    endpoint: str
    service: str
    operation: str
    verb: str


class Latency:
    """The latencies of one key since the process started."""

    __slots__ = ("buckets", "highest", "lowest", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self.lowest = inf
        self.highest = 0.0

    def record(self, seconds: float) -> None:
        """Count one request."""
        self.total += seconds
        self.lowest = min(self.lowest, seconds)
        self.highest = max(self.highest, seconds)
        self.buckets[bisect_left(BOUNDS, seconds)] += 1


class Latencies(Collector):
    """All latencies of a process, as a collector of Prometheus."""

    def __init__(self) -> None:
        self._by_key: dict[LatencyKey, Latency] = {}
        self._since = time_ns()

    def of(self, key: LatencyKey) -> Latency:
        """Where to record requests of ``key``."""
        return self._by_key.setdefault(key, Latency())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The histogram as Prometheus has it: cumulative buckets. Called from any thread."""
        family = HistogramMetricFamily(f"{NAME}_seconds", DESCRIPTION, labels=LatencyKey._fields)
        for key, latency in self._by_key.copy().items():
            counts = accumulate(latency.buckets.copy())
            bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
            family.add_metric(key, list(zip(bounds, counts, strict=True)), latency.total)
        yield family

    def metric(self) -> Metric | None:
        """The histogram as OpenTelemetry has it: the counts of each bucket since the process started."""
        now = time_ns()
        latencies = self._by_key.copy().items()
        points = [self._point(key, latency, now) for key, latency in latencies if any(latency.buckets)]
        if not points:
            return None
        return Metric(NAME, DESCRIPTION, "s", Histogram(points, AggregationTemporality.CUMULATIVE))

    def _point(self, key: LatencyKey, latency: Latency, now: int) -> HistogramDataPoint:
        buckets = latency.buckets.copy()
        return HistogramDataPoint(
            attributes=key._asdict(),
            start_time_unix_nano=self._since,
            time_unix_nano=now,
            count=sum(buckets),
            sum=latency.total,
            bucket_counts=buckets,
            explicit_bounds=BOUNDS,
            min=latency.lowest,
            max=latency.highest,
        )


class LatencyExporter(OTLPMetricExporter):
    """The SDK's OTLP exporter, which also sends the latencies; their sums are cumulative whatever is preferred."""

    def __init__(self, latencies: Latencies, scope: InstrumentationScope, **options: Unpack[ExporterOptions]) -> None:
        super().__init__(**options)
        self._latencies = latencies
        self._scope = scope

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float | None = 10_000,
        **kwargs: Any,  # noqa: ANN401 - the SDK's signature
    ) -> MetricExportResult:
        """Send ``metrics_data`` and the latencies."""
        metric = self._latencies.metric()
        if metric is not None and metrics_data.resource_metrics:
            first, *others = metrics_data.resource_metrics
            # One entry for each scope: the encoder keeps only the last.
            scopes = {each.scope: each for each in first.scope_metrics}
            ours = scopes.get(self._scope, ScopeMetrics(self._scope, [], ""))
            scopes[self._scope] = replace(ours, metrics=[*ours.metrics, metric])
            metrics_data = MetricsData([replace(first, scope_metrics=[*scopes.values()]), *others])
        return super().export(metrics_data, timeout_millis, **kwargs)
