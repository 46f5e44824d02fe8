"""Temporal's failures and RPC errors as Nexus errors.

Messages of RPC errors and of unexpected exceptions stay inside: they name namespaces, task queues and hosts. What a
workflow or activity says of its own failure is the operation's outcome and goes to the caller, without stack traces
and without the identity of the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from nexusrpc import Failure, HandlerError, HandlerErrorType, OperationError, OperationErrorState
from temporalio.api.failure.v1 import Failure as TemporalFailure
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._base import EngineUnavailable, OperationNotFound, ResultNotSupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temporalio.converter import DataConverter

FAILURE_TYPE = "temporal.api.failure.v1.Failure"
"""``metadata.type`` of a failure whose ``details`` are Temporal's own, without message and stack trace."""

_EXPIRED = "Timeout expired"

_INTERNAL_FIELDS = frozenset({"stackTrace", "identity"})

_Type = HandlerErrorType
_BY_STATUS: Mapping[RPCStatusCode, tuple[HandlerErrorType, str, bool | None]] = {
    RPCStatusCode.INVALID_ARGUMENT: (_Type.BAD_REQUEST, "the engine refused the request as invalid", None),
    RPCStatusCode.NOT_FOUND: (_Type.NOT_FOUND, "not found", None),
    RPCStatusCode.ALREADY_EXISTS: (_Type.CONFLICT, "it exists already", None),
    RPCStatusCode.FAILED_PRECONDITION: (_Type.CONFLICT, "the engine refused the request in this state", None),
    RPCStatusCode.OUT_OF_RANGE: (_Type.INTERNAL, "the engine refused the request", False),
    RPCStatusCode.RESOURCE_EXHAUSTED: (_Type.RESOURCE_EXHAUSTED, "the engine is at its limit; try again later", None),
    RPCStatusCode.UNIMPLEMENTED: (_Type.NOT_IMPLEMENTED, "the engine cannot do this", None),
    RPCStatusCode.UNAVAILABLE: (_Type.UNAVAILABLE, "the engine is unavailable; try again later", None),
    RPCStatusCode.ABORTED: (_Type.UNAVAILABLE, "the engine is unavailable; try again later", None),
    RPCStatusCode.CANCELLED: (_Type.UNAVAILABLE, "the engine is unavailable; try again later", None),
    # What the client makes of a connection that broke under a call; the server itself hardly ever says it.
    RPCStatusCode.UNKNOWN: (_Type.UNAVAILABLE, "the engine is unavailable; try again later", None),
    RPCStatusCode.DEADLINE_EXCEEDED: (_Type.UPSTREAM_TIMEOUT, "the engine did not answer in time", None),
    # Not the caller's credentials: the gateway's own towards the engine, which an operator can mend.
    RPCStatusCode.UNAUTHENTICATED: (_Type.INTERNAL, "the gateway has no access to the engine", None),
    RPCStatusCode.PERMISSION_DENIED: (_Type.INTERNAL, "the gateway has no access to the engine", None),
}


def translate(error: BaseException, converter: DataConverter) -> HandlerError | OperationError | None:
    """The Nexus error for what Temporal's client or a handler raised; None when it is none of Temporal's."""
    match error:
        case OperationError():
            return _with_cause(error, converter)
        case EngineUnavailable():
            return HandlerError("the engine is unavailable; try again later", type=_Type.UNAVAILABLE)
        case OperationNotFound():
            return HandlerError("operation not found", type=_Type.NOT_FOUND)
        case ResultNotSupported():
            return HandlerError(
                "the result of this operation is only delivered by callback", type=_Type.NOT_IMPLEMENTED
            )
        case WorkflowAlreadyStartedError():
            return HandlerError("an operation with this identity is running or was run already", type=_Type.CONFLICT)
        case RPCError():
            kind, message, retryable = _BY_STATUS.get(error.status, (_Type.INTERNAL, "the engine failed", None))
            return HandlerError(message, type=kind, retryable_override=retryable)
        case ApplicationError():
            return HandlerError("the handler failed", type=_Type.INTERNAL, retryable_override=not error.non_retryable)
        case _ if is_connection_error(error):
            return HandlerError("the engine is unavailable; try again later", type=_Type.UNAVAILABLE)
        case _:
            return None


def is_connection_error(error: BaseException) -> bool:
    """Whether a lazily connecting client could not connect: the SDK reports that as a bare RuntimeError."""
    return isinstance(error, RuntimeError) and str(error).startswith("Failed client connect")


def is_unavailable(error: RPCError) -> bool:
    """Whether the engine itself said that it, or the way to it, is away."""
    return _BY_STATUS.get(error.status, (None,))[0] is _Type.UNAVAILABLE


def is_expired(error: BaseException | None) -> bool:
    """Whether nothing was heard within the call's own time limit, for which the SDK has no status of its own."""
    return isinstance(error, RPCError) and error.status is RPCStatusCode.CANCELLED and error.message == _EXPIRED


def operation_error(failure: TemporalFailure, state: OperationErrorState, message: str | None = None) -> OperationError:
    """The outcome of an operation that a workflow, update or activity ended with ``failure``."""
    return OperationError(message or failure.message, state=state, original_failure=nexus_failure(failure))


def nexus_failure(failure: TemporalFailure) -> Failure:
    """A failure as Temporal puts it on the Nexus wire, less what is nobody else's business."""
    details = _without_internals(MessageToDict(failure))
    message = details.pop("message", "")
    return Failure(message=message, metadata={"type": FAILURE_TYPE}, details=details)


def state_of(failure: TemporalFailure) -> OperationErrorState:
    """Canceled where the failure says so, else failed."""
    canceled = failure.HasField("canceled_failure_info")
    return OperationErrorState.CANCELED if canceled else OperationErrorState.FAILED


def _with_cause(error: OperationError, converter: DataConverter) -> OperationError:
    if error.original_failure is not None or not isinstance(error.__cause__, FailureError):
        return error
    failure = TemporalFailure()
    converter.failure_converter.to_failure(error.__cause__, converter.payload_converter, failure)
    return OperationError(error.message, state=error.state, original_failure=nexus_failure(failure))


def _without_internals(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_internals(item) for key, item in value.items() if key not in _INTERNAL_FIELDS}
    if isinstance(value, list):
        return [_without_internals(item) for item in value]
    return value
