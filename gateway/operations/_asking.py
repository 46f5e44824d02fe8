"""What requests on operations are about: who asks, for which operation, and where lists are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.engines import Chosen, Requester

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.engines import Engine
    from gateway.model import OperationAddress, Principal, Tenant
    from gateway.registry import MountedEndpoint
    from gateway.telemetry import RequestSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An operation that the caller may do what it asked for with; ``chosen`` says which, and whose it is."""

    principal: Principal
    mounted: MountedEndpoint
    engine: Engine
    chosen: Chosen

    @property
    def address(self) -> OperationAddress:
        """Where it is."""
        return self.chosen.address

    @property
    def engine_token(self) -> str:
        """What the engine knows it by."""
        return self.chosen.engine_token

    @property
    def owner(self) -> Tenant:
        """Whose it is."""
        return self.chosen.owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What a request shows of who sent it and what for, and the ids that it goes by in logs and traces.

    ``authorization`` are the values of that header, ``certificate`` is the thumbprint of the client's certificate,
    ``peer`` the address that the request comes from. ``asks`` is the name of what is asked for.
    """

    asks: str
    authorization: Sequence[str]
    certificate: str | None
    peer: str
    request_id: str
    span: RequestSpan

    @property
    def trace_id(self) -> str:
        """The id of the trace that the request belongs to."""
        return self.span.trace_id

    def requester(self, principal: Principal, request_id: str | None = None) -> Requester:
        """What an engine is told of them; ``request_id`` is the caller's own."""
        return Requester(
            tenant=principal.tenant,
            subject=principal.subject,
            start_id=self.request_id,
            trace_id=self.trace_id,
            request_id=request_id,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """One namespace of one engine: where lists are made."""

    engine: str
    namespace: str
