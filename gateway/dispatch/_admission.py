"""Who asks, for what, and may they: the steps that every request takes before anything is read or done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexusrpc import HandlerError, HandlerErrorType

from gateway.dispatch._call import Call, DispatchLimits, Incoming
from gateway.dispatch._errors import NOT_MOUNTED, not_found
from gateway.model import Decision, OperationAddress, Verb
from gateway.protocol import CancelOperation, FetchInfo, FetchResult, NexusRequest, StartOperation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from gateway.auth import Auditor, Authorizer
    from gateway.callers import Callers
    from gateway.engines import Engine
    from gateway.model import Principal
    from gateway.registry import MountedEndpoint, Registry

_VERBS: Mapping[type, Verb] = {
    StartOperation: Verb.START,
    CancelOperation: Verb.CANCEL,
    FetchResult: Verb.RESULT,
    FetchInfo: Verb.DESCRIBE,
}


class Admission:
    """Turns requests into calls, or refuses them."""

    def __init__(
        self,
        *,
        callers: Callers,
        authorizer: Authorizer,
        registry: Registry,
        engines: Mapping[str, Engine],
        limits: DispatchLimits,
        auditor: Auditor,
    ) -> None:
        self._callers = callers
        self._authorizer = authorizer
        self._registry = registry
        self._engines = engines
        self._auditor = auditor
        self.limits = limits
        """May be replaced at any time."""

    async def admit(self, incoming: Incoming) -> Call:
        """Authenticate, resolve, authorize, and set the deadline.

        Raises:
            HandlerError: UNAUTHENTICATED, NOT_FOUND or UNAUTHORIZED; UNAVAILABLE while an issuer's keys cannot be had.
            TimeoutError: the deadline came before it was known who asks.
        """
        request = incoming.request
        # The time that authentication takes, with a look for keys perhaps, is the request's own.
        time_limit = self._time_limit(request).total_seconds()
        deadline = asyncio.get_running_loop().time() + time_limit
        verb = _VERBS[type(request)]
        address = OperationAddress(incoming.endpoint, request.service, request.operation)
        mounted = self._registry.resolve(incoming.endpoint)
        if mounted is not None:
            # Before anybody is refused: an operator wants to see where that happens.
            incoming.span.name(*mounted.known(request.service, request.operation))
        async with asyncio.timeout_at(deadline):
            principal = await self._callers.verified(incoming, address, verb)
        decision = self._decide(incoming, principal, mounted, address, verb)
        if mounted is None or not decision.visible:
            raise not_found(NOT_MOUNTED)
        if mounted.operation(request.service, request.operation) is None:
            raise not_found("the service has no such operation")
        if not decision.allowed:
            raise _refusal(decision)
        return Call(
            incoming=incoming,
            principal=principal,
            mounted=mounted,
            address=address,
            engine=self._engines[mounted.endpoint.engine],
            time_limit=time_limit,
            deadline=deadline,
        )

    def _decide(
        self,
        incoming: Incoming,
        principal: Principal,
        mounted: MountedEndpoint | None,
        address: OperationAddress,
        verb: Verb,
    ) -> Decision:
        if mounted is None:
            decision = Decision(allowed=False, visible=False, reason="no such endpoint")
        else:
            decision = self._authorizer.authorize(principal, mounted.endpoint, address, verb)
        self._auditor.decided(
            principal,
            address,
            verb,
            decision,
            target=None if mounted is None else mounted.endpoint.namespace,
            trace_id=incoming.span.trace_id,
            request_id=incoming.request_id,
            peer=incoming.peer,
        )
        return decision

    def _time_limit(self, request: NexusRequest) -> timedelta:
        if request.request_timeout is not None:
            return min(request.request_timeout, self.limits.max_request_timeout)
        if isinstance(request, FetchResult):
            return self.limits.result_wait
        return self.limits.request_timeout


def _refusal(decision: Decision) -> HandlerError:
    if decision.paused:
        return HandlerError("the operation is stopped for now; try again later", type=HandlerErrorType.UNAVAILABLE)
    return HandlerError("the caller may not do this", type=HandlerErrorType.UNAUTHORIZED)
