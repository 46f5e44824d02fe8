"""Every exception becomes one Nexus error, here and nowhere else."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING

from nexusrpc import HandlerError, HandlerErrorType, OperationError

from gateway.engines import Engine, RequestIdReused, TooManyPolls
from gateway.protocol import HandlerFailed, OperationFailed, RemoteProtocolError, wire_type
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger("gateway.dispatch")

NOT_MOUNTED = "no such endpoint or service"
"""What a caller reads of an endpoint or service that is not there, or not for it: the two must not differ."""

NO_SUCH_TOKEN = "no operation has this token"  # noqa: S105 - a message
"""What a caller reads of an unknown, altered or foreign token: they must not differ."""


REQUEST_ID_REUSED = "the request id was used before, with another body; use a new one for another request"
"""What a caller reads whose request id stands for something else already."""


_TOLD: Mapping[type[BaseException], tuple[str, HandlerErrorType]] = MappingProxyType(
    {
        InvalidToken: (NO_SUCH_TOKEN, HandlerErrorType.NOT_FOUND),
        TooManyPolls: ("too many result polls are open; try again later", HandlerErrorType.RESOURCE_EXHAUSTED),
        RequestIdReused: (REQUEST_ID_REUSED, HandlerErrorType.CONFLICT),
        TimeoutError: ("the request took longer than its time limit", HandlerErrorType.REQUEST_TIMEOUT),
    }
)


def not_found(message: str) -> HandlerError:
    """A 404 with this message."""
    return HandlerError(message, type=HandlerErrorType.NOT_FOUND)


def failed(
    error: BaseException, engine: Engine | None, correlation: Mapping[str, str]
) -> HandlerFailed | OperationFailed:
    """The answer for an exception that a request ended with.

    What a handler or the gateway raised on purpose keeps its message. What nobody foresaw is logged and becomes an
    INTERNAL error, which tells the caller nothing but ``correlation``: the ids to find the log line by.
    """
    match error:
        case RemoteProtocolError():
            return HandlerFailed(error.to_handler_error())
        case InvalidToken() | TooManyPolls() | RequestIdReused() | TimeoutError():
            message, kind = next(told for known, told in _TOLD.items() if isinstance(error, known))
            return HandlerFailed(HandlerError(message, type=kind))
        case HandlerError():
            ids = correlation if wire_type(error.type) is HandlerErrorType.INTERNAL else {}
            return HandlerFailed(_without_cause(error), details=ids)
    translated = engine.translate(error) if engine is not None else None
    match translated:
        case OperationError():
            return OperationFailed(translated)
        case HandlerError():
            level = logging.WARNING if translated.retryable else logging.INFO
            _logger.log(level, "%s answered: %s: %s", translated.type.value, type(error).__name__, error)
            return HandlerFailed(translated)
        case None if isinstance(error, OperationError):
            return OperationFailed(error)
        case None:
            _logger.error("a request failed unexpectedly", exc_info=error)
            return internal(correlation)


def internal(correlation: Mapping[str, str]) -> HandlerFailed:
    """The answer to what nobody foresaw."""
    return HandlerFailed(HandlerError("internal error", type=HandlerErrorType.INTERNAL), details=correlation)


def _without_cause(error: HandlerError) -> HandlerError:
    # A cause is for the handler's own log: its message and stack trace name what lies behind the gateway.
    clean = HandlerError(error.message, type=error.type, retryable_override=error.retryable_override)
    clean.raw_error_type = error.raw_error_type
    return clean
