"""What the steps of a request hand to each other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.engines import Engine
    from gateway.model import Body, OperationAddress, Principal
    from gateway.protocol import NexusRequest
    from gateway.registry import MountedEndpoint
    from gateway.telemetry import RequestSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """How long requests may take: without a ``Request-Timeout``, with one, and waiting for a result."""

    request_timeout: timedelta
    max_request_timeout: timedelta
    result_wait: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One request as the edge hands it over."""

    endpoint: str
    request: NexusRequest
    request_id: str
    authorization: Sequence[str]
    body: Body
    span: RequestSpan
    certificate: str | None = None
    """Thumbprint of the client certificate of the connection (RFC 8705 section 3.1)."""
    peer: str = ""
    """The address that the request comes from: that of the connection, or what a trusted proxy says."""

    @property
    def correlation(self) -> Mapping[str, str]:
        """The ids to find the request's log lines and trace by."""
        return {"requestId": self.request_id, "traceId": self.span.trace_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose caller may make it.

    ``deadline`` is by the event loop's clock, ``time_limit`` seconds after the request's arrival.
    """

    incoming: Incoming
    principal: Principal
    mounted: MountedEndpoint
    address: OperationAddress
    engine: Engine
    time_limit: float
    deadline: float

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; negative behind it."""
        return self.deadline - asyncio.get_running_loop().time()

    @property
    def wall_clock_deadline(self) -> datetime:
        """The deadline as handlers are told it."""
        return datetime.now(UTC) + timedelta(seconds=max(0.0, self.remaining))
