"""Metrics as Prometheus and a collector see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import Telemetry
from tests.unit.otlp_sink import collecting, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(subject: Telemetry) -> Samples:
    content_type, body = subject.prometheus()
    assert content_type.startswith("text/plain; version=")
    families = text_string_to_metric_families(body.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def request(subject: Telemetry, outcome: str, *, named: bool = True) -> None:
    with subject.request_span("start", {}) as span:
        if named:
            span.name("orders", "orders.v1", "quote")
        span.outcome(outcome)


QUOTE: Mapping[str, str] = {"endpoint": "orders", "service": "orders.v1", "operation": "quote", "verb": "start"}


async def test_requests_are_counted_by_where_they_went_and_how_they_ended() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        for outcome in ("succeeded", "succeeded", "started", "BAD_REQUEST"):
            request(subject, outcome)
        samples = scrape(subject)
    assert 2 == samples[sample("nexus_requests_total", **QUOTE, outcome="succeeded")]
    assert 1 == samples[sample("nexus_requests_total", **QUOTE, outcome="started")]
    assert 1 == samples[sample("nexus_requests_total", **QUOTE, outcome="BAD_REQUEST")]
    assert 1 == samples[sample("nexus_request_errors_total", endpoint="orders", error_type="BAD_REQUEST")]
    assert 4 == samples[sample("nexus_latency_seconds_count", **QUOTE)]
    assert 4 == samples[sample("nexus_latency_seconds_bucket", **QUOTE, le="60.0")]


async def test_a_request_that_was_never_named_is_counted_as_other() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        request(subject, "NOT_FOUND", named=False)
        samples = scrape(subject)
    other = dict.fromkeys(("endpoint", "service", "operation"), "_OTHER")
    assert 1 == samples[sample("nexus_requests_total", **other, verb="start", outcome="NOT_FOUND")]


async def test_open_long_polls_go_up_and_down() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.long_poll(), subject.long_poll():
            assert 2 == subject.open_long_polls == scrape(subject)[sample("nexus_open_long_polls")]
        assert 0 == subject.open_long_polls == scrape(subject)[sample("nexus_open_long_polls")]


async def test_deliveries_authentication_failures_and_key_ages_are_shown() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        subject.callback_delivery("delivered")
        subject.authentication_failure("expired")
        subject.watch_key_ages(lambda: {"https://issuer.test": 12.5})
        samples = scrape(subject)
    assert 1 == samples[sample("nexus_callback_deliveries_total", outcome="delivered")]
    assert 1 == samples[sample("nexus_authentication_failures_total", reason="expired")]
    assert 12.5 == samples[sample("nexus_key_age_seconds", issuer="https://issuer.test")]


@pytest.mark.parametrize("reason", ["", "a b", "x\ny", "é", "a" * 65, "eyJ/../"])
async def test_text_that_is_no_constant_never_becomes_a_label(reason: str) -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        subject.authentication_failure(reason)
        subject.callback_delivery(reason)
        samples = scrape(subject)
    assert 1 == samples[sample("nexus_authentication_failures_total", reason="_OTHER")]
    assert 1 == samples[sample("nexus_callback_deliveries_total", outcome="_OTHER")]


async def test_two_telemetries_share_nothing() -> None:
    async with Telemetry.from_environment("a", {}) as one, Telemetry.from_environment("b", {}) as other:
        request(one, "succeeded")
        assert sample("nexus_requests_total", **QUOTE, outcome="succeeded") in scrape(one)
        assert sample("nexus_requests_total", **QUOTE, outcome="succeeded") not in scrape(other)


async def test_a_collector_gets_the_same_metrics_by_their_own_names() -> None:
    async with collecting() as sink, Telemetry.from_environment("t", sink.environ) as subject:
        request(subject, "INTERNAL")
    by_name = {metric.name: metric for metric in sink.metrics}
    assert {"nexus_requests", "nexus_latency", "nexus_request_errors", "nexus_open_long_polls"} <= by_name.keys()
    (point,) = by_name["nexus_requests"].sum.data_points
    assert {**QUOTE, "outcome": "INTERNAL"} == plain(point.attributes)
    assert (1, "s") == (by_name["nexus_latency"].histogram.data_points[0].count, by_name["nexus_latency"].unit)


async def test_a_disabled_sdk_leaves_metrics_empty_and_requests_untouched() -> None:
    async with Telemetry.from_environment("t", {"OTEL_SDK_DISABLED": "true"}) as subject:
        with subject.request_span("start", {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}) as span:
            span.outcome("succeeded")
            assert "a" * 32 == span.trace_id
        assert {} == scrape(subject)
