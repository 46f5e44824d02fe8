"""JSON lines: whatever is logged stays one line, and secrets stay out of it."""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.telemetry import JsonLines, Telemetry, configure_logging, request_id
from gateway.telemetry._logs import QuietExporter
from tests.unit.otlp_sink import collecting, plain

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


def record(message: object, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("gateway.test", logging.INFO, __file__, 1, message, args, None)
    vars(made).update(extra)
    return made


def test_a_record_is_one_json_object_with_time_level_logger_and_message() -> None:
    made = record("hello %s", "world", endpoint="orders")
    made.created = 1_700_000_000.5
    assert {
        "ts": "2023-11-14T22:13:20.500Z",
        "level": "info",
        "logger": "gateway.test",
        "message": "hello world",
        "endpoint": "orders",
    } == json.loads(JsonLines().format(made))


@settings(deadline=None)
@given(st.text(), st.text(), st.text(min_size=1))
def test_no_text_can_break_a_line(message: str, value: str, key: str) -> None:
    made = record("%s", message, **{f"x{key}": value, "nested": {key: [value]}})
    line = JsonLines().format(made)
    assert line.isascii()
    assert line.isprintable()
    assert 1 == len(line.splitlines())
    assert isinstance(json.loads(line), dict)


def test_an_extra_field_cannot_pose_as_one_of_ours() -> None:
    parsed = json.loads(JsonLines().format(record("real", ts="1970", level="debug", logger="other")))
    assert ("info", "gateway.test", "real") == (parsed["level"], parsed["logger"], parsed["message"])
    assert "1970" != parsed["ts"]


async def test_a_line_inside_of_a_request_carries_its_trace_and_request_id() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        with subject.request_span("start", {}) as span:
            span.request_id("r-1")
            parsed = json.loads(JsonLines().format(record("x")))
            assert (span.trace_id, "r-1") == (parsed["trace_id"], parsed["request_id"])
    assert {"trace_id", "request_id"}.isdisjoint(json.loads(JsonLines().format(record("x"))))


def test_the_request_id_can_be_set_without_a_span() -> None:
    token = request_id.set("r-2")
    try:
        assert "r-2" == json.loads(JsonLines().format(record("x")))["request_id"]
    finally:
        request_id.reset(token)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {JWT}",
        f"got {JWT}",
        "authorization=bearer abc.def",
        "POST /x?callback=http%3A%2F%2Fhost%2F%3Fs%3Dc2lnbmF0dXJl&y=1",
        "GET /result?token=c2lnbmF0dXJl",
        "Basic c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_token_or_a_callback_is_cut_out(text: str) -> None:
    line = JsonLines().format(record(text, header=text, deep=[text]))
    assert "c2lnbmF0dXJl" not in line
    assert "abc.def" not in line


def test_a_field_of_any_kind_becomes_json() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    parsed = json.loads(
        JsonLines().format(record("x", a=float("nan"), b=cycle, c={1: (None, {True})}, d=ValueError("e")))
    )
    assert ("nan", {"1": [None, [True]]}, "e") == (parsed["a"], parsed["c"], parsed["d"])
    assert isinstance(parsed["b"], list)


def test_arguments_that_do_not_fit_the_message_are_no_reason_to_fail() -> None:
    assert "a %d (arguments do not fit)" == json.loads(JsonLines().format(record("a %d", "b")))["message"]


def test_a_very_long_message_is_cut() -> None:
    assert 20_000 > len(JsonLines().format(record("x" * 1_000_000)))


def test_an_exceptions_stack_stays_on_the_line() -> None:
    made = record("failed")
    error = ValueError(f"two\nlines {JWT}")
    made.exc_info = (ValueError, error, None)
    line = JsonLines().format(made)
    assert 1 == len(line.splitlines())
    assert JWT not in line
    assert "ValueError: two\nlines [token]" in json.loads(line)["exception"]


def test_configured_logging_writes_json_lines_and_no_access_log() -> None:
    stream = io.StringIO()
    configure_logging("warning", stream)
    logging.getLogger("gateway").info("too quiet")
    logging.getLogger("gateway").warning("loud enough")
    logging.getLogger("aiohttp.access").warning("GET /x?token=secret")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert ["loud enough"] == [line["message"] for line in lines]


def test_a_librarys_warning_is_a_json_line_too() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("mind the gap", stacklevel=1)
    assert "mind the gap" in json.loads(stream.getvalue())["message"]


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("loud", io.StringIO())


def test_the_exporters_complaints_come_once_a_minute_with_a_count() -> None:
    now = [0.0]
    quiet = QuietExporter(clock=lambda: now[0])

    def complaint(source: str = "exporter.otlp") -> logging.LogRecord:
        made = record("Transient error")
        made.name = f"opentelemetry.{source}"
        return made

    passed = []
    for second in range(130):
        now[0] = float(second)
        passed += [made for made in (complaint(), complaint("sdk.trace")) if quiet.filter(made)]
    assert 3 == len(passed)
    assert [None, 119, 119] == [getattr(made, "suppressed_lines", None) for made in passed]
    assert quiet.filter(record("ours"))


def test_what_the_library_says_about_a_callers_baggage_is_never_written() -> None:
    made = record("Invalid baggage entry: `%s`", "secret")
    made.name = "opentelemetry.baggage.propagation"
    assert False is QuietExporter().filter(made)


async def test_log_records_reach_a_collector_with_their_trace() -> None:
    async with collecting() as sink:
        async with Telemetry.from_environment("t", sink.environ) as subject:
            configure_logging("INFO", io.StringIO(), also=subject.log_handler)
            with subject.request_span("start", {}) as span:
                span.request_id("r-1")
                logging.getLogger("gateway.test").warning("look: %s", JWT, extra={"endpoint": "orders", "list": [1]})
                trace_id = span.trace_id
        logging.getLogger("gateway.test").warning("after the end")
    (exported,) = [one for one in sink.logs if one.severity_text == "WARNING"]
    assert ("look: [token]", trace_id) == (exported.body.string_value, exported.trace_id.hex())
    assert {"endpoint": "orders", "list": "[1]", "nexus.request_id": "r-1"} == plain(exported.attributes)


async def test_without_a_collector_there_is_no_log_handler() -> None:
    async with Telemetry.from_environment("t", {}) as subject:
        assert None is subject.log_handler
