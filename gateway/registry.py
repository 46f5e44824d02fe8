"""Which operations an endpoint has: the plugins' services, mounted where the configuration lists them.

Installed is not exposed. Each endpoint gets a nexusrpc ``Handler`` of its own that knows only the services listed for
it, so that a service which is not listed is unknown there in every respect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import getdoc
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nexusrpc import get_service_definition
from nexusrpc.handler import Handler, OperationHandlerMiddleware

from gateway.model import Endpoint, OperationAddress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nexusrpc import OperationDefinition
    from nexusrpc.handler._core import ServiceHandler

    from gateway.plugins import Exposed, LoadedPlugin

_NO_MIDDLEWARE: Mapping[str, Sequence[OperationHandlerMiddleware]] = MappingProxyType({})


_NO_SUMMARIES: Mapping[tuple[str, str], str] = MappingProxyType({})
_NOTHING_EXPOSED: Mapping[tuple[str, str], Sequence[Exposed]] = MappingProxyType({})


class RegistryError(Exception):
    """The configuration lists services that no plugin offers; ``faults`` has one line for each, with its key."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True, kw_only=True)
class MountedEndpoint:
    """An endpoint together with the handler that serves it.

    ``services`` are its operation definitions by service name, then by operation name; ``exposes`` is what callers may
    do with running operations, by service and operation.
    """

    endpoint: Endpoint
    handler: Handler
    services: Mapping[str, Mapping[str, OperationDefinition[Any, Any]]]
    exposes: Mapping[tuple[str, str], Sequence[Exposed]] = field(default_factory=lambda: _NOTHING_EXPOSED)
    summaries: Mapping[tuple[str, str], str] = field(default_factory=lambda: _NO_SUMMARIES)

    def operation(self, service: str, operation: str) -> OperationDefinition[Any, Any] | None:
        """The definition of an operation, or ``None`` where the endpoint has no such service or operation."""
        operations = self.services.get(service)
        return None if operations is None else operations.get(operation)

    def known(self, service: str, operation: str) -> tuple[str, str | None, str | None]:
        """The endpoint's name, and those of service and operation where they are mounted: fit for a metric's labels."""
        operations = self.services.get(service)
        if operations is None:
            return self.endpoint.name, None, None
        return self.endpoint.name, service, operation if operation in operations else None

    def exposed(self, address: OperationAddress) -> Sequence[Exposed]:
        """What callers may do with a running operation there."""
        return self.exposes.get((address.service, address.operation), ())

    def summary(self, address: OperationAddress) -> str:
        """What the handler says of an operation there: the first paragraph of its method's docstring."""
        return self.summaries.get((address.service, address.operation), "")

    def addresses(self) -> tuple[OperationAddress, ...]:
        """Every operation that can be called here: services in the order of the configuration, operations by name."""
        return tuple(
            OperationAddress(self.endpoint.name, service, operation)
            for service, operations in self.services.items()
            for operation in sorted(operations)
        )


class Registry:
    """All mounted endpoints, by name."""

    def __init__(self, mounted: Sequence[MountedEndpoint]) -> None:
        self._mounted = {entry.endpoint.name: entry for entry in mounted}

    @classmethod
    def build(
        cls,
        plugins: Sequence[LoadedPlugin],
        endpoints: Sequence[Endpoint],
        middleware: Mapping[str, Sequence[OperationHandlerMiddleware]] = _NO_MIDDLEWARE,
    ) -> Registry:
        """Mount on each endpoint the services it lists, behind the middleware given for that endpoint's name.

        Raises:
            RegistryError: An endpoint lists a service that no plugin offers.
        """
        installed = {name: service for plugin in plugins for name, service in plugin.services.items()}
        faults = [
            _not_installed(endpoint, service, installed)
            for endpoint in endpoints
            for service in endpoint.services
            if service not in installed
        ]
        if faults:
            raise RegistryError(faults)
        summaries = {key: text for plugin in plugins for key, text in _summaries(plugin)}
        exposes = {key: exposed for plugin in plugins for key, exposed in plugin.plugin.exposes.items()}
        return cls(
            [
                _mount(endpoint, installed, middleware.get(endpoint.name, ()), exposes, summaries)
                for endpoint in endpoints
            ]
        )

    def resolve(self, endpoint: str) -> MountedEndpoint | None:
        """The endpoint of that name, or ``None``."""
        return self._mounted.get(endpoint)

    def endpoints(self) -> tuple[MountedEndpoint, ...]:
        """Every endpoint, in the order of the configuration."""
        return tuple(self._mounted.values())


def _mount(
    endpoint: Endpoint,
    installed: Mapping[str, ServiceHandler],
    middleware: Sequence[OperationHandlerMiddleware],
    exposes: Mapping[tuple[str, str], Sequence[Exposed]],
    summaries: Mapping[tuple[str, str], str],
) -> MountedEndpoint:
    listed = [installed[name] for name in dict.fromkeys(endpoint.services)]
    return MountedEndpoint(
        endpoint=endpoint,
        handler=Handler(listed, middleware=middleware),
        services={entry.service.name: entry.service.operation_definitions for entry in listed},
        exposes={key: exposed for key, exposed in exposes.items() if key[0] in endpoint.services},
        summaries=summaries,
    )


def _summaries(plugin: LoadedPlugin) -> Iterator[tuple[tuple[str, str], str]]:
    for instance in plugin.plugin.services:
        service = get_service_definition(type(instance))
        if service is None:
            continue
        for definition in service.operation_definitions.values():
            text = getdoc(getattr(type(instance), definition.method_name, None)) or ""
            yield (service.name, definition.name), " ".join(text.partition("\n\n")[0].split())


def _not_installed(endpoint: Endpoint, service: str, installed: Mapping[str, ServiceHandler]) -> str:
    known = ", ".join(repr(name) for name in sorted(installed)) or "none"
    return f"endpoints.{endpoint.name}.services: {service!r} is not installed (installed services: {known})"
