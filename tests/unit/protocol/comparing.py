"""What has to be the same on both ends of a wire, and what an error may say to a peer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from nexusrpc import Failure, HandlerError, HandlerErrorType, OperationError

from gateway.protocol import HandlerFailed, NexusResponse, OperationFailed, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")


def told(error: HandlerError | OperationError) -> tuple[object, ...]:
    """What an error says, without where it came from."""
    if isinstance(error, HandlerError):
        return error.message, error.type, error.retryable_override
    return error.message, error.state


def comparable(response: NexusResponse) -> object:
    """A response with its error replaced by what it says."""
    if isinstance(response, HandlerFailed):
        return HandlerFailed, told(response.error), dict(response.details)
    if isinstance(response, OperationFailed):
        return OperationFailed, told(response.error), response.links
    return response


def fields(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Header fields in an order that does not matter, by lower-case name; fields of one name stay in theirs."""
    return sorted(((name.lower(), value) for name, value in headers), key=lambda item: item[0])


def outcome(decode: Callable[[], _T]) -> _T | RemoteProtocolError:
    """What a decoder made of its input: a value, or an error that may be told. Any other exception is a failed test."""
    try:
        return decode()
    except RemoteProtocolError as error:
        told_of = error
    assert told_of.message.isprintable()
    assert len(told_of.message) < 400
    assert told_of.to_handler_error().type in {
        HandlerErrorType.BAD_REQUEST,
        HandlerErrorType.NOT_FOUND,
        HandlerErrorType.NOT_IMPLEMENTED,
    }
    return told_of


def nested(depth: int) -> Failure:
    """A failure with that many causes."""
    failure = Failure("innermost")
    for number in range(depth):
        failure = Failure(f"cause {number}", cause=failure)
    return failure
