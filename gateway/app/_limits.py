"""The configured limits in the terms of the rooms that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.dispatch import DispatchLimits
from gateway.protocol import Limits
from gateway.web import ConnectionLimits

if TYPE_CHECKING:
    from gateway.settings import LimitSettings


def dispatch_limits(limits: LimitSettings, at_start: LimitSettings) -> DispatchLimits:
    """How long requests may take by ``limits``; what handlers and polls took ``at_start`` they have for good."""
    return DispatchLimits(
        request_timeout=limits.request_timeout,
        max_request_timeout=limits.max_request_timeout,
        result_wait=at_start.result_wait,
    )


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
