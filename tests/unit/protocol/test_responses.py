"""Answers as a client finds them, and those that a server cannot give."""

from __future__ import annotations

import json

import pytest
from nexusrpc import Content, Failure, HandlerError, HandlerErrorType, Link, OperationError, OperationErrorState

from gateway.model import OperationState
from gateway.protocol import (
    STATUS,
    HandlerFailed,
    Headers,
    LocalProtocolError,
    NexusRequest,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationStarted,
    OperationSucceeded,
    RemoteProtocolError,
    decode_response,
    encode_response,
)
from tests.unit.protocol.cases import CANCEL, INFO, RESULT, START

JSON = ("Content-Type", "application/json")
UTF8 = ("Content-Type", "application/json; charset=utf-8")
FAILED = ("Nexus-Operation-State", "failed")


def handler_failed(status: int, body: bytes = b"", *headers: tuple[str, str]) -> HandlerError:
    response = decode_response(START, status, Headers(headers), body)
    assert isinstance(response, HandlerFailed)
    return response.error


@pytest.mark.parametrize(
    ("request_", "status", "headers", "body"),
    [
        (START, 100, (), b""),
        (START, 202, (), b""),
        (START, 204, (), b""),
        (START, 302, (("Location", "http://elsewhere.test"),), b""),
        (START, 412, (), b""),
        (START, 413, (), b""),
        (START, 418, (JSON,), b'{"message":"a failure, but not of a handler"}'),
        (START, 502, (("Content-Type", "text/html"),), b"<html>"),
        (START, 600, (), b""),
        (CANCEL, 200, (), b""),
        (CANCEL, 424, (JSON, FAILED), b'{"message":"m"}'),
        (RESULT, 201, (JSON,), b'{"token":"t","state":"running"}'),
        (INFO, 412, (), b""),
    ],
)
def test_a_status_that_a_request_is_not_answered_with_is_the_peers_error(
    request_: NexusRequest, status: int, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    with pytest.raises(RemoteProtocolError, match=str(status)):
        decode_response(request_, status, Headers(headers), body)


@pytest.mark.parametrize(
    ("request_", "status", "headers", "body"),
    [
        (START, 200, (), b"no type"),
        (START, 200, (JSON,), b""),
        (START, 200, (JSON, ("Content-Encoding", "gzip")), b"x"),
        (START, 200, (("Content-Language", "d\x00e"),), b""),
        (START, 200, (("Nexus-Link", "broken"),), b""),
        (START, 201, (), b'{"token":"t","state":"running"}'),
        (START, 201, (JSON,), b""),
        (START, 201, (JSON,), b"[]"),
        (START, 201, (JSON,), b'{"id":"t","state":"running"}'),
        (START, 201, (JSON,), b'{"token":"","state":"running"}'),
        (START, 201, (JSON,), b'{"token":1,"state":"running"}'),
        (START, 201, (JSON,), b'{"token":"a\\nb","state":"running"}'),
        (START, 201, (JSON,), b'{"token":"\\ud800","state":"running"}'),
        (START, 201, (JSON,), b'{"token":"%s","state":"running"}' % (b"x" * 4097)),
        (START, 201, (JSON,), b'{"token":"t","state":"succeeded"}'),
        (START, 201, (JSON,), b'{"token":"t","state":"done"}'),
        (START, 201, (JSON,), b'{"token":"t","state":[]}'),
        (START, 201, (JSON,), b'{"token":"t"}'),
        (INFO, 200, (JSON,), b'{"token":"t","state":null}'),
        (START, 424, (FAILED,), b""),
        (START, 424, (JSON, FAILED), b""),
        (START, 424, (JSON,), b'{"message":"no state"}'),
        (START, 424, (JSON, ("Nexus-Operation-State", "running")), b'{"message":"m"}'),
    ],
)
def test_a_malformed_answer_is_the_peers_error(
    request_: NexusRequest, status: int, headers: tuple[tuple[str, str], ...], body: bytes
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_response(request_, status, Headers(headers), body)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("error_type", STATUS, ids=lambda error_type: error_type.value)
def test_an_empty_answer_is_the_error_of_its_status(error_type: HandlerErrorType) -> None:
    error = handler_failed(STATUS[error_type])
    assert (error_type, f"the peer answered {STATUS[error_type]}") == (error.type, error.message)
    assert None is error.retryable_override


def test_a_body_that_is_no_failure_leaves_the_status_to_speak() -> None:
    for headers, body in [((), b"x"), ((JSON,), b"<html>"), ((JSON,), b"[]"), ((JSON,), b"[" * 100_000)]:
        assert HandlerErrorType.UNAVAILABLE is handler_failed(503, body, *headers).type


def test_a_plain_failure_is_kept_with_its_message() -> None:
    error = handler_failed(409, b'{"message":"m","metadata":{"a":"b"}}', UTF8)
    assert (HandlerErrorType.CONFLICT, "m") == (error.type, error.message)
    assert Failure("m", metadata={"a": "b"}) == error.original_failure
    assert "the peer answered 409" == handler_failed(409, b"{}", JSON).message


@pytest.mark.parametrize(("value", "override"), [("true", True), ("FALSE", False), ("perhaps", None)])
def test_the_header_says_whether_to_retry_where_the_body_does_not(value: str, override: bool | None) -> None:
    retryable = ("Nexus-Request-Retryable", value)
    assert override is handler_failed(500, b"", retryable).retryable_override
    body = b'{"message":"m","metadata":{"type":"nexus.HandlerError"},"details":{"type":"INTERNAL"}}'
    assert None is handler_failed(500, body, JSON, retryable).retryable_override


@pytest.mark.parametrize("status", [500, 422, 404])
def test_the_type_in_the_body_wins_over_any_status_of_an_error(status: int) -> None:
    body = b'{"message":"m","metadata":{"type":"nexus.HandlerError"},"details":{"type":"BAD_REQUEST","id":"x","n":1}}'
    response = decode_response(START, status, Headers([JSON]), body)
    assert isinstance(response, HandlerFailed)
    assert HandlerErrorType.BAD_REQUEST is response.error.type
    assert {"id": "x"} == response.details


def test_a_handler_error_that_says_no_type_has_the_one_of_its_status() -> None:
    body = b'{"message":"m","metadata":{"type":"nexus.HandlerError"},"details":[]}'
    assert HandlerErrorType.NOT_FOUND is handler_failed(404, body, JSON).type
    assert HandlerErrorType.UNKNOWN is handler_failed(422, body, JSON).type


def test_a_result_may_lack_its_state_header() -> None:
    """Temporal's own server does not send it."""
    expected = OperationSucceeded(Content({"content-type": "application/json"}, b"1"))
    assert expected == decode_response(START, 200, Headers([UTF8, ("Content-Length", "1")]), b"1")


def test_a_started_answer_may_name_its_charset() -> None:
    assert OperationStarted("t") == decode_response(START, 201, Headers([UTF8]), b'{"token":"t","state":"running"}')


def test_the_older_form_of_a_failed_operation_is_read() -> None:
    response = decode_response(START, 424, Headers([JSON, FAILED]), b'{"message":"m","details":{"a":1}}')
    assert isinstance(response, OperationFailed)
    assert OperationErrorState.FAILED is response.error.state
    assert Failure("m", details={"a": 1}) == response.error.original_failure


@pytest.mark.parametrize(
    "response",
    [
        OperationStarted(""),
        OperationStarted("a\nb"),
        OperationStarted("t", location="http://a.test/\r\nx: y"),
        OperationStarted("t", links=(Link(url="", type="t"),)),
        OperationInfo("", OperationState.RUNNING),
        OperationSucceeded(Content({}, b""), links=(Link(url="a b", type="t"),)),
    ],
)
def test_an_answer_that_nobody_could_read_is_not_given(response: NexusResponse) -> None:
    with pytest.raises(LocalProtocolError):
        encode_response(response)


@pytest.mark.parametrize("error_type", HandlerErrorType, ids=lambda error_type: error_type.value)
@pytest.mark.parametrize("override", [None, True, False])
def test_temporal_reads_the_type_and_the_retry_behaviour_that_were_meant(
    error_type: HandlerErrorType, override: bool | None
) -> None:
    """It goes by the body's type, then its override, and only without them by status and header: all agree."""
    error = HandlerError("m", type=error_type, retryable_override=override)
    encoded = encode_response(HandlerFailed(error))
    details = json.loads(encoded.body)["details"]
    assert encoded.status == STATUS[HandlerErrorType[details["type"]]]
    assert override is details.get("retryableOverride")
    assert ("Nexus-Request-Retryable", str(error.retryable).lower()) in encoded.headers
    assert encoded.status in {400, 401, 403, 404, 408, 409, 429, 500, 501, 503, 520}


def test_no_stack_trace_and_no_cause_leave_with_an_error() -> None:
    for error in (
        HandlerError("m", type=HandlerErrorType.INTERNAL, stack_trace="/srv/handler.py"),
        HandlerError("m", type=HandlerErrorType.CONFLICT, original_failure=Failure("f", stack_trace="/srv/handler.py")),
    ):
        error.__cause__ = RuntimeError("/srv/handler.py")
        assert b"/srv" not in encode_response(HandlerFailed(error)).body
    outcome = OperationError("m", state=OperationErrorState.FAILED, stack_trace="/srv/handler.py")
    assert b"/srv" not in encode_response(OperationFailed(outcome)).body


def test_no_token_is_in_a_responses_repr() -> None:
    assert "s3cr3t" not in repr(OperationStarted("s3cr3t", location="http://a.test?token=s3cr3t"))
    assert "s3cr3t" not in repr(OperationInfo("s3cr3t", OperationState.RUNNING))
