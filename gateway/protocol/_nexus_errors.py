"""``HandlerError`` and ``OperationError`` as Failures, and back (specification: Predefined Failure Types).

What a failure says is what somebody meant to say: the message, and the failure an error was made from. Python's
``__cause__`` counts only when it is itself one of the two errors; the message of any other exception was written for
its own log.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nexusrpc import Failure, HandlerError, HandlerErrorType, OperationError, OperationErrorState

from gateway.protocol._errors import RemoteProtocolError, shown
from gateway.protocol._failures import DEPTH, FailureForm
from gateway.protocol._status import wire_type

HANDLER_ERROR: Final = "nexus.HandlerError"
OPERATION_ERROR: Final = "nexus.OperationError"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def handler_error_to_failure(error: HandlerError, details: Mapping[str, str] = _NOTHING) -> Failure:
    """The error as a ``nexus.HandlerError``; ``details`` stand beside its type.

    An INTERNAL error has no cause: what broke inside is not the caller's to read.
    """
    return _handler_error(error, details, DEPTH)


def operation_error_to_failure(error: OperationError, form: FailureForm = FailureForm.CURRENT) -> Failure:
    """The error as a ``nexus.OperationError``; in the older form, what it wraps, its state being in a header alone."""
    failure = _operation_error(error, DEPTH)
    if form is FailureForm.CURRENT:
        return failure
    return failure.cause or Failure(error.message)


def handler_error_from_failure(failure: Failure, otherwise: HandlerErrorType) -> HandlerError:
    """The error that a ``nexus.HandlerError`` stands for; ``otherwise`` is its type where it does not name one.

    A type that we do not know is UNKNOWN, which may be retried.
    """
    details: Mapping[str, Any] = failure.details if isinstance(failure.details, Mapping) else {}
    named, override = details.get("type"), details.get("retryableOverride")
    known = HandlerErrorType.__members__.get(named, HandlerErrorType.UNKNOWN) if isinstance(named, str) else otherwise
    return HandlerError(
        failure.message,
        type=known,
        retryable_override=override if isinstance(override, bool) else None,
        original_failure=failure,
    )


def operation_error_from_failure(failure: Failure, state: OperationErrorState | None) -> OperationError:
    """The error that a failed or canceled operation's Failure stands for.

    ``state`` is the header's; a ``nexus.OperationError`` says its own, which wins.

    Raises:
        RemoteProtocolError: neither says a state, or the failure says one that is not.
    """
    if is_type(failure, OPERATION_ERROR):
        details: Mapping[str, Any] = failure.details if isinstance(failure.details, Mapping) else {}
        if details.get("state") is not None:
            state = decode_error_state(details["state"], "the failure's details.state")
    if state is None:
        raise RemoteProtocolError("Nexus-Operation-State: missing; send failed or canceled")
    return OperationError(failure.message, state=state, original_failure=failure)


def decode_error_state(text: object, part: str) -> OperationErrorState:
    """How an operation ended without a result; RemoteProtocolError naming ``part`` for any other text."""
    try:
        return OperationErrorState(text)
    except ValueError:
        raise RemoteProtocolError(f"{part}: {shown(str(text))} is neither failed nor canceled") from None


def is_type(failure: Failure | None, metadata_type: str) -> bool:
    """Whether the failure says that it is of this type."""
    return failure is not None and failure.metadata is not None and failure.metadata.get("type") == metadata_type


def _handler_error(error: HandlerError, details: Mapping[str, str], depth: int) -> Failure:
    error_type = wire_type(error.type)
    own: dict[str, Any] = {**details, "type": error_type.value}
    if error.retryable_override is not None:
        own["retryableOverride"] = error.retryable_override
    if error_type is HandlerErrorType.INTERNAL:
        return Failure(error.message, metadata={"type": HANDLER_ERROR}, details=own)
    return _wrapper(error, HANDLER_ERROR, own, depth)


def _operation_error(error: OperationError, depth: int) -> Failure:
    return _wrapper(error, OPERATION_ERROR, {"state": error.state.value}, depth)


def _wrapper(error: HandlerError | OperationError, metadata_type: str, own: dict[str, Any], depth: int) -> Failure:
    """The error's own object around its cause, with the further details of the failure that it was made from."""
    original, metadata = error.original_failure, {"type": metadata_type}
    if original is None:
        return Failure(error.message, metadata=metadata, details=own, cause=_cause(error.__cause__, depth))
    if is_type(original, metadata_type):
        further: Mapping[str, Any] = original.details if isinstance(original.details, Mapping) else {}
        return Failure(error.message, metadata=metadata, details={**further, **own}, cause=original.cause)
    return Failure(error.message, metadata=metadata, details=own, cause=original)


def _cause(error: BaseException | None, depth: int) -> Failure | None:
    """The failure of an error that was raised from one of the two; ``depth`` ends chains that bite their tail."""
    match error:
        case HandlerError() if depth:
            return _handler_error(error, _NOTHING, depth - 1)
        case OperationError() if depth:
            return _operation_error(error, depth - 1)
        case _:
            return None
