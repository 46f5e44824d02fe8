"""Failures as JSON: both forms, no traces, no end of nesting."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nexusrpc import Failure, HandlerError, HandlerErrorType, OperationError, OperationErrorState

from gateway.protocol import (
    ERROR_TYPES,
    STATUS,
    FailureForm,
    HandlerFailed,
    LocalProtocolError,
    OperationFailed,
    RemoteProtocolError,
    decode_failure,
    encode_failure,
    encode_response,
    handler_error_from_failure,
    handler_error_to_failure,
    operation_error_from_failure,
    operation_error_to_failure,
    wire_type,
    without_stack_traces,
)
from tests.unit.protocol.comparing import nested, outcome

TEMPORAL = {"type": "temporal.api.failure.v1.Failure"}
DECLINED = Failure(
    "declined",
    metadata=TEMPORAL,
    details={"applicationFailureInfo": {"type": "CardDeclined", "nonRetryable": True}},
)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FAILURES: st.SearchStrategy[Failure] = st.recursive(
    st.builds(
        Failure,
        st.text(),
        metadata=st.none() | st.dictionaries(st.text(), st.text(), min_size=1, max_size=3),
        details=st.none() | st.dictionaries(st.text(), JSON_VALUES, max_size=3),
    ),
    lambda inner: st.builds(Failure, st.text(), cause=inner),
    max_leaves=5,
)


def body_of(error: OperationError) -> bytes:
    return encode_response(OperationFailed(error)).body


def test_every_type_has_a_status_and_every_status_its_type() -> None:
    assert set(HandlerErrorType) - {HandlerErrorType.UNKNOWN} == set(STATUS)
    assert dict(STATUS) == {error_type: status for status, error_type in ERROR_TYPES.items()}
    assert all(error_type is wire_type(error_type) for error_type in STATUS)


def test_an_error_of_unknown_type_goes_as_internal() -> None:
    encoded = encode_response(HandlerFailed(HandlerError("?", type=HandlerErrorType.UNKNOWN)))
    assert 500 == encoded.status
    assert "INTERNAL" == json.loads(encoded.body)["details"]["type"]


def test_a_failure_is_written_with_what_it_has() -> None:
    failure = Failure("m", stack_trace="at /secret", metadata={"a": "b"}, details={"c": [1, None]}, cause=Failure(""))
    expected = {"message": "m", "metadata": {"a": "b"}, "details": {"c": [1, None]}, "cause": {"message": ""}}
    assert expected == encode_failure(failure)


def test_nulls_unknown_members_and_traces_of_a_failure_are_passed_over() -> None:
    body = b'{"message":null,"stackTrace":"at x","metadata":null,"details":null,"cause":null,"more":1}'
    assert Failure("") == decode_failure(body)


@pytest.mark.parametrize("details", [[1], "text", 0, False])
def test_details_that_are_no_object_come_through(details: object) -> None:
    failure = decode_failure(json.dumps({"message": "m", "details": details}).encode())
    assert details == encode_failure(failure)["details"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"message"',
        b"1",
        b"{",
        b"{'message':1}",
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        '{"message":"m"}'.encode("utf-16"),
        b'{"message":1}',
        b'{"metadata":[]}',
        b'{"metadata":{"a":1}}',
        b'{"cause":"x"}',
        b'{"cause":{"message":[]}}',
        b'{"details":{"n":NaN}}',
        b'{"details":[Infinity]}',
        b'{"details":{"n":1e999}}',
        b'{"details":' + b"9" * 5000 + b"}",
        b'{"details":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"details":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"cause":' * 100 + b"{}" + b"}" * 100,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_what_is_no_failure_is_the_peers_error(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_failure(body)
    assert len(caught.value.message) < 100


def test_nesting_is_read_up_to_its_limit() -> None:
    assert Failure("", details=json.loads("[" * 99 + "]" * 99)) == decode_failure(
        b'{"details":' + b"[" * 99 + b"]" * 99 + b"}"
    )
    assert nested(90) == decode_failure(json.dumps(encode_failure(nested(90))).encode())


def test_causes_without_end_are_cut_off() -> None:
    loop = Failure("again")
    loop.cause = loop
    for failure in (loop, nested(5000)):
        encoded = encode_failure(failure)
        assert 101 == json.dumps(encoded).count('"message"')


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x", {(1, 2): 3}])
def test_details_that_json_does_not_have_are_our_own_error(value: object) -> None:
    error = HandlerError(
        "m", type="BAD_REQUEST", original_failure=Failure("m", metadata={"type": "x"}, details={"v": value})
    )
    with pytest.raises(LocalProtocolError):
        encode_response(HandlerFailed(error))


def test_details_nested_without_end_are_our_own_error() -> None:
    endless: dict[str, object] = {}
    endless["more"] = endless
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    for details in (endless, {"deep": deep}):
        error = OperationError("m", state=OperationErrorState.FAILED, original_failure=Failure("m", details=details))
        with pytest.raises(LocalProtocolError):
            body_of(error)


def test_half_a_surrogate_pair_stays_an_escape() -> None:
    error = OperationError("\ud800", state=OperationErrorState.FAILED)
    assert b'"\\ud800"' in body_of(error)
    assert '"ü€"'.encode() in body_of(OperationError("ü€", state=OperationErrorState.FAILED))


@given(FAILURES)
@settings(deadline=None)
def test_every_failure_comes_back(failure: Failure) -> None:
    assert failure == decode_failure(json.dumps(encode_failure(failure)).encode())


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
@settings(deadline=None)
def test_junk_is_a_failure_or_the_peers_error(body: bytes) -> None:
    failure = outcome(lambda: decode_failure(body))
    cleaned = outcome(lambda: without_stack_traces(body))
    # Whatever is a failure is an object of which the traces can be removed, and which is a failure still.
    if isinstance(failure, Failure):
        assert isinstance(cleaned, bytes)
        assert failure == decode_failure(cleaned)


# Stack traces.


def temporal_failure(message: str, **more: object) -> dict[str, object]:
    return {"message": message, "stackTrace": 'File "/srv/handler.py"', **more}


def test_traces_are_removed_at_every_depth() -> None:
    sealed = {"metadata": {"encoding": "x"}, "data": "c3RhY2tUcmFjZQ=="}
    body = json.dumps(
        {
            "metadata": {"type": "nexus.OperationError"},
            "stackTrace": "outer",
            "details": {"state": "failed", "stackTrace": "the handler's own member"},
            "cause": temporal_failure(
                "wf failed",
                metadata=TEMPORAL,
                details={
                    "applicationFailureInfo": {"type": "X", "details": {"payloads": [{"stackTrace": "data"}]}},
                    "encodedAttributes": sealed,
                    "stack_trace": "older spelling",
                    "cause": temporal_failure("activity failed", cause=temporal_failure("declined")),
                },
                cause={"stackTrace": "innermost"},
            ),
        }
    ).encode()
    assert {
        "metadata": {"type": "nexus.OperationError"},
        "details": {"state": "failed", "stackTrace": "the handler's own member"},
        "cause": {
            "message": "wf failed",
            "metadata": TEMPORAL,
            "details": {
                "applicationFailureInfo": {"type": "X", "details": {"payloads": [{"stackTrace": "data"}]}},
                "encodedAttributes": sealed,
                "cause": {"message": "activity failed", "cause": {"message": "declined"}},
            },
            "cause": {},
        },
    } == json.loads(without_stack_traces(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{ "message" : "m" }',
        b'{"details":{"stackTrace":"own"},"metadata":{"type":"other"}}',
        b'{"details":["stackTrace"],"metadata":{"type":"temporal.api.failure.v1.Failure"}}',
        b'{"metadata":["temporal.api.failure.v1.Failure"],"cause":["stackTrace"]}',
    ],
)
def test_bytes_without_traces_stay_as_they_are(body: bytes) -> None:
    assert body == without_stack_traces(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"cause":' * 200 + b"1" + b"}" * 200])
def test_traces_of_what_is_no_json_object_cannot_be_removed(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        without_stack_traces(body)


def test_traces_are_not_sent_and_stay_with_the_one_who_made_them() -> None:
    details = {"stackTrace": "/srv", "cause": {"message": "c", "stackTrace": "/srv", "cause": {"stackTrace": "/srv"}}}
    failure = Failure("m", stack_trace="/srv", metadata=TEMPORAL, details=MappingProxyType(details))
    assert "/srv" not in json.dumps(encode_failure(failure))
    assert 3 == json.dumps(details).count("/srv")
    endless: dict[str, object] = {"stackTrace": "/srv"}
    for _ in range(200):
        endless = {"cause": endless}
    assert {"cause"} == encode_failure(Failure("m", details=endless))["details"].keys()


# The two errors.


def test_a_handler_error_says_type_override_and_further_details() -> None:
    error = HandlerError("m", type=HandlerErrorType.CONFLICT, retryable_override=True, stack_trace="/srv")
    assert Failure(
        "m",
        metadata={"type": "nexus.HandlerError"},
        details={"requestId": "r", "type": "CONFLICT", "retryableOverride": True},
    ) == handler_error_to_failure(error, {"requestId": "r", "type": "cannot be set"})


def test_an_internal_error_has_no_cause() -> None:
    error = HandlerError("broken", type=HandlerErrorType.INTERNAL, original_failure=Failure("secret"))
    error.__cause__ = HandlerError("secret", type=HandlerErrorType.NOT_FOUND)
    failure = handler_error_to_failure(error)
    assert Failure("broken", metadata={"type": "nexus.HandlerError"}, details={"type": "INTERNAL"}) == failure


def test_the_message_of_a_foreign_exception_is_not_told() -> None:
    for cause in (ValueError("secret"), KeyboardInterrupt("secret"), None):
        error = HandlerError("m", type=HandlerErrorType.BAD_REQUEST)
        error.__cause__ = cause
        assert None is handler_error_to_failure(error).cause
        outcome = OperationError("m", state=OperationErrorState.FAILED)
        outcome.__cause__ = cause
        assert None is operation_error_to_failure(outcome).cause


def test_an_error_raised_from_one_of_the_two_tells_it() -> None:
    inner = HandlerError("no such card", type=HandlerErrorType.NOT_FOUND, retryable_override=False)
    middle = OperationError("declined", state=OperationErrorState.FAILED)
    middle.__cause__ = inner
    outer = HandlerError("m", type=HandlerErrorType.BAD_REQUEST)
    outer.__cause__ = middle
    assert (
        Failure(
            "declined",
            metadata={"type": "nexus.OperationError"},
            details={"state": "failed"},
            cause=Failure(
                "no such card",
                metadata={"type": "nexus.HandlerError"},
                details={"type": "NOT_FOUND", "retryableOverride": False},
            ),
        )
        == handler_error_to_failure(outer).cause
    )


def test_errors_raised_from_each_other_come_to_an_end() -> None:
    one = OperationError("one", state=OperationErrorState.FAILED)
    two = HandlerError("two", type=HandlerErrorType.CONFLICT)
    one.__cause__, two.__cause__ = two, one
    assert 101 == json.dumps(encode_failure(operation_error_to_failure(one))).count('"message"')


def test_an_operation_error_wraps_the_failure_it_was_made_from() -> None:
    error = OperationError("failed", state=OperationErrorState.FAILED, original_failure=DECLINED)
    assert Failure(
        "failed", metadata={"type": "nexus.OperationError"}, details={"state": "failed"}, cause=DECLINED
    ) == operation_error_to_failure(error)


def test_in_the_older_form_the_wrapped_failure_stands_alone() -> None:
    error = OperationError("failed", state=OperationErrorState.FAILED, original_failure=DECLINED)
    assert DECLINED == operation_error_to_failure(error, FailureForm.OLDER)
    error.original_failure = None
    assert Failure("failed") == operation_error_to_failure(error, FailureForm.OLDER)


def test_an_error_that_was_read_is_written_as_it_was() -> None:
    operation = Failure(
        "m", metadata={"type": "nexus.OperationError"}, details={"state": "canceled", "more": 1}, cause=DECLINED
    )
    assert operation == operation_error_to_failure(operation_error_from_failure(operation, None))
    handler = Failure(
        "m",
        metadata={"type": "nexus.HandlerError"},
        details={"type": "CONFLICT", "retryableOverride": True, "more": 1},
        cause=DECLINED,
    )
    read = handler_error_from_failure(handler, HandlerErrorType.UNKNOWN)
    assert (HandlerErrorType.CONFLICT, True) == (read.type, read.retryable_override)
    assert handler == handler_error_to_failure(read)


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (None, HandlerErrorType.CONFLICT),
        ({}, HandlerErrorType.CONFLICT),
        (["NOT_FOUND"], HandlerErrorType.CONFLICT),
        ({"type": 1}, HandlerErrorType.CONFLICT),
        ({"type": "NOT_FOUND", "retryableOverride": "yes"}, HandlerErrorType.NOT_FOUND),
        ({"type": "FROM_THE_FUTURE"}, HandlerErrorType.UNKNOWN),
    ],
)
def test_a_type_that_is_not_said_is_the_status_and_one_not_known_is_unknown(
    details: Any, expected: HandlerErrorType
) -> None:
    error = handler_error_from_failure(Failure("m", details=details), HandlerErrorType.CONFLICT)
    assert (expected, None) == (error.type, error.retryable_override)


@pytest.mark.parametrize(
    ("metadata", "details", "header", "expected"),
    [
        (None, {"state": "canceled"}, OperationErrorState.FAILED, OperationErrorState.FAILED),
        (
            {"type": "nexus.OperationError"},
            {"state": "canceled"},
            OperationErrorState.FAILED,
            OperationErrorState.CANCELED,
        ),
        ({"type": "nexus.OperationError"}, {}, OperationErrorState.FAILED, OperationErrorState.FAILED),
        ({"type": "nexus.OperationError"}, [], OperationErrorState.CANCELED, OperationErrorState.CANCELED),
    ],
)
def test_the_state_that_an_operation_error_says_wins_over_the_headers(
    metadata: dict[str, str] | None, details: Any, header: OperationErrorState, expected: OperationErrorState
) -> None:
    failure = Failure("m", metadata=metadata, details=details)
    assert expected is operation_error_from_failure(failure, header).state


@pytest.mark.parametrize("state", [None, "running", "succeeded", 1, [], "x\n" * 100])
def test_an_operation_error_needs_a_state(state: object) -> None:
    failure = Failure("m", metadata={"type": "nexus.OperationError"}, details={"state": state})
    with pytest.raises(RemoteProtocolError) as caught:
        operation_error_from_failure(failure, None)
    assert caught.value.message.isprintable()
