"""The errors of ``/api/v1``: one code each, one status for each code.

Codes and form follow Temporal's HTTP API reference. Two statuses differ from gRPC's own mapping, because here they tell
a client more: what an operation's state forbids is 409, and so is whatever has ended already.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from nexusrpc import HandlerError, HandlerErrorType, OperationError

from gateway.engines import (
    ActionNotSupported,
    EngineUnavailable,
    InvalidFilter,
    InvalidInput,
    InvalidPageToken,
    ListingUnavailable,
    OperationEnded,
    OperationNotFound,
    OperationRunningStill,
    ResultNotSupported,
)
from gateway.protocol import RemoteProtocolError
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.engines import Engine

_logger = logging.getLogger("gateway.operations")

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "INVALID_ARGUMENT": 400,
        "OUT_OF_RANGE": 400,
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "NOT_FOUND": 404,
        "ABORTED": 409,
        "ALREADY_EXISTS": 409,
        "FAILED_PRECONDITION": 409,
        "WORKFLOW_EXECUTION_COMPLETED": 409,
        "RESOURCE_EXHAUSTED": 429,
        "INTERNAL": 500,
        "UNIMPLEMENTED": 501,
        "UNAVAILABLE": 503,
    }
)
"""HTTP status by code."""

_CODES: Final[Mapping[HandlerErrorType, str]] = MappingProxyType(
    {
        HandlerErrorType.BAD_REQUEST: "INVALID_ARGUMENT",
        HandlerErrorType.UNAUTHENTICATED: "UNAUTHENTICATED",
        HandlerErrorType.UNAUTHORIZED: "PERMISSION_DENIED",
        HandlerErrorType.NOT_FOUND: "NOT_FOUND",
        HandlerErrorType.CONFLICT: "FAILED_PRECONDITION",
        HandlerErrorType.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
        HandlerErrorType.NOT_IMPLEMENTED: "UNIMPLEMENTED",
        HandlerErrorType.UNAVAILABLE: "UNAVAILABLE",
        HandlerErrorType.UPSTREAM_TIMEOUT: "UNAVAILABLE",
        HandlerErrorType.REQUEST_TIMEOUT: "UNAVAILABLE",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """One fault of a request: where, and what to do about it."""

    field: str
    description: str
    type: str = "field_violation"


class ApiError(Exception):
    """A request to ``/api/v1`` that failed; ``status`` is that of its code, unless a request asks for another."""

    def __init__(self, code: str, message: str, *details: ErrorDetail, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.status = STATUS[code] if status is None else status

    def body(self) -> Mapping[str, Any]:
        """The answer's body."""
        details = [
            {"type": detail.type, "field": detail.field, "description": detail.description} for detail in self.details
        ]
        return {"error": {"code": self.code, "message": self.message, "details": details}}


def invalid(field: str, description: str) -> ApiError:
    """A 400 for one parameter, header or field."""
    return ApiError("INVALID_ARGUMENT", f"{field}: {description}", ErrorDetail(field=field, description=description))


def no_such_page() -> ApiError:
    """A 404 for a page token that is of no page of this list."""
    description = "is not one of this list; begin again without one"
    detail = ErrorDetail(field="next_page_token", description=description)
    return ApiError("NOT_FOUND", f"next_page_token: {description}", detail)


def not_found() -> ApiError:
    """The one answer to an unknown, foreign or altered operation token, and to one that has gone."""
    return ApiError("NOT_FOUND", "no operation has this token")


# No message is the exception's own, where that is for the caller.
_KNOWN: Final[Mapping[type[Exception], tuple[str, str | None]]] = MappingProxyType(
    {
        InvalidToken: ("NOT_FOUND", "no operation has this token"),
        OperationNotFound: ("NOT_FOUND", "no operation has this token"),
        OperationEnded: ("WORKFLOW_EXECUTION_COMPLETED", "the operation has ended"),
        OperationRunningStill: (
            "FAILED_PRECONDITION",
            "only what failed, was canceled, was terminated or timed out can be retried, and only once at a time",
        ),
        ActionNotSupported: ("UNIMPLEMENTED", None),
        ListingUnavailable: ("UNAVAILABLE", None),
        ResultNotSupported: ("UNIMPLEMENTED", "the handler of this operation keeps its state to itself"),
        EngineUnavailable: ("UNAVAILABLE", "the engine is unavailable; try again later"),
        TimeoutError: ("UNAVAILABLE", "the request took longer than its time limit"),
    }
)


def api_error(error: Exception, engine: Engine | None, correlation: Mapping[str, str]) -> ApiError:
    """The answer for an exception that a request ended with; what nobody foresaw is logged and tells its ids only."""
    known = _KNOWN.get(type(error))
    if known is not None:
        code, message = known
        return ApiError(code, str(error) if message is None else message)
    match error:
        case ApiError():
            return error
        case InvalidFilter():
            return invalid("query", str(error))
        case InvalidPageToken():
            return no_such_page()
        case RemoteProtocolError():
            return _of_handler_error(error.to_handler_error())
        case InvalidInput():
            details = [
                ErrorDetail(field=f"body.{path}" if path else "body", description=what) for path, what in error.faults
            ]
            return ApiError("INVALID_ARGUMENT", error.message, *details)
        case HandlerError():
            return _of_handler_error(error)
    translated = engine.translate(error) if engine is not None else None
    match translated:
        case HandlerError():
            _logger.info("%s answered: %s: %s", translated.type.value, type(error).__name__, error)
            return _of_handler_error(translated)
        case OperationError():
            return ApiError("FAILED_PRECONDITION", translated.message)
        case _:
            _logger.error("a request failed unexpectedly", exc_info=error)
            ids = [
                ErrorDetail(type="correlation", field=name, description=value) for name, value in correlation.items()
            ]
            return ApiError("INTERNAL", "internal error", *ids)


def _of_handler_error(error: HandlerError) -> ApiError:
    return ApiError(_CODES.get(error.type, "INTERNAL"), error.message)
