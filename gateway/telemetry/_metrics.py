"""The gateway's metrics (section 7 of the contract), kept so that a request pays for one look-up.

Counts are plain integers that the readers observe when they collect.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from gateway.telemetry._labels import ERROR_TYPES, RequestLabel, constant
from gateway.telemetry._latency import Latencies, Latency, LatencyKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class _Series:
    """The requests of one label."""

    __slots__ = ("count", "latency")

    def __init__(self, latency: Latency) -> None:
        self.count = 0
        self.latency = latency


class Metrics:
    """Everything that is counted, by the names of section 7."""

    def __init__(self, meter: Meter, latencies: Latencies) -> None:
        self._latencies = latencies
        self._series: dict[RequestLabel, _Series] = {}
        self._deliveries: Counter[str] = Counter()
        self._authentication_failures: Counter[str] = Counter()
        self._key_ages: Callable[[], Mapping[str, float]] = dict
        self.open_long_polls = 0
        for name, observe, description in (
            ("nexus_requests", self._observe_requests, "Requests answered"),
            ("nexus_request_errors", self._observe_errors, "Requests answered with a handler error, by its type"),
            ("nexus_callback_deliveries", self._observe_deliveries, "Completion callbacks passed on, by outcome"),
            ("nexus_authentication_failures", self._observe_authentication, "Requests without a valid token"),
        ):
            meter.create_observable_counter(name, [observe], description=description)
        meter.create_observable_up_down_counter(
            "nexus_open_long_polls", [self._observe_long_polls], description="Result requests that are waiting"
        )
        meter.create_observable_gauge(
            "nexus_key_age",
            [self._observe_key_ages],
            unit="s",
            description="Time since an issuer's keys were last fetched",
        )

    def request(self, label: RequestLabel, seconds: float) -> None:
        """Count one finished request and the time it took."""
        series = self._series.get(label)
        if series is None:
            latency = self._latencies.of(LatencyKey(label.endpoint, label.service, label.operation, label.verb))
            series = self._series[label] = _Series(latency)
        series.count += 1
        series.latency.record(seconds)

    def callback_delivery(self, outcome: str) -> None:
        """Count one completion callback that was passed on, or was not."""
        self._deliveries[constant(outcome)] += 1

    def authentication_failure(self, reason: str) -> None:
        """Count one request without a valid token; ``reason`` is a constant of the code, never the request's text."""
        self._authentication_failures[constant(reason)] += 1

    def watch_key_ages(self, ages: Callable[[], Mapping[str, float]]) -> None:
        """Ask ``ages`` at each collection: seconds since the keys were fetched, by issuer. Called from any thread."""
        self._key_ages = ages

    # Readers collect on threads of their own. Copying a dictionary is atomic, iterating over one that grows is not.

    def _observe_requests(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._totals(("endpoint", "service", "operation", "verb", "outcome"))

    def _observe_errors(self, _: CallbackOptions) -> Iterable[Observation]:
        return self._totals(("endpoint", "error_type"))

    def _totals(self, names: tuple[str, ...]) -> list[Observation]:
        # The series are finer than the metric, which knows neither the HTTP method nor the status.
        totals: Counter[tuple[str, ...]] = Counter()
        for label, series in self._series.copy().items():
            values = {**label._asdict(), "error_type": label.outcome}
            if "error_type" not in names or label.outcome in ERROR_TYPES:
                totals[tuple(values[name] for name in names)] += series.count
        return [Observation(count, dict(zip(names, values, strict=True))) for values, count in totals.items()]

    def _observe_deliveries(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {"outcome": outcome}) for outcome, count in self._deliveries.copy().items()]

    def _observe_authentication(self, _: CallbackOptions) -> Iterable[Observation]:
        failures = self._authentication_failures.copy().items()
        return [Observation(count, {"reason": reason}) for reason, count in failures]

    def _observe_long_polls(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.open_long_polls)]

    def _observe_key_ages(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(age, {"issuer": issuer}) for issuer, age in self._key_ages().items()]
