"""The standard OTEL_* variables."""

from __future__ import annotations

from typing import get_args

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression

from gateway.telemetry._environment import (
    Signal,
    batch_options,
    exporter_options,
    metric_interval,
    resource_attributes,
    sampler,
)

SIGNALS: tuple[Signal, ...] = get_args(Signal)
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"},
        {**ENDPOINT, **{f"OTEL_{name}_EXPORTER": "none" for name in ("TRACES", "METRICS", "LOGS")}},
    ],
)
def test_nothing_is_exported_unless_an_endpoint_is_named(environ: dict[str, str], signal: Signal) -> None:
    assert None is exporter_options(environ, signal)


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_shared_endpoint_gets_the_signals_path(signal: Signal) -> None:
    options = exporter_options(ENDPOINT, signal)
    assert options is not None
    assert f"http://collector:4318/v1/{signal}" == options["endpoint"]


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_signals_own_endpoint_is_taken_as_it_stands(signal: Signal) -> None:
    own = {f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT": "https://other/path"}
    options = exporter_options({**ENDPOINT, **own}, signal)
    assert options is not None
    assert "https://other/path" == options["endpoint"]


def test_otlp_asked_for_by_name_goes_to_the_standard_port() -> None:
    options = exporter_options({"OTEL_TRACES_EXPORTER": "otlp"}, "traces")
    assert options is not None
    assert "http://localhost:4318/v1/traces" == options["endpoint"]


def test_headers_timeout_compression_and_certificates_are_read() -> None:
    environ = {
        **ENDPOINT,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=shared",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "api-key=own,x=y%20z",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem",
    }
    expected = {
        "endpoint": "http://collector:4318/v1/traces",
        "headers": {"api-key": "own", "x": "y z"},
        "timeout": 3.0,
        "compression": Compression.Gzip,
        "certificate_file": "ca.pem",
        "client_key_file": None,
        "client_certificate_file": None,
    }
    assert expected == exporter_options(environ, "traces")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "grpc://c"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
    ],
)
def test_a_value_that_cannot_be_honoured_is_an_error_that_names_the_variable(
    environ: dict[str, str], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        exporter_options(environ, "traces")


@pytest.mark.parametrize(
    ("environ", "description"),
    [
        ({}, "ParentBased{root:AlwaysOnSampler"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "AlwaysOffSampler"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}, "TraceIdRatioBased{0.25}"),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"},
            "ParentBased{root:TraceIdRatioBased{0.5}",
        ),
    ],
)
def test_the_sampler_is_the_one_named(environ: dict[str, str], description: str) -> None:
    assert sampler(environ).get_description().startswith(description)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG"),
    ],
)
def test_an_unknown_sampler_is_an_error(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        sampler(environ)


def test_batches_have_the_specifications_defaults_and_can_be_set() -> None:
    assert {
        "max_queue_size": 2048,
        "max_export_batch_size": 512,
        "schedule_delay_millis": 5000.0,
    } == batch_options({}, "OTEL_BSP")
    assert 200.0 == batch_options({"OTEL_BSP_SCHEDULE_DELAY": "200"}, "OTEL_BSP")["schedule_delay_millis"]
    assert 1000.0 == batch_options({}, "OTEL_BLRP")["schedule_delay_millis"]


def test_a_batch_larger_than_the_queue_is_an_error() -> None:
    with pytest.raises(ValueError, match="OTEL_BSP_MAX_EXPORT_BATCH_SIZE: must not exceed OTEL_BSP_MAX_QUEUE_SIZE"):
        batch_options({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, "OTEL_BSP")


def test_metrics_are_exported_every_minute_unless_told_otherwise() -> None:
    assert 60_000.0 == metric_interval({})
    assert 500.0 == metric_interval({"OTEL_METRIC_EXPORT_INTERVAL": "500"})


def test_the_service_name_variable_wins_over_the_resource_attributes() -> None:
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,deployment.environment.name=test", "OTEL_SERVICE_NAME": "b"}
    assert {"service.name": "b", "deployment.environment.name": "test"} == resource_attributes(environ)
