"""The configured limits in the terms of the rooms that keep them, and which of them change while the gateway runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.dispatch import DispatchLimits
from gateway.protocol import Limits
from gateway.web import ApiLimits, ConnectionLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import LimitSettings


LIVE_LIMITS: Final = frozenset({"body", "name_bytes", "callback_bytes", "request_timeout", "max_request_timeout"})
"""The limits that a running gateway takes over; the others belong to listeners and shared state."""


def limits_in_force(at_start: LimitSettings, stated: LimitSettings) -> LimitSettings:
    """What a process that began with one set of limits keeps to once another one is stated."""
    return at_start.model_copy(update={name: getattr(stated, name) for name in LIVE_LIMITS})


def dispatch_limits(limits: LimitSettings) -> DispatchLimits:
    """How long requests may take."""
    return DispatchLimits(
        request_timeout=limits.request_timeout,
        max_request_timeout=limits.max_request_timeout,
        result_wait=limits.result_wait,
    )


def api_limits(limits: LimitSettings) -> ApiLimits:
    """How large requests to the API may be, and how long they may take."""
    return ApiLimits(
        header_bytes=limits.header_bytes,
        body_bytes=limits.body,
        request_timeout=limits.request_timeout.total_seconds(),
    )


def shown_limits(limits: LimitSettings) -> Mapping[str, float]:
    """The limits that callers are told of."""
    return {
        "body_bytes": limits.body,
        "header_bytes": limits.header_bytes,
        "request_timeout_seconds": limits.request_timeout.total_seconds(),
        "max_request_timeout_seconds": limits.max_request_timeout.total_seconds(),
        "result_wait_seconds": limits.result_wait.total_seconds(),
    }


def protocol_limits(limits: LimitSettings) -> Limits:
    """How long names and callbacks may be."""
    return Limits(name_bytes=limits.name_bytes, callback_bytes=limits.callback_bytes)


def connection_limits(limits: LimitSettings) -> ConnectionLimits:
    """How slow and how many connections may be."""
    return ConnectionLimits(
        header_bytes=limits.header_bytes,
        header_timeout=limits.header_timeout.total_seconds(),
        body_timeout=limits.body_timeout.total_seconds(),
        write_timeout=limits.write_timeout.total_seconds(),
        idle_timeout=limits.idle_timeout.total_seconds(),
        per_address=limits.connections_per_address,
    )
