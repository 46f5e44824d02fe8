"""The gateway's metrics (section 7 of the contract), kept so that a request pays for two dictionary look-ups.

Label values come from the registry and from closed sets only: what a caller writes never becomes a label. Counts are
plain integers that the readers observe when they collect; only the latency histogram is recorded as it happens.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from nexusrpc import HandlerErrorType
from opentelemetry.metrics import CallbackOptions, Meter, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

OTHER: Final = "_OTHER"
"""Stands for a name that is not in the registry, or an outcome that is not in the table."""

ABORTED: Final = "aborted"
"""Outcome of a request whose client went away before there was an answer."""

ERROR_TYPES: Final = frozenset(kind.value for kind in HandlerErrorType)
OUTCOMES: Final = ERROR_TYPES | {"succeeded", "started", "failed", "canceled", "running", ABORTED}

_LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CONSTANT: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


Labels = tuple[tuple[str, str], ...]
"""Names and values of a series' labels."""


class RequestKey(NamedTuple):
    """The labels of one finished request."""

    endpoint: str
    service: str
    operation: str
    verb: str
    outcome: str


class Metrics:
    """Everything that is counted, by the names of section 7."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._requests: Counter[RequestKey] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()
        self._deliveries: Counter[str] = Counter()
        self._authentication_failures: Counter[str] = Counter()
        self._latency_labels: dict[RequestKey, Mapping[str, str]] = {}
        self._key_ages: Callable[[], Mapping[str, float]] = dict
        self.open_long_polls = 0
        self._latency = meter.create_histogram(
            "nexus_latency",
            unit="s",
            description="Time from the request's headers to its answer",
            explicit_bucket_boundaries_advisory=_LATENCY_BUCKETS,
        )
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

    def request(self, key: RequestKey, seconds: float) -> None:
        """Count one finished request and the time it took."""
        self._requests[key] += 1
        if key.outcome in ERROR_TYPES:
            self._errors[key.endpoint, key.outcome] += 1
        labels = self._latency_labels.get(key)
        if labels is None:
            # Without the outcome: half the series, and a latency by outcome is a question for the traces.
            labels = self._latency_labels[key] = {name: getattr(key, name) for name in RequestKey._fields[:-1]}
        self._latency.record(seconds, labels)

    def callback_delivery(self, outcome: str) -> None:
        """Count one completion callback that was passed on, or was not."""
        self._deliveries[constant(outcome)] += 1

    def authentication_failure(self, reason: str) -> None:
        """Count one request without a valid token; ``reason`` is a constant of the code, never the request's text."""
        self._authentication_failures[constant(reason)] += 1

    def watch_key_ages(self, ages: Callable[[], Mapping[str, float]]) -> None:
        """Ask ``ages`` at each collection: seconds since the keys were fetched, by issuer. Called from any thread."""
        self._key_ages = ages

    def watch(self, name: str, description: str, read: Callable[[], Mapping[Labels, float]], *, counter: bool) -> None:
        """Ask ``read`` at each collection for values by their labels, which are constants; called from any thread."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, dict(labels)) for labels, value in read().items()]

        create = self._meter.create_observable_counter if counter else self._meter.create_observable_gauge
        create(name, [observe], description=description)

    # Readers collect on threads of their own. Copying a dictionary is atomic, iterating over one that grows is not.

    def _observe_requests(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, key._asdict()) for key, count in self._requests.copy().items()]

    def _observe_errors(self, _: CallbackOptions) -> Iterable[Observation]:
        errors = self._errors.copy().items()
        return [Observation(count, {"endpoint": endpoint, "error_type": kind}) for (endpoint, kind), count in errors]

    def _observe_deliveries(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {"outcome": outcome}) for outcome, count in self._deliveries.copy().items()]

    def _observe_authentication(self, _: CallbackOptions) -> Iterable[Observation]:
        failures = self._authentication_failures.copy().items()
        return [Observation(count, {"reason": reason}) for reason, count in failures]

    def _observe_long_polls(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.open_long_polls)]

    def _observe_key_ages(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(age, {"issuer": issuer}) for issuer, age in self._key_ages().items()]


def constant(label: str) -> str:
    """``label`` if it looks like a constant of the code, else ``_OTHER``."""
    return label if _CONSTANT.fullmatch(label) else OTHER
