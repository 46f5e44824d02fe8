"""Every exception becomes one Nexus error, and none of them tells what lies behind the gateway."""

import logging

import pytest
from nexusrpc import HandlerError, HandlerErrorType, OperationError, OperationErrorState
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gateway.dispatch._errors import failed
from gateway.engines import EngineUnavailable, OperationNotFound, ResultNotSupported, TooManyPolls
from gateway.engines.temporal import TemporalEngine
from gateway.engines.temporal._failures import translate
from gateway.protocol import FailureForm, HandlerFailed, OperationFailed, RemoteProtocolError, encode_response
from gateway.tokens import InvalidToken

_SECRET = "namespace-of-someone on host 10.1.2.3"
_CORRELATION = {"requestId": "r", "traceId": "t"}


class Translating(TemporalEngine):
    """The engine's translation without a server to connect to."""

    def __init__(self) -> None:
        super().__init__("main", {})

    def translate(self, error: BaseException) -> HandlerError | OperationError | None:
        return translate(error, pydantic_data_converter)


_Type = HandlerErrorType
_ERRORS: list[tuple[BaseException, HandlerErrorType, bool]] = [
    (RemoteProtocolError("Prefer: what"), _Type.BAD_REQUEST, False),
    (InvalidToken(), _Type.NOT_FOUND, False),
    (TooManyPolls(), _Type.RESOURCE_EXHAUSTED, True),
    (TimeoutError(_SECRET), _Type.REQUEST_TIMEOUT, True),
    (EngineUnavailable(_SECRET), _Type.UNAVAILABLE, True),
    (OperationNotFound(_SECRET), _Type.NOT_FOUND, False),
    (ResultNotSupported(_SECRET), _Type.NOT_IMPLEMENTED, False),
    (WorkflowAlreadyStartedError(_SECRET, _SECRET), _Type.CONFLICT, False),
    (ApplicationError(_SECRET), _Type.INTERNAL, True),
    (ApplicationError(_SECRET, non_retryable=True), _Type.INTERNAL, False),
    (RuntimeError(f"Failed client connect: {_SECRET}"), _Type.UNAVAILABLE, True),
    (RuntimeError(_SECRET), _Type.INTERNAL, True),
    (KeyError(_SECRET), _Type.INTERNAL, True),
    *(
        (RPCError(_SECRET, status, b""), kind, retryable)
        for status, kind, retryable in (
            (RPCStatusCode.INVALID_ARGUMENT, _Type.BAD_REQUEST, False),
            (RPCStatusCode.NOT_FOUND, _Type.NOT_FOUND, False),
            (RPCStatusCode.ALREADY_EXISTS, _Type.CONFLICT, False),
            (RPCStatusCode.FAILED_PRECONDITION, _Type.CONFLICT, False),
            (RPCStatusCode.OUT_OF_RANGE, _Type.INTERNAL, False),
            (RPCStatusCode.RESOURCE_EXHAUSTED, _Type.RESOURCE_EXHAUSTED, True),
            (RPCStatusCode.UNIMPLEMENTED, _Type.NOT_IMPLEMENTED, False),
            (RPCStatusCode.UNAVAILABLE, _Type.UNAVAILABLE, True),
            (RPCStatusCode.ABORTED, _Type.UNAVAILABLE, True),
            (RPCStatusCode.CANCELLED, _Type.UNAVAILABLE, True),
            (RPCStatusCode.UNKNOWN, _Type.UNAVAILABLE, True),
            (RPCStatusCode.DEADLINE_EXCEEDED, _Type.UPSTREAM_TIMEOUT, True),
            (RPCStatusCode.UNAUTHENTICATED, _Type.INTERNAL, True),
            (RPCStatusCode.PERMISSION_DENIED, _Type.INTERNAL, True),
            (RPCStatusCode.DATA_LOSS, _Type.INTERNAL, True),
        )
    ),
]


@pytest.mark.parametrize(("error", "kind", "retryable"), _ERRORS, ids=lambda value: str(value)[:40])
def test_an_exception_becomes_its_nexus_error(error: BaseException, kind: HandlerErrorType, retryable: bool) -> None:
    answer = failed(error, Translating(), _CORRELATION)
    assert isinstance(answer, HandlerFailed)
    assert kind is answer.error.type
    assert retryable is answer.error.retryable


@pytest.mark.parametrize(("error", "kind", "retryable"), _ERRORS, ids=lambda value: str(value)[:40])
def test_no_answer_says_what_lies_behind(error: BaseException, kind: HandlerErrorType, retryable: bool) -> None:
    body = encode_response(failed(error, Translating(), _CORRELATION), FailureForm.CURRENT).body
    assert _SECRET.encode() not in body
    assert b"10.1.2.3" not in body


def test_a_handlers_own_error_keeps_its_words_and_loses_its_cause() -> None:
    error = HandlerError("no such article", type=HandlerErrorType.BAD_REQUEST, retryable_override=True)
    error.__cause__ = RuntimeError(_SECRET)
    answer = failed(error, Translating(), _CORRELATION)
    assert isinstance(answer, HandlerFailed)
    assert "no such article" == answer.error.message
    assert answer.error.retryable_override is True
    assert _SECRET.encode() not in encode_response(answer, FailureForm.CURRENT).body


def test_the_typed_failure_behind_an_operation_error_reaches_the_caller_without_its_stack() -> None:
    error = OperationError("declined", state=OperationErrorState.FAILED)
    try:
        raise ApplicationError("no money", {"code": 51}, type="CardDeclined", non_retryable=True)  # noqa: TRY301 - for its stack
    except ApplicationError as cause:
        error.__cause__ = cause
    answer = failed(error, Translating(), _CORRELATION)
    assert isinstance(answer, OperationFailed)
    body = encode_response(answer, FailureForm.CURRENT).body
    assert b"CardDeclined" in body
    assert b"test_errors.py" not in body


def test_what_nobody_foresaw_tells_the_ids_and_logs_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "gateway.dispatch"):
        answer = failed(ZeroDivisionError(_SECRET), Translating(), _CORRELATION)
    assert isinstance(answer, HandlerFailed)
    assert _CORRELATION == answer.details
    assert "internal error" == answer.error.message
    assert [ZeroDivisionError] == [record.exc_info[0] for record in caplog.records if record.exc_info]


def test_without_an_engine_an_unknown_error_is_internal_all_the_same() -> None:
    answer = failed(ValueError(_SECRET), None, _CORRELATION)
    assert isinstance(answer, HandlerFailed)
    assert HandlerErrorType.INTERNAL is answer.error.type
