"""The one table between handler error types and HTTP statuses (specification: Predefined Handler Errors)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from nexusrpc import HandlerErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS: Final[Mapping[HandlerErrorType, int]] = MappingProxyType(
    {
        HandlerErrorType.BAD_REQUEST: 400,
        HandlerErrorType.UNAUTHENTICATED: 401,
        HandlerErrorType.UNAUTHORIZED: 403,
        HandlerErrorType.NOT_FOUND: 404,
        HandlerErrorType.REQUEST_TIMEOUT: 408,
        HandlerErrorType.CONFLICT: 409,
        HandlerErrorType.RESOURCE_EXHAUSTED: 429,
        HandlerErrorType.INTERNAL: 500,
        HandlerErrorType.NOT_IMPLEMENTED: 501,
        HandlerErrorType.UNAVAILABLE: 503,
        HandlerErrorType.UPSTREAM_TIMEOUT: 520,
    }
)
"""Every type that the wire knows; ``HandlerErrorType.UNKNOWN`` is none of them (see ``wire_type``)."""

ERROR_TYPES: Final[Mapping[int, HandlerErrorType]] = MappingProxyType(
    {status: error_type for error_type, status in STATUS.items()}
)
"""The inverse of STATUS."""


def wire_type(error_type: HandlerErrorType) -> HandlerErrorType:
    """The type to send: UNKNOWN, which the specification does not define, goes as INTERNAL and is retried like it."""
    return error_type if error_type in STATUS else HandlerErrorType.INTERNAL
