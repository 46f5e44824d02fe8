"""The standard ``OTEL_*`` variables, read from a mapping that is handed in.

OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter Configuration". The one departure:
without an endpoint nothing is exported, where the specification would try localhost. A gateway that is merely installed
must not knock on a port nobody opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypedDict, TypeVar
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.util.re import parse_env_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Signal = Literal["traces", "metrics", "logs"]
_T = TypeVar("_T")

_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_COMPRESSIONS: Final = {"none": Compression.NoCompression, "gzip": Compression.Gzip, "deflate": Compression.Deflate}
_SAMPLERS: Final[Mapping[str, Callable[[float], Sampler]]] = {
    "always_on": lambda _: ALWAYS_ON,
    "always_off": lambda _: ALWAYS_OFF,
    "traceidratio": TraceIdRatioBased,
    "parentbased_always_on": lambda _: DEFAULT_ON,
    "parentbased_always_off": lambda _: DEFAULT_OFF,
    "parentbased_traceidratio": ParentBasedTraceIdRatio,
}


class ExporterOptions(TypedDict):
    """What every OTLP/HTTP exporter is built with; ``timeout`` is in seconds, as the Python SDK reads it."""

    endpoint: str
    certificate_file: str | None
    client_key_file: str | None
    client_certificate_file: str | None
    headers: dict[str, str]
    timeout: float
    compression: Compression


class BatchOptions(TypedDict):
    """What a batch processor is built with; times are in milliseconds."""

    max_queue_size: int
    schedule_delay_millis: float
    max_export_batch_size: int


def sdk_disabled(environ: Mapping[str, str]) -> bool:
    """Whether ``OTEL_SDK_DISABLED`` turns everything off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def exporter_options(environ: Mapping[str, str], signal: Signal) -> ExporterOptions | None:
    """How ``signal`` is exported, or ``None`` where it is not.

    Raises:
        ValueError: a variable has a value that this gateway cannot honour; the message names the variable.
    """
    endpoint = _endpoint(environ, signal, explicit=_wants_otlp(environ, signal))
    if endpoint is None or _wants_otlp(environ, signal) is False or sdk_disabled(environ):
        return None
    _check_protocol(environ, signal)

    def value(name: str) -> str | None:
        return _value(environ, signal, name)[1]

    return ExporterOptions(
        endpoint=endpoint,
        certificate_file=value("CERTIFICATE"),
        client_key_file=value("CLIENT_KEY"),
        client_certificate_file=value("CLIENT_CERTIFICATE"),
        headers=dict(parse_env_headers(value("HEADERS") or "", liberal=True)),
        timeout=_positive("OTEL_EXPORTER_OTLP_TIMEOUT", value("TIMEOUT") or "10"),
        compression=_choice("OTEL_EXPORTER_OTLP_COMPRESSION", value("COMPRESSION") or "none", _COMPRESSIONS),
    )


def batch_options(environ: Mapping[str, str], prefix: Literal["OTEL_BSP", "OTEL_BLRP"]) -> BatchOptions:
    """Queue and batch sizes of spans (``OTEL_BSP_*``) or log records (``OTEL_BLRP_*``).

    Raises:
        ValueError: a value is not a positive number, or a batch is larger than the queue.
    """

    def number(name: str, default: int) -> float:
        variable = f"{prefix}_{name}"
        return _positive(variable, environ.get(variable) or str(default))

    queue, batch = int(number("MAX_QUEUE_SIZE", 2048)), int(number("MAX_EXPORT_BATCH_SIZE", 512))
    if batch > queue:
        raise ValueError(f"{prefix}_MAX_EXPORT_BATCH_SIZE: must not exceed {prefix}_MAX_QUEUE_SIZE")
    delay = number("SCHEDULE_DELAY", 5000 if prefix == "OTEL_BSP" else 1000)
    return BatchOptions(max_queue_size=queue, max_export_batch_size=batch, schedule_delay_millis=delay)


def metric_interval(environ: Mapping[str, str]) -> float:
    """Milliseconds between two exports of metrics (``OTEL_METRIC_EXPORT_INTERVAL``)."""
    return _positive("OTEL_METRIC_EXPORT_INTERVAL", environ.get("OTEL_METRIC_EXPORT_INTERVAL") or "60000")


def sampler(environ: Mapping[str, str]) -> Sampler:
    """The sampler that ``OTEL_TRACES_SAMPLER`` and ``OTEL_TRACES_SAMPLER_ARG`` name; by default the caller decides.

    Raises:
        ValueError: the name is not one of the specification's, or the ratio is no number from 0 to 1.
    """
    make = _choice("OTEL_TRACES_SAMPLER", environ.get("OTEL_TRACES_SAMPLER") or "parentbased_always_on", _SAMPLERS)
    return make(_number("OTEL_TRACES_SAMPLER_ARG", environ.get("OTEL_TRACES_SAMPLER_ARG") or "1", 0, 1))


def resource_attributes(environ: Mapping[str, str]) -> dict[str, str]:
    """``OTEL_RESOURCE_ATTRIBUTES``, with ``OTEL_SERVICE_NAME`` on top of it."""
    from_list = parse_env_headers(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""), liberal=True)
    named = environ.get("OTEL_SERVICE_NAME")
    return {**from_list, "service.name": named} if named else dict(from_list)


def _value(environ: Mapping[str, str], signal: Signal, name: str) -> tuple[str, str | None]:
    own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}"
    shared = f"OTEL_EXPORTER_OTLP_{name}"
    return (own, environ[own]) if environ.get(own) else (shared, environ.get(shared) or None)


def _wants_otlp(environ: Mapping[str, str], signal: Signal) -> bool | None:
    """What ``OTEL_TRACES_EXPORTER`` and its two sisters say; ``None`` when they say nothing."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    names = {name.strip().lower() for name in environ.get(variable, "").split(",") if name.strip()}
    # "prometheus" is always there, on the admin port.
    if unknown := names - {"otlp", "none", "prometheus"}:
        raise ValueError(f"{variable}: {min(unknown)!r} is not supported, use otlp or none")
    return "otlp" in names if names else None


def _endpoint(environ: Mapping[str, str], signal: Signal, *, explicit: bool | None) -> str | None:
    variable, endpoint = _value(environ, signal, "ENDPOINT")
    if endpoint is None:
        return f"{_DEFAULT_ENDPOINT}/v1/{signal}" if explicit else None
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{variable}: must be an http:// or https:// URL, for example {_DEFAULT_ENDPOINT}")
    # The specification adds the path to the shared variable only.
    return f"{endpoint.rstrip('/')}/v1/{signal}" if variable == "OTEL_EXPORTER_OTLP_ENDPOINT" else endpoint


def _check_protocol(environ: Mapping[str, str], signal: Signal) -> None:
    variable, protocol = _value(environ, signal, "PROTOCOL")
    if (protocol or "http/protobuf").strip().lower() != "http/protobuf":
        raise ValueError(f"{variable}: {protocol!r} is not supported, use http/protobuf (port 4318 of most collectors)")


def _choice(variable: str, value: str, choices: Mapping[str, _T]) -> _T:
    try:
        return choices[value.strip().lower()]
    except KeyError:
        raise ValueError(f"{variable}: {value!r} is not one of {', '.join(choices)}") from None


def _positive(variable: str, value: str) -> float:
    number = _number(variable, value, 0, float("inf"))
    if number == 0:
        raise ValueError(f"{variable}: must be greater than 0")
    return number


def _number(variable: str, value: str, low: float, high: float) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{variable}: {value!r} is not a number") from None
    if not low <= number <= high:
        raise ValueError(f"{variable}: {value!r} is not between {low:g} and {high:g}")
    return number
