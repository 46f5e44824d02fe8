"""Log records as JSON lines on a stream and, where the environment asks for it, to an OTLP collector."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber

from gateway.telemetry._spans import request_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs import LoggerProvider

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MAX_TEXT: Final = 16_384

# The last line of defence: nobody should log a token, but a library that logs a header or a URL would.
_SECRETS: Final = (
    (re.compile(r"eyJ[\w-]{4,}\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), r"\1 [token]"),
    (re.compile(r"(?i)([?&](?:callback|token|access_token)=)[^&\s\"'<>]+"), r"\1[redacted]"),
)
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.DEBUG, SeverityNumber.DEBUG),
)


class JsonLines(logging.Formatter):
    """One JSON object on one line: ``ts`` (RFC 3339), ``level``, ``logger``, ``message``, the ids, the extra fields.

    Everything outside printable ASCII is escaped, so that no text, whoever wrote it, can end a line or start another.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line for ``record``, without its newline."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = trace.format_trace_id(span.trace_id)
            line["span_id"] = trace.format_span_id(span.span_id)
        if current := request_id.get():
            line["request_id"] = current
        for key, value in extra_fields(record).items():
            line.setdefault(key, value)
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line)


def message_of(record: logging.LogRecord) -> str:
    """The redacted message, also where its arguments do not fit its format."""
    try:
        return redact(record.getMessage())
    except Exception:  # noqa: BLE001 - a line that was meant to help must not turn into a traceback
        return redact(f"{record.msg} (arguments do not fit)")


def extra_fields(record: logging.LogRecord) -> Mapping[str, object]:
    """What the caller passed as ``extra``, as JSON has it and with all its texts redacted."""
    fields = ((key, value) for key, value in vars(record).items() if key not in _STANDARD and not key.startswith("_"))
    return {key: _as_json(value) for key, value in fields}


def _as_json(value: object, depth: int = 4) -> object:
    match value:
        case str():
            return redact(value)
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping() if depth:
            return {redact(str(key)): _as_json(each, depth - 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset() if depth:
            return [_as_json(each, depth - 1) for each in value]
        case _:
            return redact(str(value))


def redact(text: str) -> str:
    """``text`` without what looks like a token or a callback's query, and of bounded length."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"


class QuietExporter(logging.Filter):
    """Lets through one line a minute of what OpenTelemetry says about itself.

    An exporter that is down complains about every batch and a full queue about every span; baggage that does not parse
    is quoted in full. The first is worth a line a minute, the last never.
    """

    def __init__(self, *, period: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._period = period
        self._clock = clock
        self._next = float("-inf")
        self._swallowed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` may be written; adds the number of lines left out since the last one."""
        if not record.name.startswith("opentelemetry."):
            return True
        if record.name.startswith(("opentelemetry.baggage", "opentelemetry.trace")):
            return False
        now = self._clock()
        if now < self._next:
            self._swallowed += 1
            return False
        self._next = now + self._period
        if self._swallowed:
            record.suppressed_lines = self._swallowed
            self._swallowed = 0
        # A stack of ours says nothing about a collector that is away.
        record.exc_info = None
        record.exc_text = None
        return True


class OtlpHandler(logging.Handler):
    """Passes log records on to an OTLP collector, through a bounded queue that another thread empties."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider: LoggerProvider | None = provider

    def stop(self) -> None:
        """Let later records pass by: the provider is about to shut down."""
        self._provider = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue ``record``; never blocks, never raises."""
        # What the exporter says about its own trouble would be exported too, and fail, and say so.
        if self._provider is None or record.name.startswith(("opentelemetry.", "urllib3.")):
            return
        try:
            self._provider.get_logger(record.name).emit(_otlp_record(record))
        except Exception:  # noqa: BLE001 - logging must not break what it reports on
            self.handleError(record)


def _otlp_record(record: logging.LogRecord) -> LogRecord:
    attributes = {
        key: value if isinstance(value, str | bool | int | float) else json.dumps(value)
        for key, value in extra_fields(record).items()
    }
    if current := request_id.get():
        attributes["nexus.request_id"] = current
    if record.exc_info and record.exc_info[0] is not None:
        attributes["exception.type"] = record.exc_info[0].__qualname__
        attributes["exception.stacktrace"] = redact(logging.Formatter().formatException(record.exc_info))
    severity = next((number for level, number in _SEVERITIES if record.levelno >= level), SeverityNumber.TRACE)
    return LogRecord(
        timestamp=int(record.created * 1e9),
        severity_text=record.levelname,
        severity_number=severity,
        body=message_of(record),
        attributes=attributes,
    )


def configure_logging(
    level: int | str = "INFO", stream: TextIO | None = None, *, also: logging.Handler | None = None
) -> None:
    """Send everything that is logged to ``stream`` (default: standard error) as JSON lines, and to ``also``.

    Replaces the handlers of the root logger. ``also`` is a telemetry's ``log_handler``. aiohttp's access log stays off:
    its lines hold query strings.

    Raises:
        ValueError: ``level`` is not a level of the logging module.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(QuietExporter())
    root = logging.getLogger()
    root.setLevel(level.upper() if isinstance(level, str) else level)
    root.handlers[:] = [handler] if also is None else [handler, also]
    # A library's warning would else be lines that are no JSON.
    logging.captureWarnings(capture=True)
    access = logging.getLogger("aiohttp.access")
    access.handlers[:] = []
    access.propagate = False
    access.disabled = True
