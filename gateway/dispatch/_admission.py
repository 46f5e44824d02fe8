"""Who asks, for what, and may they: the steps that every request takes before anything is read or done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexusrpc import HandlerError, HandlerErrorType

from gateway.auth import AuthenticationFailed
from gateway.dispatch._call import Call, DispatchLimits, Incoming
from gateway.dispatch._errors import NOT_MOUNTED, not_found
from gateway.model import OperationAddress, Principal, Verb
from gateway.protocol import CancelOperation, FetchInfo, FetchResult, NexusRequest, StartOperation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from gateway.auth import Authenticator, Authorizer
    from gateway.engines import Engine
    from gateway.registry import Registry
    from gateway.telemetry import Telemetry

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
        authenticator: Authenticator,
        authorizer: Authorizer,
        registry: Registry,
        engines: Mapping[str, Engine],
        telemetry: Telemetry,
        limits: DispatchLimits,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._registry = registry
        self._engines = engines
        self._telemetry = telemetry
        self._limits = limits

    async def admit(self, incoming: Incoming) -> Call:
        """Authenticate, resolve, authorize, and set the deadline.

        Raises:
            HandlerError: UNAUTHENTICATED, NOT_FOUND or UNAUTHORIZED; UNAVAILABLE while an issuer's keys cannot be had.
        """
        request = incoming.request
        principal = await self._authenticate(incoming)
        mounted = self._registry.resolve(incoming.endpoint)
        address = OperationAddress(incoming.endpoint, request.service, request.operation)
        if mounted is None or request.service not in mounted.services:
            raise not_found(NOT_MOUNTED)
        decision = self._authorizer.authorize(principal, mounted.endpoint, address, _VERBS[type(request)])
        if not decision.visible:
            raise not_found(NOT_MOUNTED)
        if mounted.operation(request.service, request.operation) is None:
            raise not_found("the service has no such operation")
        incoming.span.name(address.endpoint, address.service, address.operation)
        if not decision.allowed:
            raise HandlerError("the caller may not do this", type=HandlerErrorType.UNAUTHORIZED)
        return Call(
            incoming=incoming,
            principal=principal,
            mounted=mounted,
            address=address,
            engine=self._engines[mounted.endpoint.engine],
            deadline=asyncio.get_running_loop().time() + self._time_limit(request).total_seconds(),
        )

    async def _authenticate(self, incoming: Incoming) -> Principal:
        try:
            return await self._authenticator.authenticate(incoming.authorization)
        except AuthenticationFailed as error:
            self._telemetry.authentication_failure(error.reason)
            raise

    def _time_limit(self, request: NexusRequest) -> timedelta:
        if request.request_timeout is not None:
            return min(request.request_timeout, self._limits.max_request_timeout)
        if isinstance(request, FetchResult):
            return self._limits.result_wait
        return self._limits.request_timeout
