"""What there is to call, for one caller: services, their operations, and what these take, give, expose and allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.discovery._schemas import schema_of
from gateway.model import Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gateway.auth import Authorizer
    from gateway.model import OperationAddress, Principal
    from gateway.plugins import Exposed
    from gateway.registry import MountedEndpoint, Registry


class Services:
    """Tells callers what they may use; ``limits`` says which are in force, the same for all operations.

    What there is to say of an operation is worked out here, once: to make schemas takes long.
    """

    def __init__(self, registry: Registry, authorizer: Authorizer, limits: Callable[[], Mapping[str, float]]) -> None:
        self._registry = registry
        self._authorizer = authorizer
        self._limits = limits
        mounted_at = {(a.service, a.operation): (m, a) for m in registry.endpoints() for a in m.addresses()}
        self._descriptions = {named: _described(mounted, address) for named, (mounted, address) in mounted_at.items()}

    def listed(self, principal: Principal) -> Mapping[str, Any]:
        """The services of each endpoint that the caller may use, with the names of their operations."""
        services: list[dict[str, Any]] = []
        for mounted, address, _ in self.usable(principal):
            key = (mounted.endpoint.name, address.service)
            if not services or (services[-1]["endpoint"], services[-1]["service"]) != key:
                services.append({"endpoint": key[0], "service": key[1], "operations": []})
            services[-1]["operations"].append(address.operation)
        return {"services": services}

    def described(self, principal: Principal, service: str) -> Mapping[str, Any] | None:
        """A service at every endpoint where the caller may use it; None where there is none such."""
        operations = [
            {
                "endpoint": mounted.endpoint.name,
                **self._descriptions[address.service, address.operation],
                "limits": self._limits(),
                "verbs": [*verbs],
            }
            for mounted, address, verbs in self.usable(principal)
            if address.service == service
        ]
        return {"service": service, "operations": operations} if operations else None

    def usable(
        self, principal: Principal | None
    ) -> Iterator[tuple[MountedEndpoint, OperationAddress, tuple[Verb, ...]]]:
        """Every operation that the caller may do something with, and what; without a caller, every operation."""
        for mounted in self._registry.endpoints():
            for address in mounted.addresses():
                verbs = tuple(
                    verb for verb in Verb if principal is None or self._may(principal, mounted, address, verb)
                )
                if verbs:
                    yield mounted, address, verbs

    def _may(self, principal: Principal, mounted: MountedEndpoint, address: OperationAddress, verb: Verb) -> bool:
        return self._authorizer.authorize(principal, mounted.endpoint, address, verb).allowed


def _described(mounted: MountedEndpoint, address: OperationAddress) -> Mapping[str, Any]:
    """An operation as it is at every endpoint that it is mounted on."""
    definition = mounted.services[address.service][address.operation]
    return {
        "operation": address.operation,
        "summary": mounted.summary(address),
        "input": schema_of(definition.input_type, "validation"),
        "output": schema_of(definition.output_type, "serialization"),
        "exposes": [_exposed(exposed) for exposed in mounted.exposed(address)],
    }


def _exposed(exposed: Exposed) -> Mapping[str, Any]:
    return {
        "kind": exposed.kind.value,
        "name": exposed.name,
        "summary": exposed.summary,
        "input": schema_of(exposed.input or type(None), "validation"),
        "output": schema_of(exposed.output or type(None), "serialization"),
    }
