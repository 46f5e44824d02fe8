"""Who asks, and for which operation: the steps that every request on operations takes first.

1. authenticate, or 401;
2. open the token: it opens for its tenant only, and says at which mounted address its operation is, or 404;
3. authorize at that address, or 403, or the same 404 where the caller may not know of the service.

A token is for an operation of the caller's own tenant, as at the Nexus interface, or for one of another tenant: such a
token is of another kind, says whose operation it is, and leads to nothing but what rules let do across tenants.
Whatever comes of a request is on record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.engines import Chosen, ServiceScope
from gateway.model import Decision, OperationAddress, PartialAddress, Reach
from gateway.operations._asking import Asker, Source, Target
from gateway.operations._errors import ApiError, not_found
from gateway.tokens import InvalidToken, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.auth import Auditor, Authorizer
    from gateway.callers import Callers
    from gateway.engines import Engine
    from gateway.model import Principal, Tenant, Verb
    from gateway.registry import MountedEndpoint, Registry
    from gateway.tokens import TokenSealer

_A_RULE_MATCHES: Final = "an allow rule matches"
_NO_RULE_MATCHES: Final = "no allow rule matches"
_ITS_OWN_JOB: Final = "the caller began the job"


class Access:
    """Admits callers to operations."""

    def __init__(
        self,
        *,
        callers: Callers,
        authorizer: Authorizer,
        registry: Registry,
        engines: Mapping[str, Engine],
        sealer: TokenSealer,
        auditor: Auditor,
    ) -> None:
        self._callers = callers
        self._authorizer = authorizer
        self._registry = registry
        self._engines = engines
        self._sealer = sealer
        self._auditor = auditor
        self._places = {
            digest_of(address): (mounted, address)
            for mounted in registry.endpoints()
            for address in mounted.addresses()
        }

    async def caller(self, asker: Asker) -> Principal:
        """The verified caller.

        Raises:
            AuthenticationFailed: there is no token, or it is no good.
            KeysUnavailable: an issuer's keys cannot be had.
        """
        return await self._callers.verified(asker, PartialAddress(), asker.asks)

    def target(self, asker: Asker, principal: Principal, token: str, verb: Verb) -> Target:
        """The operation behind a token, where the caller may do this to it.

        Raises:
            ApiError: 404, whatever is wrong with the token; 403.
        """
        found = self._opened(principal, token)
        if found is None:
            unknown = Decision(allowed=False, visible=False, reason="the token opens no operation")
            self._record(asker, principal, PartialAddress(), verb, unknown)
            raise not_found()
        mounted, chosen = found
        decision = self._decide(principal, mounted, chosen.address, verb, chosen.owner)
        namespace = mounted.endpoint.namespace
        self._record(asker, principal, chosen.address, verb, decision, target=namespace, owner=chosen.owner)
        if not decision.visible:
            raise not_found()
        if decision.paused:
            raise ApiError("UNAVAILABLE", "the operation is stopped for now; try again later")
        if not decision.allowed:
            raise ApiError("PERMISSION_DENIED", f"the caller may not {verb} this operation")
        return Target(principal=principal, mounted=mounted, engine=self.engine_of(mounted), chosen=chosen)

    def only_target(self, asker: Asker, principal: Principal, token: str, verb: Verb) -> Target:
        """``target`` for a request on one operation, whose span is then named by it. Raises as that does."""
        target = self.target(asker, principal, token, verb)
        address = target.address
        asker.span.name(address.endpoint, address.service, address.operation)
        return target

    def holds_still(self, target: Target, verb: Verb) -> bool:
        """Whether the caller may go on with what it was let begin: its token still counts, and a rule still lets it."""
        decision = self._decide(target.principal, target.mounted, target.address, verb, target.owner)
        return decision.allowed and self._callers.counts_still(target.principal)

    def seal(self, principal: Principal, chosen: Chosen) -> str:
        """The token that the caller gets for an operation: the one that start returned, where it is its tenant's own.

        Raises:
            TokenTooLong: it would not fit.
        """
        address, engine_token = chosen.address, chosen.engine_token
        if chosen.owner == principal.tenant:
            return self._sealer.seal_operation(principal.tenant, address, engine_token)
        return self._sealer.seal_anothers_operation(principal.tenant, address, engine_token, chosen.owner)

    def allowed(self, principal: Principal, address: OperationAddress, verb: Verb, owner: Tenant) -> bool:
        """Whether the caller may do this with an operation of that owner at that address, if there is such one."""
        mounted = self._registry.resolve(address.endpoint)
        if mounted is None or mounted.operation(address.service, address.operation) is None:
            return False
        return self._decide(principal, mounted, address, verb, owner).allowed

    def scopes(
        self, asker: Asker, principal: Principal, verb: Verb, only: PartialAddress
    ) -> Mapping[Source, tuple[ServiceScope, ...]]:
        """Where the caller may do this at all, by source; nowhere that ``only`` leaves out."""
        found = self._scopes(principal, verb, only)
        self._record_scopes(asker, principal, verb, only, [scope for services in found.values() for scope in services])
        return found

    def looks_after(self, asker: Asker, principal: Principal, verb: Verb, *, own: bool) -> bool:
        """Whether the caller may look at a bulk job of its tenant, and stop it; it is put on record.

        That is whoever asked for it, and whoever may do somewhere what it does.
        """
        allowed = own or bool(self._scopes(principal, verb, PartialAddress()))
        reason = _ITS_OWN_JOB if own else _A_RULE_MATCHES if allowed else _NO_RULE_MATCHES
        decision = Decision(allowed=allowed, visible=allowed, reason=reason)
        self._record(asker, principal, PartialAddress(), asker.asks, decision)
        return allowed

    def no_job(self, asker: Asker, principal: Principal) -> None:
        """Put on record that a caller asked about a bulk job by what is the token of none."""
        unknown = Decision(allowed=False, visible=False, reason="the token opens no job")
        self._record(asker, principal, PartialAddress(), asker.asks, unknown)

    def sources(self) -> frozenset[Source]:
        """Every place that operations run in."""
        endpoints = (mounted.endpoint for mounted in self._registry.endpoints())
        return frozenset(Source(endpoint.engine, endpoint.namespace) for endpoint in endpoints)

    def _scopes(
        self, principal: Principal, verb: Verb, only: PartialAddress
    ) -> Mapping[Source, tuple[ServiceScope, ...]]:
        scopes: dict[Source, list[ServiceScope]] = {}
        for mounted in self._registry.endpoints():
            source = Source(mounted.endpoint.engine, mounted.endpoint.namespace)
            for service in mounted.services:
                if only.admits(mounted.endpoint.name, service):
                    scopes.setdefault(source, []).extend(self._service_scopes(principal, mounted, service, verb, only))
        return {source: tuple(services) for source, services in scopes.items() if services}

    def discovered(self, asker: Asker, principal: Principal, asked: PartialAddress, *, found: bool) -> None:
        """Put on record that a caller asked what it may use, and whether that was anything."""
        reason = _A_RULE_MATCHES if found else _NO_RULE_MATCHES
        self._record(asker, principal, asked, "discover", Decision(allowed=found, visible=found, reason=reason))

    def check_expression(self, text: str, principal: Principal) -> None:
        """Raise InvalidFilter for a filter in the engines' language that none of them could use for this caller."""
        for engine in self._engines.values():
            engine.operations.check_expression(text, principal.tenant)

    def engine(self, name: str) -> Engine:
        """The engine of that name."""
        return self._engines[name]

    def engine_of(self, mounted: MountedEndpoint) -> Engine:
        """The engine that an endpoint runs on."""
        return self._engines[mounted.endpoint.engine]

    def mounted(self, endpoint: str) -> MountedEndpoint | None:
        """The endpoint of that name."""
        return self._registry.resolve(endpoint)

    def _service_scopes(
        self, principal: Principal, mounted: MountedEndpoint, service: str, verb: Verb, only: PartialAddress
    ) -> Iterator[ServiceScope]:
        endpoint = mounted.endpoint
        own: list[str] = []
        every: list[str] = []
        for operation in sorted(mounted.services[service]):
            address = OperationAddress(endpoint.name, service, operation)
            if only.operation not in (None, operation):
                continue
            # A rule that reaches every tenant reaches the caller's own: who may not there, may nowhere.
            if not self._authorizer.authorize(principal, endpoint, address, verb).allowed:
                continue
            across = self._authorizer.authorize(principal, endpoint, address, verb, anothers=True).allowed
            (every if across else own).append(operation)
        for operations, every_tenant in ((own, False), (every, True)):
            if operations:
                whole = len(operations) == len(mounted.services[service])
                yield ServiceScope(endpoint.name, service, None if whole else tuple(operations), every_tenant)

    def _decide(
        self, principal: Principal, mounted: MountedEndpoint, address: OperationAddress, verb: Verb, owner: Tenant
    ) -> Decision:
        anothers = owner != principal.tenant
        return self._authorizer.authorize(principal, mounted.endpoint, address, verb, anothers=anothers)

    def _opened(self, principal: Principal, token: str) -> tuple[MountedEndpoint, Chosen] | None:
        try:
            opened = self._sealer.open_any_operation(token, principal.tenant)
            mounted, address = self._places[opened.place]
        except (InvalidToken, KeyError):
            return None
        return mounted, Chosen(address, opened.engine_token, opened.owner)

    def _record_scopes(
        self, asker: Asker, principal: Principal, verb: Verb, asked: PartialAddress, found: Sequence[ServiceScope]
    ) -> None:
        reason = _A_RULE_MATCHES if found else _NO_RULE_MATCHES
        reach = Reach.ALL if any(scope.every_tenant for scope in found) else Reach.OWN
        decision = Decision(allowed=bool(found), visible=bool(found), reason=reason)
        self._record(asker, principal, asked, verb, decision, reach=reach)

    def _record(
        self,
        asker: Asker,
        principal: Principal,
        asked: OperationAddress | PartialAddress,
        verb: str,
        decision: Decision,
        *,
        target: str | None = None,
        owner: Tenant | None = None,
        reach: Reach = Reach.OWN,
    ) -> None:
        self._auditor.decided(
            principal,
            asked,
            verb,
            decision,
            target=target,
            owner=owner,
            reach=reach,
            trace_id=asker.trace_id,
            request_id=asker.request_id,
            peer=asker.peer,
        )
