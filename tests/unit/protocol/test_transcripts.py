"""What Temporal's server was seen to send, and what it makes of what we answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from nexusrpc import Content, Failure, HandlerError, HandlerErrorType, Link, OperationError, OperationErrorState

from gateway.model import OperationState
from gateway.protocol import (
    CancelAccepted,
    CancelOperation,
    FailureForm,
    HandlerFailed,
    Headers,
    NexusResponse,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    StartOperation,
    check_body,
    decode_completion,
    decode_failure,
    decode_request,
    decode_response,
    encode_completion,
    encode_response,
    operation_error_from_failure,
    without_stack_traces,
)
from tests.unit.protocol.cases import CANCEL, START
from tests.unit.protocol.comparing import comparable

TRANSCRIPTS = Path(__file__).parent / "transcripts"
EVENT = "temporal.api.common.v1.Link.WorkflowEvent"
AGENT = {"user-agent": "temporalio/server"}
CLOSE_TIME = datetime(2026, 11, 22, 3, 12, 47, 574880, tzinfo=UTC)


class Message(NamedTuple):
    """One message of a transcript: the words of its first line, its headers and its body."""

    first_line: list[str]
    headers: Headers
    body: bytes


def message(name: str) -> Message:
    head, _, body = (TRANSCRIPTS / f"{name}.http").read_text("utf-8").partition("\n\n")
    first_line, *lines = head.split("\n")
    headers = Headers((field, value) for field, _, value in (line.partition(": ") for line in lines))
    return Message(first_line.split(" "), headers, body.removesuffix("\n").encode())


def test_a_start_from_a_workflow_is_understood() -> None:
    (method, target, _), headers, body = message("start_workflow")
    request = decode_request(method, target, headers)
    assert (
        StartOperation(
            service="payments.v1",
            operation="charge",
            request_id="12c0268f-6d8a-4287-8da8-08edaa828a40",
            callback_url="http://127.0.0.1:17243/namespaces/default/nexus/callback",
            callback_headers={"temporal-callback-token": '{"v":1,"d":"CiQwMWEy=="}'},
            links=(
                Link(
                    url="temporal:///namespaces/default/workflows/WID/RUNID/history"
                    "?eventID=5&eventType=NexusOperationScheduled&referenceType=EventReference",
                    type=EVENT,
                ),
            ),
            request_timeout=timedelta(milliseconds=9999),
            operation_timeout=timedelta(milliseconds=59990),
            failure_form=FailureForm.CURRENT,
            content_headers={"content-type": "application/json"},
            headers={
                **AGENT,
                "nexus-request-id": "12c0268f-6d8a-4287-8da8-08edaa828a40",
                "operation-timeout": "59990ms",
                "request-timeout": "9999ms",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "x-custom": "v1",
            },
        )
        == request
    )
    assert isinstance(request, StartOperation)
    check_body(request.content_headers, body)


def test_a_start_with_null_from_a_standalone_operation_is_understood() -> None:
    (method, target, _), headers, body = message("start_null")
    request = decode_request(method, target, headers)
    assert isinstance(request, StartOperation)
    assert ("gw.Svc/1 ü", "do it/now") == (request.service, request.operation)
    assert {} == request.content_headers
    assert "temporal.api.common.v1.Link.NexusOperation" == request.links[0].type
    check_body(request.content_headers, body)


def test_a_cancel_is_understood() -> None:
    """It does not say which failures it understands; the object for a failed request is the same in both forms."""
    (method, target, _), headers, _ = message("cancel")
    assert CancelOperation(
        service="payments.v1",
        operation="slow",
        token="tok ü/+=%",
        request_timeout=timedelta(milliseconds=9999),
        failure_form=FailureForm.OLDER,
        headers={
            **AGENT,
            "request-timeout": "9999ms",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
    ) == decode_request(method, target, headers)


def test_a_successful_completion_is_understood_and_can_be_passed_on() -> None:
    _, headers, body = message("completion_succeeded")
    completion = decode_completion(headers, body)
    assert (OperationState.SUCCEEDED, "eyJ0IjoxfQ") == (completion.state, completion.token)
    assert Content({"content-type": "application/json"}, b'{"msg":"hello zed"}') == completion.content
    assert (CLOSE_TIME, 849) == (completion.close_time, completion.close_time_nanoseconds)
    assert CLOSE_TIME.replace(microsecond=0) == completion.start_time
    assert [EVENT] == [link.type for link in completion.links]
    assert {**AGENT, "token": "my-signed-cb-token", "x-req": "Abc"} == completion.headers
    passed_on = Headers(encode_completion(completion).headers)
    transport = {"host", "content-length", "accept-encoding"}
    assert {name: value for name, value in headers.items() if name not in transport} == dict(passed_on)


@pytest.mark.parametrize(
    ("name", "state", "text"),
    [
        ("failed", OperationState.FAILED, "wf failed on purpose"),
        ("canceled", OperationState.CANCELED, "operation canceled"),
        ("terminated", OperationState.FAILED, "operation terminated"),
        ("timed_out", OperationState.FAILED, "operation exceeded internal timeout"),
    ],
)
def test_a_completion_without_success_is_understood(name: str, state: OperationState, text: str) -> None:
    _, headers, body = message(f"completion_{name}")
    completion = decode_completion(headers, body)
    assert (state, body) == (completion.state, completion.content.data)
    failure = decode_failure(body)
    assert (text, {"type": "temporal.api.failure.v1.Failure"}) == (failure.message, failure.metadata)


def test_the_typed_failure_of_a_completion_is_kept_without_its_trace() -> None:
    _, _, body = message("completion_failed")
    cleaned = without_stack_traces(body)
    assert b"/srv/app" not in cleaned
    failure = decode_failure(cleaned)
    assert failure.details is not None
    assert "CardDeclined" == failure.details["applicationFailureInfo"]["type"]
    error = operation_error_from_failure(failure, OperationErrorState.FAILED)
    assert cleaned == encode_response(OperationFailed(error), FailureForm.OLDER).body


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        (
            "reply_succeeded",
            START,
            OperationSucceeded(Content({"content-type": "application/json"}, b'{"msg":"echo bob"}')),
        ),
        (
            "reply_started",
            START,
            OperationStarted(
                "eyJ0IjoxfQ",
                (
                    Link(
                        url="temporal:///namespaces/default/workflows/WID/RUN/history"
                        "?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference",
                        type=EVENT,
                    ),
                ),
            ),
        ),
        (
            "reply_upstream_timeout",
            START,
            HandlerFailed(HandlerError("upstream timeout", type=HandlerErrorType.UPSTREAM_TIMEOUT)),
        ),
        ("reply_canceled", CANCEL, CancelAccepted()),
    ],
)
def test_a_reply_of_temporals_own_front_is_understood(
    name: str, request_: StartOperation | CancelOperation, expected: NexusResponse
) -> None:
    first_line, headers, body = message(name)
    assert comparable(expected) == comparable(decode_response(request_, int(first_line[1]), headers, body))


AT_ONCE = {"BAD_REQUEST": 400, "UNAUTHENTICATED": 401, "UNAUTHORIZED": 403, "NOT_FOUND": 404, "CONFLICT": 409}
LATER = {
    "REQUEST_TIMEOUT": 408,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "UPSTREAM_TIMEOUT": 520,
}


@pytest.mark.parametrize(
    ("name", "status", "retried"),
    [(name, status, False) for name, status in {**AT_ONCE, "NOT_IMPLEMENTED": 501}.items()]
    + [(name, status, True) for name, status in LATER.items()],
)
def test_an_error_is_answered_as_temporal_was_seen_to_read_it(name: str, status: int, retried: bool) -> None:
    """Any status that is not in this table, Temporal repeats for ever."""
    encoded = encode_response(HandlerFailed(HandlerError("m", type=name)))
    assert status == encoded.status
    assert (
        ("Content-Type", "application/json"),
        ("Nexus-Request-Retryable", "true" if retried else "false"),
    ) == encoded.headers
    assert f'{{"message":"m","metadata":{{"type":"nexus.HandlerError"}},"details":{{"type":"{name}"}}}}' == (
        encoded.body.decode()
    )


def test_a_failed_operation_is_answered_in_both_forms_that_temporal_was_seen_to_read() -> None:
    cause = Failure("declined", metadata={"type": "x"}, details={"code": 51})
    failed = OperationFailed(OperationError("failed", state=OperationErrorState.FAILED, original_failure=cause))
    older, current = encode_response(failed, FailureForm.OLDER), encode_response(failed)
    assert (424, 424) == (older.status, current.status)
    assert ("Nexus-Operation-State", "failed") in older.headers
    assert b'{"message":"declined","metadata":{"type":"x"},"details":{"code":51}}' == older.body
    assert (
        b'{"message":"failed","metadata":{"type":"nexus.OperationError"},"details":{"state":"failed"},'
        b'"cause":{"message":"declined","metadata":{"type":"x"},"details":{"code":51}}}' == current.body
    )
