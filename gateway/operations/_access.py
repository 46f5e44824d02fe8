"""Who asks, and for which operation: the steps that every request on operations takes first.

1. authenticate, or 401;
2. open the token: it opens for its tenant and its own address only, so every mounted address is tried, or 404;
3. authorize at that address, or 403, or the same 404 where the caller may not know of the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.auth import AuthenticationFailed
from gateway.engines import Requester, ServiceScope
from gateway.operations._errors import ApiError, not_found
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.auth import Auditor, Authenticator, Authorizer
    from gateway.engines import Engine
    from gateway.model import OperationAddress, Principal, Verb
    from gateway.registry import MountedEndpoint, Registry
    from gateway.telemetry import Telemetry
    from gateway.tokens import TokenSealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An operation that the caller may do what it asked for with; ``engine_token`` is what its token holds."""

    principal: Principal
    mounted: MountedEndpoint
    address: OperationAddress
    engine: Engine
    engine_token: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What a request shows of who sent it, and the ids that it goes by in logs and traces.

    ``authorization`` are the values of that header, ``certificate`` is the thumbprint of the client's certificate,
    ``peer`` the address at the other end of the connection.
    """

    authorization: Sequence[str]
    certificate: str | None
    peer: str
    request_id: str
    trace_id: str

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


class Access:
    """Admits callers to operations."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        authorizer: Authorizer,
        registry: Registry,
        engines: Mapping[str, Engine],
        sealer: TokenSealer,
        telemetry: Telemetry,
        auditor: Auditor,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._registry = registry
        self._engines = engines
        self._sealer = sealer
        self._telemetry = telemetry
        self._auditor = auditor
        self._addresses = [(mounted, address) for mounted in registry.endpoints() for address in mounted.addresses()]

    async def caller(self, asker: Asker) -> Principal:
        """The verified caller.

        Raises:
            AuthenticationFailed: there is no token, or it is no good.
            KeysUnavailable: an issuer's keys cannot be had.
        """
        try:
            return await self._authenticator.authenticate(asker.authorization, asker.certificate, peer=asker.peer)
        except AuthenticationFailed as error:
            self._telemetry.authentication_failure(error.reason)
            raise

    def target(self, asker: Asker, principal: Principal, token: str, verb: Verb) -> Target:
        """The operation behind a token, where the caller may do this to it.

        Raises:
            ApiError: 404, whatever is wrong with the token; 403.
        """
        found = list(self._opened(principal, token))
        if not found:
            raise not_found()
        mounted, address, engine_token = found[0]
        decision = self._authorizer.authorize(principal, mounted.endpoint, address, verb)
        self._auditor.decided(
            principal,
            address,
            verb,
            decision,
            target=mounted.endpoint.namespace,
            trace_id=asker.trace_id,
            request_id=asker.request_id,
        )
        if not decision.visible:
            raise not_found()
        if decision.paused:
            raise ApiError("UNAVAILABLE", "the operation is stopped for now; try again later")
        if not decision.allowed:
            raise ApiError("PERMISSION_DENIED", f"the caller may not {verb} this operation")
        return Target(
            principal=principal,
            mounted=mounted,
            address=address,
            engine=self.engine_of(mounted),
            engine_token=engine_token,
            token=token,
        )

    def allowed(self, principal: Principal, address: OperationAddress, verb: Verb) -> bool:
        """Whether the caller may do this at that address, if there is such an address."""
        mounted = self._registry.resolve(address.endpoint)
        if mounted is None or mounted.operation(address.service, address.operation) is None:
            return False
        return self._authorizer.authorize(principal, mounted.endpoint, address, verb).allowed

    def scopes(
        self, principal: Principal, verb: Verb, only: OperationFilterNames
    ) -> Mapping[Source, tuple[ServiceScope, ...]]:
        """Where the caller may do this at all, by source; nowhere that ``only`` leaves out."""
        scopes: dict[Source, list[ServiceScope]] = {}
        for mounted in self._registry.endpoints():
            endpoint = mounted.endpoint
            for service, operations in mounted.services.items():
                if not only.admits(endpoint.name, service):
                    continue
                mine = tuple(
                    address.operation
                    for address in mounted.addresses()
                    if address.service == service
                    and only.operation in (None, address.operation)
                    and self._authorizer.authorize(principal, endpoint, address, verb).allowed
                )
                if mine:
                    whole = len(mine) == len(operations)
                    scope = ServiceScope(endpoint.name, service, None if whole else mine)
                    scopes.setdefault(Source(endpoint.engine, endpoint.namespace), []).append(scope)
        return {source: tuple(found) for source, found in scopes.items()}

    def engine(self, name: str) -> Engine:
        """The engine of that name."""
        return self._engines[name]

    def engine_of(self, mounted: MountedEndpoint) -> Engine:
        """The engine that an endpoint runs on."""
        return self._engines[mounted.endpoint.engine]

    def mounted(self, endpoint: str) -> MountedEndpoint | None:
        """The endpoint of that name."""
        return self._registry.resolve(endpoint)

    def _opened(self, principal: Principal, token: str) -> Iterator[tuple[MountedEndpoint, OperationAddress, str]]:
        # All of them, every time: how long it takes tells nothing about the token.
        for mounted, address in self._addresses:
            try:
                yield mounted, address, self._sealer.open_operation(token, principal.tenant, address)
            except InvalidToken:
                continue


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilterNames:
    """The part of a filter that names where; None leaves it open."""

    endpoint: str | None = None
    service: str | None = None
    operation: str | None = None

    def admits(self, endpoint: str, service: str) -> bool:
        """Whether this service of this endpoint is meant."""
        return self.endpoint in (None, endpoint) and self.service in (None, service)
